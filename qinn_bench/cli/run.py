"""``qinn-bench run``: run a study; what is finished is not run again."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from qinn_bench import limits
from qinn_bench.cli import _study, _tables
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.report.sensitivity_table import licensed
from qinn_bench.report.study_table import table
from qinn_bench.study import campaign, matched, planning, progress, study_files
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order
from qinn_bench.study.time_left import TimeLeft, cost_of, said


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, filters, and limits."""
    _study.add_arguments(parser)
    parser.add_argument("-j", "--jobs", type=int, default=limits.cores(), help="cells at once")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of each cell; more than one pays for many qubits"
    )
    parser.add_argument("--timeout", type=float, help="wall seconds a cell may take, or its data to be drawn")
    parser.add_argument("--memory", type=float, help="GiB a cell may allocate, or its data when they are drawn")
    parser.add_argument("--fresh", action="store_true", help="run finished cells again; each is kept until then")
    parser.add_argument("--retry", action="store_true", help="run failed cells again")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(options: argparse.Namespace) -> int:
    """Run what is missing, print the table and where the records are; 3 if some cells failed."""
    log = Console(stderr=True)
    use = limits.checked(Limits(options.jobs, options.timeout, options.memory, options.threads))
    study = study_files.load_study(options.study)
    planned = planning.plan(study, options.results, use)
    orders = _study.chosen(options, study, planned)
    matched.keep(options.results, study, planned)
    todo = campaign.afresh(orders) if options.fresh else campaign.pending(orders, options.retry)
    left_out = [] if options.fresh else campaign.unreadable(orders)
    done = len(orders) - len(todo) - len(left_out)
    log.print(f"{study.name}: {len(orders)} cells, {done} finished, {len(todo)} to run")
    if not todo:  # Killed campaigns may have left something beside records that they had finished.
        store.sweep(options.results, study.name)
    with _Watch(todo, log, TimeLeft(todo, options.jobs, campaign.finished(orders))) as watch:
        try:
            campaign.execute(todo, use, watch)
        except KeyboardInterrupt:
            watch.log.print(_stopped(watch, options.fresh))
            return 130
    records = campaign.finished(orders)
    over_seeds = [record for record in records if record.cell.varies == "all"]
    if over_seeds:  # Not even one on a disk that is full.
        shown = licensed(table(over_seeds, study.columns or None, study.title), over_seeds, options.results)
        print(shown.json() if options.json else _tables.text(shown))
    log.print(f"records: {options.results / 'records' / study.name}", soft_wrap=True)
    for problem in (*watch.problems, *left_out):
        log.print(problem, markup=False, soft_wrap=True)
    return 3 if watch.problems or left_out or any(progress.failed(record) for record in records) else 0


def _stopped(watch: _Watch, fresh: bool) -> str:
    """What is true after an interrupt."""
    if not fresh:
        return "stopped; finished cells are kept, run the same command to go on"
    left = watch.count - watch.done
    again = f"{watch.done} cells are run again, the other {left} keep the records that they had"
    return f"stopped; {again}; the same command starts with the first cell"


class _Watch(AbstractContextManager["_Watch"]):
    """Progress on a terminal as bars, elsewhere as one plain line a finished cell."""

    def __init__(self, todo: list[Order], log: Console, left: TimeLeft) -> None:
        self.left = left
        self.log, self.steps = log, {order.key: 0 for order in todo}
        self.total = sum(order.cell.budget.steps for order in todo)
        self.done, self.count = 0, len(todo)
        self.problems: list[str] = []
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

    def __call__(self, event: CellEvent) -> None:
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
            self.bar[key] = self.bars.add_task(name, total=event.order.cell.budget.steps)
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
