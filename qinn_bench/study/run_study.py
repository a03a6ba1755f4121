"""A study is run: planned, what is missing of it trained, its records gathered; what is finished is not run again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from qinn_bench import limits
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.records.trials import trials_study
from qinn_bench.study import campaign, matched, planning, progress, selection, tuning
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers.seam import OnThisMachine, Scheduler
from qinn_bench.study.selection import EVERY, Filters
from qinn_bench.study.time_left import TimeLeft
from qinn_bench.study.tuning import TunedRow
from qinn_bench.study.watch import Watch
from qinn_bench.values import Record, Refused, Status, Study

ONE_AT_A_TIME = Limits()
HERE: Scheduler = OnThisMachine()


class Stopped(KeyboardInterrupt):
    """The user has stopped a run; what is true of its cells was said.

    Example:
        >>> issubclass(Stopped, Exception)
        False
    """


@dataclass(frozen=True)
class Ran:
    """The records of the cells that were asked for, and a sentence for each that could not be run or read.

    Example:
        >>> Ran(records=[], problems=("moons qinn seed 0: no memory",)).complete
        False
    """

    records: list[Record]
    problems: tuple[str, ...]

    @property
    def over_seeds(self) -> list[Record]:
        """The records whose seed moved everything, which a table has."""
        return [record for record in self.records if record.cell.varies == "all"]

    @property
    def complete(self) -> bool:
        """Whether every cell gave a result or was to be skipped."""
        return not self.problems and not any(progress.failed(record) for record in self.records)


def console(*, quiet: bool = False) -> Console:
    """Where a run tells what happens: the standard error output, or nowhere."""
    return Console(stderr=True, quiet=quiet)


def run_study(
    study: Study,
    results: Path,
    filters: Filters = EVERY,
    use: Limits = ONE_AT_A_TIME,
    log: Console | None = None,
    *,
    fresh: bool = False,
    retry: Collection[Status] = (),
    scheduler: Scheduler = HERE,
) -> Ran:
    """Run the cells of a study that the filters keep and that are not finished, each in a process of its own.

    A study that tunes is tuned before. With `fresh` finished cells are run again, each record kept until its successor
    is written; failed cells too whose status is one of `retry`. What happens is told to `log`, the standard error
    output by default. Cells run where the `scheduler` has them run, trials too.

    Raises:
        Refused: limits that make no sense here, no cells, or a folder of results that cannot be written.
        Stopped: the user has interrupted it.
    """
    log = log or console()
    use = limits.checked(use)
    problems: list[str] = []
    if study.tuning and (rows := tuning.tuned_rows(study, results, filters, use)):
        problems += _tuned(study, rows, results, use, log, retry=retry, scheduler=scheduler).problems
    planned = planning.plan(study, results, use)
    orders = selection.chosen(study, planned, filters)
    matched.keep_plan(results, study, planned)
    problems += _run(study.name, results, orders, use, log, fresh=fresh, retry=retry, scheduler=scheduler)
    return Ran(campaign.finished(orders), tuple(problems))


def tune_study(
    study: Study,
    results: Path,
    filters: Filters = EVERY,
    use: Limits = ONE_AT_A_TIME,
    log: Console | None = None,
    *,
    retry: Collection[Status] = (),
    scheduler: Scheduler = HERE,
) -> Ran:
    """Run the trials of a study that the filters keep and that are not finished; the best of each row is kept.

    Raises:
        Refused: the study does not tune, the filters keep no row of it, or nothing can be written.
        Stopped: the user has interrupted it.
    """
    log = log or console()
    use = limits.checked(use)
    if not study.tuning:
        raise Refused(f"study '{study.name}' has nothing to tune; a table [tuning] was expected in it")
    if not (rows := tuning.tuned_rows(study, results, filters, use)):
        raise Refused(f"the filters keep no row of '{study.name}' that is tuned; without them all are")
    return _tuned(study, rows, results, use, log, retry=retry, scheduler=scheduler)


def _tuned(
    study: Study,
    rows: list[TunedRow],
    results: Path,
    use: Limits,
    log: Console,
    *,
    retry: Collection[Status] = (),
    scheduler: Scheduler = HERE,
) -> Ran:
    problems: list[str] = []

    def run(orders: Sequence[Order]) -> None:
        problems.extend(_run(trials_study(study.name), results, orders, use, log, retry=retry, scheduler=scheduler))

    return Ran(tuning.tune(study, rows, results, run), tuple(problems))


def _run(
    name: str,
    results: Path,
    orders: Sequence[Order],
    use: Limits,
    log: Console,
    *,
    fresh: bool = False,
    retry: Collection[Status] = (),
    scheduler: Scheduler = HERE,
) -> list[str]:
    """Run those of some cells that are not finished; a sentence for each that could not be run or read."""
    todo = campaign.afresh(orders) if fresh else campaign.pending(orders, retry)
    left_out = [] if fresh else campaign.unreadable(orders)
    done = len(orders) - len(todo) - len(left_out)
    log.print(f"{name}: {len(orders)} cells, {done} finished, {len(todo)} to run")
    if not todo:  # Killed campaigns may have left something beside records that they had finished.
        store.sweep(results, name)
    with Watch(todo, log, TimeLeft(todo, scheduler.cells_at_once(use), campaign.finished(orders))) as watch:
        try:
            scheduler.execute(todo, use, watch)
        except KeyboardInterrupt:
            watch.log.print(_stopped(watch, fresh))
            raise Stopped from None
    return [*watch.problems, *left_out]


def _stopped(watch: Watch, fresh: bool) -> str:
    """What is true after an interrupt."""
    if not fresh:
        return "stopped; finished cells are kept, run the same command to go on"
    left = watch.count - watch.done
    again = f"{watch.done} cells are run again, the other {left} keep the records that they had"
    return f"stopped; {again}; the same command starts with the first cell"
