"""The table of what is finished of a study, with the notes on where its records are from; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qinn_bench.records import published, record_index, trials
from qinn_bench.report.sensitivity_table import licensed
from qinn_bench.report.study_table import table
from qinn_bench.report.table_value import Table
from qinn_bench.report.trained_on import trained_on
from qinn_bench.study import grid, progress
from qinn_bench.study.progress import CellStanding
from qinn_bench.study.selection import Selection
from qinn_bench.values import Record, Refused, Study
from qinn_bench.verdicts import cannot_win, strongest

DEFAULT_METRICS = ("nll", "swd")
"""By which of them a row could win is asked where a study names no metrics."""


def finished_table(
    selection: Selection, results: Path, columns: Sequence[str] = (), records: Path | None = None
) -> Table:
    """The table of the cells that were selected, of those with a record; cells without one are counted in it.

    `columns` are names of columns, by default those of the study or of all that was measured; `results` has the
    licences of metrics; `records` is the file of published records that the cells were selected from, if it was one.

    Raises:
        Refused: there are no records, or no such column.
    """
    with record_index.without_collector():
        return _table(selection, results, columns, records)


def _table(selection: Selection, results: Path, columns: Sequence[str], records: Path | None) -> Table:
    study = selection.study
    shown, notes = shown_records(selection, records)
    made = licensed(table(shown, tuple(columns) or study.columns or None, study.title), shown, results)
    blocked = cannot_win.said(shown, study.metrics or DEFAULT_METRICS, tuned=bool(study.tuning))
    told = (*strongest.said(shown), *blocked, *notes)
    drawn = [(one.use, one.data) for one in selection.drawn]
    box = trained_on(shown, drawn, tried(study, results, records))
    return replace(made, footnotes=(*made.footnotes, *told), box=box)


def shown_records(selection: Selection, records: Path | None = None) -> tuple[list[Record], list[str]]:
    """The records of the cells that were selected, from a file of published ones if it is given, and what has to be
    said of those that are left out.

    Raises:
        Refused: there are none, or only of another version.
    """
    if records:
        return _published(records, selection.study.name, selection.over_seeds)
    return _own(selection)


def run_table(study: Study, records: Sequence[Record], results: Path) -> Table:
    """The table of what a run has left, in the order of its plan.

    Raises:
        Refused: it has left nothing.
    """
    made = licensed(table(records, study.columns or None, study.title), records, results)
    drawn = [(one.use, one.data) for one in grid.draw(study)]
    return replace(made, box=trained_on(records, drawn, tried(study, results)))


def tried(study: Study, results: Path, records: Path | None = None) -> dict[str, set[int]] | None:
    """How many settings were tried for each family of a study that tunes; None where it does not."""
    return trials.tried(trials.known(study.name, results, records)) if study.tuning else None


def _own(selection: Selection) -> tuple[list[Record], list[str]]:
    """The records of a folder of results that are of this version of their cells, and what has to be said of others."""
    cells, notes = selection.over_seeds, list(map(str, selection.odd))
    stale = [one for one in cells if one.record and not one.current]
    records = [one.current for one in cells if one.current]
    told = progress.told_of_stale(stale)
    if stale and not records:
        raise Refused(
            f"all {len(stale)} records of '{selection.study.name}' are of another version ({told}); run it again"
        )
    if stale:
        notes.append(f"Left out, as their records are of another version until the study is run again: {told}.")
    return records, notes


def _published(path: Path, study: str, cells: Sequence[CellStanding]) -> tuple[list[Record], list[str]]:
    """The published records of these cells, and what has to be said of them."""
    records = [one.record for one in cells if one.record]
    if not records:
        raise Refused(f"{path} has no record of the cells of '{study}' that were asked for")
    return records, [published.said(path, records), *progress.said_of_versions(cells)]
