"""``qinn-bench data``: list and describe data sets; make and verify samples of generated events."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qinn_bench import catalogue, registry
from qinn_bench.cli import _tables
from qinn_bench.data import sample_files
from qinn_bench.data.sample_sources import SOURCES, Request
from qinn_bench.dataset import Dataset
from qinn_bench.limits import check_count
from qinn_bench.report.exports.croissant import croissant, parquet, rows_frame
from qinn_bench.values import Refused, Use
from qinn_bench.writing import write_together

PUBLISHER = ("license", "url", "datePublished", "citeAs")
"""What who publishes a data set says of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One of make, list, info, croissant and verify."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="generate a sample, unless it is there")
    make.add_argument("name", choices=list(SOURCES))
    _add_requests(make)
    make.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="processes; the events are the same")
    listing = actions.add_parser("list", help="which data sets and samples there are")
    describe = actions.add_parser("info", help="what a data set[knob=value] or a sample is")
    packing = actions.add_parser("croissant", help="the rows of a data set in Parquet, with Croissant metadata")
    packing.add_argument("name", help="a data set[knob=value]")
    packing.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a folder for the two files")
    for told in PUBLISHER:
        packing.add_argument(f"--{told.lower()}", dest=told, default="", help=f"{told} of the metadata")
    verify = actions.add_parser("verify", help="whether samples are as they were made")
    describe.add_argument("name")
    verify.add_argument("sample", nargs="?", help="default: all")
    for action in (listing, describe, verify):
        action.add_argument("--json", action="store_true")


def _add_requests(make: argparse.ArgumentParser) -> None:
    """Every argument of every generator, each with its defaults; who has it is said where some have not."""
    known: dict[str, list[tuple[str, Field[Any]]]] = {}
    for source in SOURCES.values():
        for one in fields(source.request):
            known.setdefault(one.name, []).append((source.name, one))
    for name, users in known.items():
        texts = dict.fromkeys(one.metadata["help"] for _, one in users)
        defaults = ", ".join(f"{one.default} ({source})" for source, one in users)
        make.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(users[0][1].default),
            help=f"{'; '.join(texts)} (default: {defaults})",
        )


def run(options: argparse.Namespace) -> int:
    """Do it; 0, or 4 if a sample fails verification."""
    actions = {"make": _make, "list": _list, "info": _info, "croissant": _croissant, "verify": _verify}
    return actions[options.action](options)


def _make(options: argparse.Namespace) -> int:
    check_count("--jobs", options.jobs)
    request = _request(options)
    with _progress(request.events) as progress:
        name = sample_files.make(request, options.jobs, progress)
    print(name)
    return 0


def _request(options: argparse.Namespace) -> Request:
    """What was asked for, of the generator that was named.

    Raises:
        Refused: something that it has no argument for.
    """
    source = SOURCES[options.name]
    every = dict.fromkeys(one.name for any_source in SOURCES.values() for one in fields(any_source.request))
    given = {name: value for name in every if (value := getattr(options, name)) is not None}
    for name in given:
        if name not in source.asked:
            has = ", ".join(f"--{one.replace('_', '-')}" for one in source.asked)
            raise Refused(f"data make {source.name} has no --{name.replace('_', '-')}; there are: {has}")
    return source.request(**given)


@contextmanager
def _progress(events: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, elsewhere one plain line for every tenth of the events."""
    log = Console(stderr=True)
    if sys.stderr.isatty():
        columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=log) as bars:
            bar = bars.add_task("events", total=events)
            yield lambda done: bars.update(bar, completed=done)
        return
    shown = [0]

    def line(done: int) -> None:
        if 10 * done // events > shown[0]:
            shown[0] = 10 * done // events
            log.print(f"{done} of {events} events")

    yield line


def _list(options: argparse.Namespace) -> int:
    about_of = {name: _about(name) for name in sample_files.names()}
    sets = catalogue.listed("data")
    if options.json:
        print(json.dumps({"data": sets, "samples": about_of}, indent=1))
        return 0
    for name, about in sets.items():
        print(_tables.entry(name, about))
    print("\nsamples")
    for name, entry in about_of.items():
        said = entry.get("broken") or "  ".join(f"{key}={value}" for key, value in entry.items())
        print(_tables.entry(name, str(said)))
    return 0


def _about(name: str) -> dict[str, Any]:
    """What a sample was asked for, or why it is broken: that stops no other from being listed."""
    try:
        known = sample_files.info(name)
        return {key: known[key] for key in sample_files.source_of(name).asked if key in known}
    except Refused as refusal:
        return {"broken": str(refusal)}


def _info(options: argparse.Namespace) -> int:
    is_set = options.name.partition("[")[0] in registry.names("data")
    about = _describe(registry.parse_use(options.name)) if is_set else sample_files.info(options.name)
    if options.json:
        print(json.dumps(about, indent=1))
        return 0
    for key, value in about.items():
        print(_tables.entry(key, "; ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return 0


def _describe(use: Use) -> dict[str, object]:
    """A data set as it is loaded: its coordinates, rows, entropy where it is known, content hash and provenance."""
    spelled = registry.spell_out("data", use)
    data: Dataset = registry.make("data", spelled)
    about: dict[str, object] = {
        "data": str(spelled),
        "columns": [f"{column.name} [{column.unit or '1'}]" for column in data.columns],
        "observables": [plot.name for plot in data.plots],
        "rows": f"train {len(data.train)}, valid {len(data.valid)}, test {len(data.test)}",
        "entropy_nats": data.density.entropy if data.density else "not known",
        "fingerprint": data.fingerprint,
    }
    return about | {key: value for key, value in data.provenance.items() if key not in about}


def _croissant(options: argparse.Namespace) -> int:
    """Write the rows and their metadata; who publishes them says under which licence."""
    spelled = registry.spell_out("data", registry.parse_use(options.name))
    data: Dataset = registry.make("data", spelled)
    frame = rows_frame(data)
    content, file = parquet(frame), f"{spelled.name}.parquet"
    told = {name: str(getattr(options, name)) for name in PUBLISHER}
    text = croissant(spelled, data, frame, file, content, told)
    write_together(
        [
            (options.out / file, lambda out: out.write(content)),
            (options.out / "croissant.json", lambda out: out.write(text.encode())),
        ]
    )
    print(f"{options.out}: {len(frame)} rows of {len(frame.columns)} columns, {len(content) / 1e6:.2f} MB")
    return 0


def _verify(options: argparse.Namespace) -> int:
    """An unreadable sample is a finding here, so each is reported and none stops the others."""
    chosen = [options.sample] if options.sample else sample_files.names()
    broken = {name: sample_files.broken(name) for name in chosen}
    if options.json:
        print(json.dumps(broken, indent=1))
    else:
        for name, why in broken.items():
            print(_tables.entry(name, why or "whole"))
    return 4 if any(broken.values()) else 0
