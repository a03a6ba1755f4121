"""How far a study is while campaigns run it, here or elsewhere, from its folder alone; without torch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qinn_bench import locks
from qinn_bench.study import grid, progress
from qinn_bench.study.costs import Costs
from qinn_bench.study.selection import Filters, Selection, select
from qinn_bench.study.time_left import said
from qinn_bench.values import Study


@dataclass(frozen=True)
class StudyStanding:
    """How many cells a study has, how many of them ended how, how many are to run, how many run now, and the seconds
    that the rest takes, None where nothing is known of it."""

    cells: int
    counts: Counter[str]
    to_run: int
    running: int
    left: float | None

    @property
    def failed(self) -> bool:
        """Whether a cell gave no result."""
        return any(self.counts[status] for status in progress.FAILURES)

    def __str__(self) -> str:
        ended = ", ".join(f"{n} {status}" for status, n in self.counts.items()) or "none has ended"
        told = [f"[{self.cells - self.to_run}/{self.cells}] {ended}", f"{self.running} running", said(self.left)]
        return ", ".join(filter(None, told)) if self.to_run else told[0]


def standing_of(selection: Selection, results: Path) -> StudyStanding:
    """How far the selected cells of a study are, from their records and from the locks of those that run."""
    records, folder = selection.records, results / "records" / selection.study.name
    to_run = progress.to_run(selection.study, selection.drawn, selection.cells, selection.odd)
    running = sum(locks.is_held(path) for path in folder.glob(".*.lock"))
    costs = Costs(one.record for one in selection.cells if one.record)
    waiting = [costs.of(one.slot.row, one.slot.cell).seconds for one in selection.cells if one.current is None]
    left = None if any(one is None for one in waiting) else sum(one or 0.0 for one in waiting) / max(1, running)
    counts = Counter(str(record.status) for record in records)
    return StudyStanding(len(selection.cells), counts, to_run, running, left)


def follow(
    study: Study, results: Path, filters: Filters, every: float, wait: Callable[[float], None] = time.sleep
) -> Iterator[StudyStanding]:
    """How far a study is, now and whenever that has changed, looked at `every` so many seconds, until none of its cells
    is left to run."""
    drawn, before = grid.draw(study), None
    while True:
        now = standing_of(select(study, results, filters, drawn=drawn), results)
        if str(now) != str(before):
            yield now
        before = now
        if not now.to_run:
            return
        wait(every)
