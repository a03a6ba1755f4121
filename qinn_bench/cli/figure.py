"""``qinn-bench figure``: the figures of a study, from its records."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.files import file_name
from qinn_bench.report import figure_style
from qinn_bench.report.study_figure_set import figures_of
from qinn_bench.values import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, observables, and a folder."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--observable", action="append", default=[], help="a figure of its own for this observable")
    parser.add_argument("--out", type=Path, help="folder for the figures (default: RESULTS/figures/STUDY)")


def run(options: argparse.Namespace) -> int:
    """Write, for each data set, the observables against the truth and the loss curves; print the paths.

    Controls are left out unless the filters keep nothing else; figures of some rows or seeds have names of their own.
    Published records have no samples and are refused.
    """
    if options.records:
        raise Refused(f"{options.records} holds no samples, which figures are drawn from; leave --records out")
    selection = _study.selected(options)
    for odd in selection.odd:
        print(odd, file=sys.stderr)
    folder = options.out or options.results / "figures" / selection.study.name
    drawn = figures_of(selection, options.results, options.observable)
    if not drawn:
        raise Refused(f"'{selection.study.name}' has nothing to draw: no samples to compare and no curves of training")
    for (data, kind), figure in drawn.items():
        for path in figure_style.save(figure, folder / file_name(f"{data}_{kind}{_choice(options)}")):
            print(path)
    return 0


def _choice(options: argparse.Namespace) -> str:
    """What a part of the rows or seeds adds to the names of its figures, so that those of all rows stay."""
    chosen = [*options.model, *(f"seed {seed}" for seed in options.seed)]
    return f"_{'_'.join(chosen)}" if chosen else ""
