"""``qinn-bench agree``: do two runs of a study agree within their errors; works without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.report.agreement_table import agreement_table
from qinn_bench.report.forms import FORMS
from qinn_bench.report.study_columns import COMPUTED, default_columns
from qinn_bench.values import Record, Refused, Study
from qinn_bench.verdicts import agreement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, its two runs, and the columns that are compared."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results of the first run")
    _records.add_argument(parser)
    parser.add_argument(
        "--with", dest="other", type=Path, required=True, metavar="RUN", help="published records or a folder of results"
    )
    parser.add_argument("--columns", help="columns of metrics, separated by commas, or all (default: the study's)")
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")


def run(options: argparse.Namespace) -> int:
    """Compare, print the table; 0 the runs agree, 1 they do not."""
    first = options.records or options.results
    study, ours = _records_of(options, first, folder=not options.records)
    _, theirs = _records_of(options, options.other, folder=options.other.is_dir())
    found = agreement.compare(ours, theirs, _columns(options.columns, study.columns, ours))
    table = agreement_table(study.name, found, (f"{len(ours)} records of {first}", f"{len(theirs)} of {options.other}"))
    print(FORMS[options.format](table))
    return 0 if found.agrees else 1


def _records_of(options: argparse.Namespace, run: Path, *, folder: bool) -> tuple[Study, list[Record]]:
    """The study and the records that a run has of its cells: in a folder of results or in a file of published ones.

    Raises:
        Refused: there are none.
    """
    where = argparse.Namespace(study=options.study, results=run if folder else options.results)
    selection = _study.selected(where, None if folder else run)
    records = [one.stated for one in selection.cells if one.stated]
    if not records:
        raise Refused(
            f"'{run}' holds no records of the cells of '{selection.study.name}'; run the study first, or name a file "
            "of published ones"
        )
    return selection.study, records


def _columns(asked: str | None, of_study: tuple[str, ...], records: list[Record]) -> list[str]:
    """The columns to compare; an empty list stands for all."""
    if asked == "all":
        return []
    measured = {name for record in records for name in record.metrics}
    names = asked.split(",") if asked else [*(of_study or default_columns(records))]
    if asked and (wrong := [name for name in names if name not in measured]):
        raise Refused(f"no metric filled a column '{wrong[0]}'; there are: {', '.join(sorted(measured))}")
    return [name for name in names if name not in COMPUTED and name in measured]
