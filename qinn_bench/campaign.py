"""Cells become records: skip what is finished, run the rest in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from qinn_bench import measuring, registry, run, store
from qinn_bench.run import Order
from qinn_bench.values import Record, Status
from qinn_bench.worker import work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Set for workers: two spinning thread pools on one core cost more than any model; cells run side by side instead."""
PROCESSES = multiprocessing.get_context("forkserver")
"""Workers are forked from one process that has imported what they need."""


@dataclass(frozen=True)
class Limits:
    """What each cell may use: wall seconds and GiB of memory (None: no limit), threads; how many cells run at once."""

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None
    threads: int = 1


@dataclass(frozen=True)
class Event:
    """Something to show: a cell that started, took a step or finished (`record` is then set)."""

    order: Order
    step: int = 0
    record: Record | None = None


def finished(orders: Sequence[Order]) -> list[Record]:
    """The records that exist, in the order of the plan and under its names."""
    found = ((order, store.load(order.results, order.study, order.key)) for order in orders)
    return [named(order, record) for order, record in found if record]


def named(order: Order, record: Record) -> Record:
    """A record under the names that the plan gives its cell: labels may have been changed since it was written."""
    names = {"row": order.row, "family": order.family, "size": order.size, "control_of": order.control_of}
    return record.model_copy(update=names)


def fitting(orders: Sequence[Order], records: Sequence[Record]) -> list[tuple[Order, Record]]:
    """The records of these cells, in the order of the plan and under its names, whatever code made them.

    A record belongs to the cell that has its key, or else its settings, or else the row, data set and seed that it was
    made for, if the model is still the same there.
    """
    left = {id(record): record for record in records}
    found: dict[str, Record] = {}
    for of_order, of_record in (
        (lambda order: order.key, lambda record: record.key),
        (lambda order: order.cell.model_dump_json(), lambda record: record.cell.model_dump_json()),
        (_place, _place),
    ):
        known = {of_record(record): record for record in left.values()}
        for order in orders:
            if order.key not in found and (record := known.pop(of_order(order), None)):
                found[order.key] = left.pop(id(record))
    return [(order, named(order, found[order.key])) for order in orders if order.key in found]


def _place(one: Order | Record) -> tuple[object, ...]:
    return *store.place(one.row, one.cell), one.cell.model.name, one.cell.control


def pending(orders: Sequence[Order], retry: bool = False) -> list[Order]:
    """The cells that are still to be run: without a record, or with metrics older than their code.

    With `retry`, cells that failed are run again too.
    """
    todo = []
    for order in orders:
        record = store.load(order.results, order.study, order.key)
        if record is None or (retry and failed(record)) or _stale(record, order):
            todo.append(order)
    return todo


def failed(record: Record) -> bool:
    """Whether a cell was to be run and gave no result."""
    return record.status not in ("ok", "skipped")


def forget(orders: Sequence[Order]) -> None:
    """Remove the records of these cells, so that they are trained anew."""
    for order in orders:
        store.record_path(order.results, order.study, order.key).unlink(missing_ok=True)


def _stale(record: Record, order: Order) -> bool:
    wanted = measuring.fingerprints(order.metrics)
    return record.status == "ok" and any(record.measured.get(name) != code for name, code in wanted.items())


def execute(orders: Sequence[Order], limits: Limits, show: Callable[[Event], None]) -> None:
    """Run cells, each in a process of its own; whatever happens to one, the others go on and a record says why."""
    waiting, running = deque(orders), selectors.DefaultSelector()
    workers: dict[int, _Worker] = {}
    PROCESSES.set_forkserver_preload(_modules(orders))
    try:
        while waiting or workers:
            while waiting and len(workers) < limits.workers:
                worker = _Worker(waiting.popleft(), limits)
                workers[worker.steps.fileno()] = worker
                running.register(worker.steps, selectors.EVENT_READ)
                show(Event(worker.order))
            for key, _ in running.select(timeout=0.5):
                workers[key.fd].read(show)
            for handle, worker in list(workers.items()):
                if worker.over():
                    running.unregister(worker.steps)
                    del workers[handle]
                    show(Event(worker.order, record=worker.record()))
    finally:
        for worker in workers.values():
            worker.process.kill()


def _modules(orders: Sequence[Order]) -> list[str]:
    """What the cells import: loaded once, in the process that all workers are forked from."""
    data = {registry.find("data", order.cell.data.name).__name__ for order in orders}
    models = {registry.find("model", order.cell.model.name).__name__ for order in orders}
    return ["qinn_bench.worker", "qinn_bench.preloaded", *sorted(data | models)]


class _Worker:
    """One running cell."""

    def __init__(self, order: Order, limits: Limits) -> None:
        self.order, self.limits, self.started = order, limits, time.monotonic()
        self.log = store.record_path(order.results, order.study, order.key).with_suffix(".log")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.steps, steps = PROCESSES.Pipe(duplex=False)
        told = (order.to_json(), steps, str(self.log), limits.memory, limits.threads)
        self.process = PROCESSES.Process(target=work, args=told, daemon=True)
        with _environment(dict.fromkeys(THREADS, str(limits.threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}):
            self.process.start()
        steps.close()
        self.timed_out = False

    def read(self, show: Callable[[Event], None]) -> None:
        try:
            while self.steps.poll():
                step = int(self.steps.recv_bytes())
                show(Event(self.order, step=step))
        except EOFError:
            self.process.join(timeout=1)

    def over(self) -> bool:
        spent = time.monotonic() - self.started
        if self.limits.timeout is not None and spent > self.limits.timeout and self.process.exitcode is None:
            self.timed_out = True
            self.process.kill()
            self.process.join()
        return self.process.exitcode is not None

    def record(self) -> Record:
        """The record the worker wrote, or one that says how it ended without."""
        written = self.log.read_text(encoding="utf8", errors="replace") if self.log.exists() else ""
        last = written.strip().splitlines()[-1:]
        self.log.unlink(missing_ok=True)
        self.steps.close()
        record = store.load(self.order.results, self.order.study, self.order.key)
        if self.process.exitcode == 0 and record:
            return record
        status: Status = "timeout" if self.timed_out else "crashed"
        return run.save(self.order, {}, status=status, reason=self._reason(last))

    def _reason(self, last: list[str]) -> str:
        if self.timed_out:
            return f"stopped after its limit of {self.limits.timeout:g} s"
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code}" + (" (9 is often a lack of memory)" if code == -9 else "")
        return last[0][:300] if last else f"the process ended with exit code {code} and no record"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that hold while a process is started."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
