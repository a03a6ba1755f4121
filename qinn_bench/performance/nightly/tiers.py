"""The measurements of a nightly run: counters of all workloads, the gate, and the quality of pinned seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from qinn_bench.limits import Limits
from qinn_bench.performance import workloads
from qinn_bench.performance.counters import count as counters
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.gate.decide import SPENT
from qinn_bench.performance.nightly.night import Spent
from qinn_bench.study import campaign, planning, study_files
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order
from qinn_bench.values import Record, Use
from qinn_bench.verdicts import golden_numbers
from qinn_bench.verdicts.golden_numbers import Golden, SeriesVerdict, WatchedStudy

CELL_SECONDS = 300.0
"""The most that a cell may take."""


def count(uses: Sequence[Use], spent: Spent, watch: Callable[[Counted], None]) -> list[Counted]:
    """The counters of workloads, as many as there is time for; the others say that there was none."""
    done: list[Counted] = []
    if not spent():
        for one in counters.counted(uses):
            done.append(one)
            watch(one)
            if spent():
                break
    left = uses[len(done) :]
    return done + [
        Counted(workload=use, version=workloads.workload_of(use).version, reason=SPENT, late=True) for use in left
    ]


def check(
    golden: Golden, watched: WatchedStudy, study: Path, spent: Spent, watch: Callable[[Record], None], jobs: int = 1
) -> tuple[list[SeriesVerdict], list[Record], list[str]]:
    """Train the watched study anew and compare it with its golden numbers.

    The first seeds are enough while nothing moves; then the other seeds of the rows that moved are trained too. Rows
    whose first seeds there was no time for are no findings but named beside them. Nothing else is kept.

    Raises:
        Refused: the study cannot be planned.
    """
    with tempfile.TemporaryDirectory(prefix="qinn-bench-") as scratch:
        asked = study_files.load_study(study)
        orders = planning.plan(asked, Path(scratch))
        first = [order for order in orders if order.cell.seed in asked.every_seed[: watched.first_seeds]]
        _run(first, spent, watch, jobs)
        done = campaign.finished(first)
        left = {_place(order) for order in first if order.key not in {record.key for record in done}}
        known = golden.model_copy(update={"series": tuple(s for s in golden.series if (s.row, s.data) not in left)})
        moved = {(one.row, one.data) for one in golden_numbers.check(known, watched, done) if one.outcome != "same"}
        _run([o for o in orders if o not in first and _place(o) in moved], spent, watch, jobs)
        records = campaign.finished(orders)
        return (
            golden_numbers.check(known, watched, records),
            records,
            [f"{row} on {data}" for row, data in sorted(left)],
        )


def _place(order: Order) -> tuple[str, str]:
    return order.row, str(order.cell.data)


def _run(orders: Sequence[Order], spent: Spent, watch: Callable[[Record], None], jobs: int) -> None:
    """Run cells seed by seed, while there is time."""

    def show(event: CellEvent) -> None:
        if event.record:
            watch(event.record)

    by_seed = sorted(orders, key=lambda order: order.cell.seed)
    for _, of_seed in groupby(by_seed, key=lambda order: order.cell.seed):
        if spent():
            return
        campaign.execute(list(of_seed), Limits(workers=jobs, timeout=CELL_SECONDS), show)
