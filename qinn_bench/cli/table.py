"""``qinn-bench table``: the table of a study, from its records; works without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from qinn_bench.cli import _records, _study
from qinn_bench.report.finished_table import finished_table
from qinn_bench.report.forms import FORMS
from qinn_bench.report.latex import Font, Page, latex
from qinn_bench.writing import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, a format, columns and a file."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    parser.add_argument("--columns", help="names of metrics, separated by commas")
    parser.add_argument("--font", choices=get_args(Font), default="scriptsize", help="size of letters in LaTeX")
    parser.add_argument("--landscape", action="store_true", help="LaTeX on a page that lies on its side")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Render what is finished; cells without a record are counted in the table."""
    selection = _study.selected(options, options.records)
    columns = options.columns.split(",") if options.columns else ()
    made = finished_table(selection, options.results, columns, options.records)
    if options.format == "latex":
        text = latex(made, Page(options.font, options.landscape), selection.study.name)
    else:
        text = FORMS[options.format](made)
    if options.out:
        write_text(options.out, text)
    else:
        print(text)
    return 0
