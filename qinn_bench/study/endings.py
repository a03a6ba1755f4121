"""How a cell has ended, from what its worker wrote, told and left, and what is shown of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from qinn_bench import kernel
from qinn_bench import limits as limiting
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.study import run_cell
from qinn_bench.study.cell_log import log_path
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers.local import Worker
from qinn_bench.values import Record, Refused, Status


@dataclass(frozen=True)
class CellEvent:
    """Something to show: a cell that started, took a step, has a `note`, or ended.

    At its end `record` is what is now known of the cell, finished work that was kept included; `problem` says why it
    could not be run or measured again, or why its record could not be written. A cell that is left to another
    campaign ends with a problem only.
    """

    order: Order
    step: int = 0
    record: Record | None = None
    problem: str = ""
    note: str = ""


def stamp_of(order: Order) -> store.Stamp:
    """The state of the file of a cell's record."""
    return store.stamp(order.results, order.study, order.key)


def outcome_of(worker: Worker, limits: Limits) -> CellEvent:
    """How a cell has ended: with what its worker wrote, or else with what it told, or else as its process did."""
    order, problem = worker.order, "; ".join(worker.problems)
    there = store.look(order.results, order.study, order.key)
    if stamp_of(order) != worker.before and isinstance(there, Record):
        return CellEvent(order, record=there, problem=problem)
    if worker.told and worker.told[0] == "ok":
        if isinstance(there, Record):
            return CellEvent(order, record=there, problem=problem)
        return _failure(worker, "crashed", "its record was gone when it ended")
    return _failure(worker, *(worker.told or _end_of(worker, limits)))


def keep_log(worker: Worker, event: CellEvent) -> None:
    """Keep what a cell printed, and how it ended if it did not end well."""
    order, record = worker.order, event.record
    failed = f"{record.status}: {record.reason}" if record and record.status not in ("ok", "skipped") else ""
    worker.log.keep(log_path(order.results, order.study, order.key), event.problem or failed)


def _failure(worker: Worker, status: Status, reason: str) -> CellEvent:
    """Record that a cell gave no result, unless finished work is there, which is kept."""
    order = worker.order
    try:
        if worker.before is None and isinstance(
            there := store.look(order.results, order.study, order.key), store.UnreadableRecord
        ):
            there.path.unlink()  # The worker's own rubbish: nothing was there before.
        record = run_cell.save(order, {}, status=status, reason=reason)
    except (OSError, Refused) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return CellEvent(order, problem=f"{status}: {reason}; and this could not be recorded ({why})")
    kept = store.look(order.results, order.study, order.key)
    if isinstance(kept, Record) and kept.status == "ok":
        return CellEvent(order, record=kept, problem=f"{status}: {reason}")
    return CellEvent(order, record=record, problem=str(kept) if isinstance(kept, store.UnreadableRecord) else "")


def _end_of(worker: Worker, limits: Limits) -> tuple[Status, str]:
    """Status and reason of a worker that ended without telling any."""
    if worker.timed_out:
        return "timeout", f"stopped after its limit of {limits.timeout:g} s"
    if worker.killed:
        return "crashed", worker.killed
    if worker.starved:
        held = f"its processes held {worker.starved / 2**30:.2f} GiB together"
        return "out-of-memory", f"stopped, as {held}; {limits.memory:g} are allowed"
    if worker.out_of_group:
        return "out-of-memory", f"killed by the kernel, as its control group held {limits.memory:g} GiB"
    said = worker.last_words()
    last = limiting.printable((said.strip().splitlines() or [""])[-1])[:300]
    status: Status = "out-of-memory" if limiting.says_memory(said) else "crashed"
    if worker.code is not None and worker.code < 0:
        if worker.code == -signal.SIGKILL and kernel.out_of_memory_kills() > worker.kills:
            return "out-of-memory", "killed by the kernel, which had no memory left"
        return status, f"killed by signal {-worker.code}" + (f": {last}" if status != "crashed" else "")
    return status, last or f"the process ended with exit code {worker.code} and no record"
