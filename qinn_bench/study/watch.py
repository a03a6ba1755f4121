"""How a campaign is watched: bars on a terminal, elsewhere one plain line a finished cell."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from qinn_bench.study.costs import cost_of
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order
from qinn_bench.study.time_left import TimeLeft, said
from qinn_bench.training.cycles import most_steps


class Watch(AbstractContextManager["Watch"]):
    """Progress on a terminal as bars, elsewhere as one plain line a finished cell."""

    def __init__(self, todo: list[Order], log: Console, left: TimeLeft) -> None:
        self.left = left
        self.log, self.steps = log, {order.key: 0 for order in todo}
        self.total = sum(most_steps(order.cell.budget) for order in todo)
        self.done, self.count = 0, len(todo)
        self.problems: list[str] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, console=log) if sys.stderr.isatty() and not log.quiet else None
        self.bar: dict[str, TaskID] = {}

    def __enter__(self) -> Watch:
        (self.bars or nullcontext()).__enter__()
        if self.bars and self.count:
            self.bar[""] = self.bars.add_task("cells", total=self.count)
        return self

    def __exit__(self, *error: object) -> None:
        (self.bars or nullcontext()).__exit__(*error)  # type: ignore[arg-type]

    def __call__(self, event: CellEvent) -> None:
        """Tell what has happened to a cell."""
        cell = event.order.cell
        alone = "" if cell.varies == "all" else f" of the {cell.varies} alone"
        name = f"{cell.data.name} {event.order.row} seed {cell.seed}{alone}"
        self.left.start(event.order)
        if event.note:
            self._say(f"{name}: {event.note}")
        if event.record or event.problem:
            self.done += 1
            if event.record:
                self.left.finish(event.order, event.record)
            left = said(self.left.seconds())
            self._say(f"[{self.done}/{self.count}] {name}: {_ending(event)}" + (f", {left}" if left else ""))
        if event.problem:
            self.problems.append(f"{name}: {event.problem}")
        if self.bars:
            self._move(event, name)

    def _say(self, line: str) -> None:
        self.log.print(line, markup=False, soft_wrap=True)

    def _move(self, event: CellEvent, name: str) -> None:
        assert self.bars is not None
        key = event.order.key
        if key not in self.bar:
            self.bar[key] = self.bars.add_task(name, total=most_steps(event.order.cell.budget))
        self.bars.update(self.bar[key], completed=event.step)
        if event.record or event.problem:
            self.bars.remove_task(self.bar.pop(key))
            self.bars.update(self.bar[""], completed=self.done)


def _ending(event: CellEvent) -> str:
    """How a cell has ended, in words."""
    if not event.record:
        return event.problem
    if event.problem:
        return f"the record that it had is kept: {event.problem}"
    why = f": {event.record.reason}" if event.record.reason else ""
    return f"{event.record.status}{why} ({cost_of(event.record):.1f} s)"
