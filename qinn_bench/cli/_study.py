"""What the verbs that take a study share: its arguments, and the cells that they choose; without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench.study import progress, selection, study_files
from qinn_bench.study.selection import Filters, Selection


def add_arguments(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """The study, the folder of its results, and the filters by model, data set and seed."""
    parser.add_argument("study", type=Path, nargs="?" if optional else None, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-m", "--model", action="append", default=[], help="only this row, family or model[knob=value]")
    parser.add_argument("-d", "--data", action="append", default=[], help="only this data set[knob=value]")
    parser.add_argument("-s", "--seed", action="append", default=[], type=int, help="only this seed")


def add_retry(parser: argparse.ArgumentParser, what: str) -> None:
    """``--retry``, of all failures or of named statuses."""
    words = f"run failed {what} again, or those of these statuses only, such as timeout,out-of-memory,lost"
    every = ",".join(progress.FAILURES)
    parser.add_argument("--retry", nargs="?", const=every, default="", metavar="STATUSES", help=words)


def filters(options: argparse.Namespace) -> Filters:
    """What ``-m``, ``-d`` and ``-s`` keep; a verb that lacks one of them keeps all of its kind."""
    return Filters(*(tuple(getattr(options, name, ())) for name in ("model", "data", "seed")))


def selected(options: argparse.Namespace, records: Path | None = None) -> Selection:
    """The study and its cells with their records, published ones or those of the folder of results.

    Raises:
        Refused: no such study, or a filter keeps nothing.
    """
    return selection.select(study_files.load_study(options.study), options.results, filters(options), records)
