"""``qinn-bench showers``: the showers that the rows of a study have drawn, in files of the CaloChallenge's layout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench.cli import _study
from qinn_bench.report.shower_files import write_showers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study and a folder."""
    _study.add_arguments(parser)
    parser.add_argument("--out", type=Path, help="folder for the files (default: RESULTS/showers/STUDY)")


def run(options: argparse.Namespace) -> int:
    """Write the truth, each row at each seed, and the binning; print the paths."""
    selection = _study.selected(options)
    for odd in selection.odd:
        print(odd, file=sys.stderr)
    for path in write_showers(
        selection, options.results, options.out or options.results / "showers" / selection.study.name
    ):
        print(path)
    return 0
