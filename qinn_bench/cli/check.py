"""``qinn-bench check``: the laws of models, data sets and metrics, on a file of yours or on anything by name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from qinn_bench import catalogue, file_text, outside, registry
from qinn_bench.cli import _tables
from qinn_bench.laws.check import outcomes
from qinn_bench.laws.law import LawOutcome, any_broken
from qinn_bench.outside import KINDS, WORDS, Kind
from qinn_bench.values import Refused, Use

SIGNS = {"ok": "ok", "broken": "BROKEN", "spared": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is checked."""
    parser.add_argument(
        "what",
        help="a file (.py), whose code is run; or a model[knob=value], a data set[knob=value], a metric",
    )
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")


def run(options: argparse.Namespace) -> int:
    """Print a line a law; 1 if one is broken."""
    kind, use = _named(options.what)
    registry.find(kind, use.name)
    found = list(_shown(outcomes(kind, use), quiet=options.json))
    if not found:
        raise Refused(f"{kind} '{use}' has nothing that a law could be asked of; rows or metrics were expected")
    if options.json:
        print(json.dumps({"kind": kind, "name": str(use), "laws": [asdict(one) for one in found]}, indent=1))
    else:
        print(_summary(kind, use, found))
    return int(any_broken(found))


def _named(what: str) -> tuple[Kind, Use]:
    """What was asked for: the kind and the name of a file, which joins, or of what exists."""
    path = Path(what)
    if path.suffix == ".py" or path.is_file():
        if not path.is_file():
            raise Refused(f"there is no file '{what}'; a file ending in .py, or a name of what exists, was expected")
        if path.suffix == ".py" and (wrong := file_text.why_unreadable(path)):
            raise Refused(f"'{what}' cannot be read: {wrong}")
        kinds = file_text.kinds_of(path)
        if len(kinds) != 1 or path.suffix != ".py":
            makers = "build (a model), load (a data set) and METRICS (metrics)"
            has = (
                " and ".join(registry.MAKERS.get(kind, "METRICS") for kind in kinds) or "none of them that can be read"
            )
            raise Refused(f"'{what}' has {has}; a file in Python with one of {makers} was expected")
        if _is_known(kinds[0], path):
            return kinds[0], Use(name=path.stem)
        name = outside.of_file(kinds[0], path)
        registry.names(kinds[0])
        return kinds[0], Use(name=name)
    use = registry.parse_use(what)
    for kind in KINDS:
        if use.name in registry.names(kind) and not (kind == "metric" and use.knobs):
            return kind, use
    families = [name for name in registry.names("metric") if use.name in _metrics_of(name)]
    if families and not use.knobs:
        return "metric", Use(name=families[0])
    every = "; ".join(f"{WORDS[kind]}: {', '.join(registry.names(kind))}" for kind in KINDS)
    raise Refused(f"nothing is called '{use}'; there are {every}")


def _is_known(kind: Kind, path: Path) -> bool:
    """Whether a file is that of something which exists under its name."""
    known = catalogue.file_of(kind, path.stem) if path.stem in registry.names(kind) else None
    return known is not None and known.samefile(path)


def _metrics_of(family: str) -> set[str]:
    """The metrics of a family that works."""
    module = f"{registry.module_of('metric', family)}:"
    return {one.name for one in catalogue.metrics().values() if one.source.startswith(module)}


def _shown(found: Iterator[LawOutcome], *, quiet: bool) -> Iterator[LawOutcome]:
    """The outcomes; those of a law are printed in one line as soon as they are there."""
    for _, group in groupby(found, key=lambda outcome: outcome.law):
        of_law = list(group)
        if not quiet:
            print(_line(of_law), flush=True)
        yield from of_law


def _line(of_law: Sequence[LawOutcome]) -> str:
    """What became of a law: of each case that breaks it, or else of the first that keeps it."""
    kept = [one for one in of_law if one.verdict == "ok"][:1] or of_law[:1]
    broken = [one for one in of_law if one.verdict == "broken"]
    said = "; ".join(f"{one.said} ({one.of})" if len(of_law) > 1 else one.said for one in broken or kept)
    law = f"; the law: {of_law[0].statement}" if broken else ""
    return _tables.entry(f"{SIGNS[(broken or kept)[0].verdict]:6}  {of_law[0].law}", said + law, 48)


def _summary(kind: Kind, use: Use, found: Sequence[LawOutcome]) -> str:
    laws = dict.fromkeys(one.law for one in found)
    broken = {one.law for one in found if one.verdict == "broken"}
    kept = {one.law for one in found if one.verdict == "ok"} - broken
    idle = len(laws) - len(broken) - len(kept)
    return f"{kind} {use}: {len(kept)} laws kept, {len(broken)} broken" + (
        f", {idle} that do not apply" if idle else ""
    )
