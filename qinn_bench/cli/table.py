"""``qinn-bench table``: the table of a study, from its records."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench import campaign, store
from qinn_bench.cli import _study
from qinn_bench.report.licence import licensed
from qinn_bench.report.table import table

FORMATS = ("text", "md", "latex", "csv", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, a format, columns and a file."""
    _study.add_arguments(parser)
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    parser.add_argument("--columns", help="names of metrics, separated by commas")
    parser.add_argument("--out", type=Path, help="write to this file instead")


def run(options: argparse.Namespace) -> int:
    """Render what is finished; cells without a record are counted in the table."""
    study, orders = _study.planned(options)
    columns = tuple(options.columns.split(",")) if options.columns else study.columns or None
    records = campaign.finished(orders)
    made = licensed(table(records, columns), records, options.results)
    render = {"text": made.text, "md": made.markdown, "latex": made.latex, "csv": made.csv, "json": made.json}
    text = render[options.format]()
    if options.out:
        store.write_whole(options.out, lambda file: file.write(text.encode()))
    else:
        print(text)
    return 0
