"""``qinn-bench table``: the table of a study, from its records; works without torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from qinn_bench.cli import _records, _study
from qinn_bench.cli._tables import FORMS
from qinn_bench.records import published
from qinn_bench.report.latex import Font, Page, latex
from qinn_bench.report.sensitivity_table import licensed
from qinn_bench.report.study_table import table
from qinn_bench.study import progress
from qinn_bench.study.progress import CellStanding
from qinn_bench.values import Record, Refused
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
    planned = _study.found(options, options.records)
    study, cells = planned.study, _study.over_seeds(planned.cells)
    columns = tuple(options.columns.split(",")) if options.columns else study.columns or None
    own = [one.current for one in cells if one.current], list(map(str, planned.odd))
    records, notes = _published(options.records, study.name, cells) if options.records else own
    made = licensed(table(records, columns, study.title), records, options.results)
    made = replace(made, footnotes=(*made.footnotes, *notes))
    if options.format == "latex":
        text = latex(made, Page(options.font, options.landscape), study.name)
    else:
        text = FORMS[options.format](made)
    if options.out:
        write_text(options.out, text)
    else:
        print(text)
    return 0


def _published(path: Path, study: str, cells: Sequence[CellStanding]) -> tuple[list[Record], list[str]]:
    """The published records of these cells, and what has to be said of them."""
    records = [one.record for one in cells if one.record]
    if not records:
        raise Refused(f"{path} has no record of the cells of '{study}' that were asked for")
    notes, (other, differs) = [published.said(path, records)], progress.of_other_inputs(cells)
    if other:
        notes.append(f"{other} of these records are not of this version: {differs}.")
    return records, notes
