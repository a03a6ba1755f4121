"""``qinn-bench roc``: areas under ROC curves both ways, their mean and bias, and points; works without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.report.finished_table import shown_records
from qinn_bench.report.forms import FORMS
from qinn_bench.report.latex import latex
from qinn_bench.report.roc_table import roc_table
from qinn_bench.writing import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, a format and a file."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Render what is finished."""
    selection = _study.selected(options, options.records)
    made = roc_table(shown_records(selection, options.records)[0], selection.study.title)
    text = (
        latex(made, label=f"{selection.study.name}-roc") if options.format == "latex" else FORMS[options.format](made)
    )
    if options.out:
        write_text(options.out, text)
    else:
        print(text)
    return 0
