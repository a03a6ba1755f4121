"""``qinn-bench licence``: the smallest deformations of true rows that each metric can see, from simulation."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from qinn_bench import registry
from qinn_bench.dataset import Dataset, Metric
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.records import measures
from qinn_bench.report import forms
from qinn_bench.report.sensitivity_table import table
from qinn_bench.sensitivity import licence, power_curves
from qinn_bench.sensitivity.deformations import pool
from qinn_bench.sensitivity.licence import Licence
from qinn_bench.values import Refused
from qinn_bench.writing import write_text

FEWEST = 10
SMALLEST = 100
OWN = "own"
"""The folder beside the licences in use, for those that were only looked at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, metrics, sample sizes and the number of repeats."""
    parser.add_argument("data", help="data set[knob=value]")
    parser.add_argument("--metrics", help="names of metrics, separated by commas (default: all)")
    parser.add_argument("--samples", default="2000,10000", help="sample sizes, separated by commas")
    parser.add_argument("--repeats", type=int, default=40, help="samples at each strength near the smallest seen")
    parser.add_argument("--fresh", action="store_true", help="forget what the file has already")
    parser.add_argument("--json", action="store_true", help="print the licence as JSON")
    parser.add_argument("--keep", action="store_true", help="make it the licence in results/licence, which tables use")
    parser.add_argument("--out", type=Path, help="the file (default: results/licence/own/DATA.json)")
    parser.add_argument("--table", type=Path, help="write the table in Markdown to this file too")


def run(options: argparse.Namespace) -> int:
    """Simulate what the file does not have yet, write after every metric, and print the table."""
    data: Dataset = registry.make("data", registry.spell_out("data", registry.parse_use(options.data)))
    used = licence.path(Path("results"), options.data)
    file = options.out or (used if options.keep else used.parent / OWN / used.name)
    found = _complete(data, options, file, used)
    if options.table:
        write_text(options.table, table(found).markdown())
    if not options.out and file != used and file.exists():
        Console(stderr=True).print(
            f"kept in {file}; tables use {used}, which --keep writes", soft_wrap=True, markup=False, highlight=False
        )
    print(found.model_dump_json(indent=1) if options.json else forms.text(table(found)))
    return 0


def _complete(data: Dataset, options: argparse.Namespace, file: Path, used: Path) -> Licence:
    """The licence of the file, or of the one in use where there is none yet, with what was asked for."""
    metrics, sizes = _metrics(options.metrics), _sizes(options.samples)
    if options.repeats < FEWEST:
        raise Refused(f"--repeats is {options.repeats}; a power curve needs at least {FEWEST}")
    found = None if options.fresh else licence.read(file) or licence.read(used)
    if found is None or found.fingerprint != data.fingerprint:
        found = Licence(data=options.data, fingerprint=data.fingerprint)
    log, source = Console(stderr=True), pool(data)
    for n, metric in ((n, metric) for n in sizes for metric in metrics):
        code = measures.fingerprints((metric.name,))[metric.name]
        known = [s.repeats for s in found.sights if (s.metric, s.samples) == (metric.name, n)]
        if found.measured.get(metric.name) == code and known and min(known) >= options.repeats:
            continue
        sights = power_curves.sights(
            metric, source, n, options.repeats, on_step=lambda said: log.print(said, highlight=False)
        )
        found = found.replacing(sights, {metric.name: code})
        licence.write(file, found)
    return found


def _metrics(asked: str | None) -> list[Metric]:
    every = all_metrics()
    names = asked.split(",") if asked else sorted(every)
    if unknown := [name for name in names if name not in every]:
        raise Refused(f"no metric is called '{unknown[0]}'; there are: {', '.join(sorted(every))}")
    return [every[name] for name in names]


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < SMALLEST:
        raise Refused(f"--samples is '{text}'; expected whole numbers from {SMALLEST} on, such as 2000,10000")
    return sizes
