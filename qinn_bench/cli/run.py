"""``qinn-bench run``: run a study; what is finished is not run again."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from qinn_bench import campaign
from qinn_bench.campaign import Event, Limits
from qinn_bench.cli import _study, _tables
from qinn_bench.report.licence import licensed
from qinn_bench.report.table import table
from qinn_bench.run import Order
from qinn_bench.time_left import TimeLeft, cost_of, said


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, filters, and limits."""
    _study.add_arguments(parser)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="cells at once")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of each cell; more than one pays for many qubits"
    )
    parser.add_argument("--timeout", type=float, help="wall seconds a cell may take")
    parser.add_argument("--memory", type=float, help="GiB a cell may allocate")
    parser.add_argument("--fresh", action="store_true", help="run finished cells again")
    parser.add_argument("--retry", action="store_true", help="run failed cells again")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(options: argparse.Namespace) -> int:
    """Run what is missing, print the table and where the records are; 3 if some cells failed."""
    study, orders = _study.planned(options)
    todo = orders if options.fresh else campaign.pending(orders, options.retry)
    if options.fresh:
        campaign.forget(orders)
    log = Console(stderr=True)
    log.print(f"{study.name}: {len(orders)} cells, {len(orders) - len(todo)} finished, {len(todo)} to run")
    with _Watch(todo, log, TimeLeft(todo, options.jobs, campaign.finished(orders))) as watch:
        campaign.execute(
            todo, Limits(max(1, options.jobs), options.timeout, options.memory, max(1, options.threads)), watch
        )
    records = campaign.finished(orders)
    over_seeds = [record for record in records if record.cell.varies == "all"]
    shown = licensed(table(over_seeds, study.columns or None), over_seeds, options.results)
    print(shown.json() if options.json else _tables.text(shown))
    log.print(f"records: {options.results / 'records' / study.name}")
    return 3 if any(campaign.failed(record) for record in records) else 0


class _Watch(AbstractContextManager["_Watch"]):
    """Progress on a terminal as bars, elsewhere as one plain line a finished cell."""

    def __init__(self, todo: list[Order], log: Console, left: TimeLeft) -> None:
        self.left = left
        self.log, self.steps = log, {order.key: 0 for order in todo}
        self.total = sum(order.cell.budget.steps for order in todo)
        self.done, self.count = 0, len(todo)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, console=log) if sys.stderr.isatty() else None
        self.bar: dict[str, TaskID] = {}

    def __enter__(self) -> _Watch:
        (self.bars or nullcontext()).__enter__()
        if self.bars and self.count:
            self.bar[""] = self.bars.add_task("cells", total=self.count)
        return self

    def __exit__(self, *error: object) -> None:
        (self.bars or nullcontext()).__exit__(*error)  # type: ignore[arg-type]

    def __call__(self, event: Event) -> None:
        cell = event.order.cell
        alone = "" if cell.varies == "all" else f" of the {cell.varies} alone"
        name = f"{cell.data.name} {event.order.row} seed {cell.seed}{alone}"
        self.left.start(event.order)
        if event.record:
            self.done += 1
            self.left.finish(event.order, event.record)
            seconds, left = cost_of(event.record), said(self.left.seconds())
            why = f": {event.record.reason}" if event.record.reason else ""
            self.log.print(
                f"[{self.done}/{self.count}] {name}: {event.record.status}{why} ({seconds:.1f} s)"
                + (f", {left}" if left else ""),
                markup=False,
                soft_wrap=True,
            )
        if self.bars:
            self._move(event, name)

    def _move(self, event: Event, name: str) -> None:
        assert self.bars is not None
        key = event.order.key
        if key not in self.bar:
            self.bar[key] = self.bars.add_task(name, total=event.order.cell.budget.steps)
        self.bars.update(self.bar[key], completed=event.step)
        if event.record:
            self.bars.remove_task(self.bar.pop(key))
            self.bars.update(self.bar[""], completed=self.done)
