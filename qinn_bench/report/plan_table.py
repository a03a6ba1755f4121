"""The table of what a run of a study would do: cells by row, what is finished, and what the rest would take."""

from __future__ import annotations

from qinn_bench.report.table_parts import INDENT, MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.study.plan_matrix import PlannedRow, StudyPlan
from qinn_bench.study.time_left import lasting

HEADER = (
    *(Heading("row", "row"), Heading("cells", "cells"), Heading("finished", "finished"), Heading("failed", "failed")),
    *(Heading("again", "measure again"), Heading("to_run", "to run"), Heading("each_s", "each", "s")),
    *(Heading("all_s", "all", "s"), Heading("memory_mb", "memory", "MB"), Heading("basis", "told by")),
)
TOLD = {
    "row": "its row",
    "model": "its model",
    "steps": "steps of others",
    "engine": "the engine's forecast",
    "nothing": "",
    "unknown": "nothing",
}
NOTES = (
    "Told by its row or its model: the mean of the recorded wall times of finished cells, and the most memory that one "
    "of them held; by steps of others: their time for a training step; by the engine's forecast: its circuits alone, "
    "an order of magnitude.",
)


def plan_table(plan: StudyPlan, workers: int) -> Table:
    """A line a row and data set; the notes have the sums for so many cells at once."""
    lines = tuple(_line(row) for row in plan.rows)
    return Table(f"Plan of {plan.study.name}", HEADER, lines, (*summary(plan, workers), *NOTES))


def summary(plan: StudyPlan, workers: int) -> list[str]:
    """Sentences on the whole: how many cells, how long, how much memory, from which records this is told."""
    told = [f"{sum(row.cells for row in plan.rows)} cells, {plan.to_run} to run."]
    if plan.to_run > plan.unknown:
        unknown = f", beside {plan.unknown} cells of which nothing is known" if plan.unknown else ""
        told.append(f"They take {lasting(plan.seconds(workers))} with {workers} at once{unknown}.")
    if held := plan.memory_mb(workers):
        told.append(f"So many at once hold {held / 1024:.1f} GiB at most.")
    done, most = plan.trials
    if most:
        told.append(f"Tuning comes first: {done} of at most {most} trials have ended; their time is not in the sum.")
    if plan.source:
        told.append(f"Costs are from {plan.source}, taken on {', '.join(plan.processors) or 'unknown processors'}.")
    return told


def _line(row: PlannedRow) -> Line:
    failed = ", ".join(f"{n} {status}" for status, n in row.failed.items())
    plain: dict[str, str | float | None] = {"": float(row.failed.total())}
    entries = (
        Entry((INDENT if row.control else "") + row.row),
        *(_count(n) for n in (row.cells, row.finished)),
        Entry(failed or "0", plain=plain),
        *(_count(n) for n in (row.again, row.to_run)),
        _number(row.each.seconds if row.to_run else None),
        _number(row.seconds if row.to_run else None),
        _number(row.each.memory_mb if row.to_run else None),
        Entry(TOLD[row.each.basis] if row.to_run else ""),
    )
    return Line(row.data, row.row, "control" if row.control else "model", "", entries)


def _count(n: int) -> Entry:
    return Entry(str(n), plain={"": float(n)})


def _number(value: float | None) -> Entry:
    return Entry(MISSING if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}", plain={"": value})
