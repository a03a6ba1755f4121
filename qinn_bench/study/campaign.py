"""Cells become records: skip what is finished, run the rest in processes of their own."""

from __future__ import annotations

import os
import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from qinn_bench import kernel, locks, registry
from qinn_bench import limits as limiting
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.study.endings import CellEvent, keep_log, outcome_of, stamp_of
from qinn_bench.study.lookup import afresh as afresh
from qinn_bench.study.lookup import finished as finished
from qinn_bench.study.lookup import pending as pending
from qinn_bench.study.lookup import unreadable as unreadable
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers import control_groups
from qinn_bench.study.schedulers.local import START_SECONDS, KeptServer, Worker, WorkerServer
from qinn_bench.study.schedulers.memory_watch import MemoryWatch
from qinn_bench.values import Record, Refused

POLL_SECONDS = 0.5
"""How often is looked after what sends no news: time limits, cells of other campaigns."""
_Groups = control_groups.ControlGroups | None
TRIES = 3
"""How often a server may be lost under one cell that ran alone, or before it was ready."""


def execute(orders: Sequence[Order], limits: Limits, show: Callable[[CellEvent], None]) -> None:
    """Run cells, each in a process of its own; whatever happens to one, the others go on and a record says why.

    A cell that another campaign runs meanwhile is waited for, as long as a cell may take here, and not run again.

    Raises:
        Refused: nothing can be written to the folder of results, or no worker can be started.
    """
    if not orders:
        return
    folders = {(order.results, order.study) for order in orders}
    for results, study in folders:
        prepare(results, study)
    campaign = _Campaign(limits, show, _modules(orders), control_groups.delegated() if limits.memory else None)
    try:
        campaign.run([_absolute(order) for order in orders])
    finally:
        campaign.end()
        for results, study in folders:
            store.sweep(results, study)


def execute_one(order: Order, limits: Limits, show: Callable[[CellEvent], None], kept: KeptServer) -> None:
    """The same for one cell, by a server of workers that is kept for the next; nothing is swept away.

    Raises:
        Refused: nothing can be written to the folder of results, or no worker can be started.
    """
    _check_folder(order.results, order.study)
    campaign = _Campaign(limits, show, _modules([order]), control_groups.of_process())
    campaign.server, kept.server = kept.usable(), None
    try:
        campaign.run([_absolute(order)])
        kept.server, campaign.server = campaign.server, None
    finally:
        campaign.end()


def prepare(results: Path, study: str) -> None:
    """See to it that records of a study can be written, and remove what killed campaigns have left there.

    Raises:
        Refused: they cannot be written.
    """
    _check_folder(results, study)
    store.sweep(results, study)


def _check_folder(results: Path, study: str) -> None:
    folder = results / "records" / study
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"no records can be written to {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(f"no records can be written to {folder}: it is read-only")


def _modules(orders: Sequence[Order]) -> list[str]:
    """What the cells import, those of third parties excepted: loaded once, where all workers are forked from."""
    data = {registry.find("data", order.cell.data.name).__name__ for order in orders}
    models = {registry.find("model", order.cell.model.name).__name__ for order in orders}
    ours = tuple(f"{package}." for package in registry.PACKAGES.values())
    return ["qinn_bench.study.preloaded", *sorted(name for name in data | models if name.startswith(ours))]


@dataclass
class _Task:
    """A cell that is still to be run, and the state of its record when that was decided."""

    order: Order
    before: store.Stamp
    since: float = field(default_factory=time.monotonic)


class _Campaign:
    """The cells of one call of `execute`: waiting, running, and left to other campaigns."""

    def __init__(self, limits: Limits, show: Callable[[CellEvent], None], modules: list[str], groups: _Groups) -> None:
        self.limits, self.show, self.modules, self.groups = limits, show, modules, groups
        self.waiting: deque[_Task] = deque()
        self.elsewhere: list[_Task] = []
        self.running: dict[int, Worker] = {}
        self.server: WorkerServer | None = None
        self.alone: set[str] = set()
        self.lost: Counter[str] = Counter()
        self.unready = self.count = 0
        self.looked, self.unlocked = 0.0, False
        self.memory = MemoryWatch(limits.memory)

    def run(self, orders: Sequence[Order]) -> None:
        """Run all of them."""
        self.waiting += (_Task(order, stamp_of(order)) for order in orders)
        while self.waiting or self.running or self.elsewhere:
            self.server = self.server or WorkerServer(self.modules, self.limits.threads)
            self._start_some(self.server)
            self._listen(self.server)
            self._settle(self.server)
            if self.server.lost:
                self._start_over(self.server)
            self._look_elsewhere()

    def end(self) -> None:
        """End whatever still runs, and let others have its cells."""
        if self.server:
            self.server.end()
        for worker in self.running.values():
            worker.kill()
            self._out_of_group(worker)
            worker.close()
        if self.groups:
            self.groups.end()

    def _start_some(self, server: WorkerServer) -> None:
        while server.ready and self.waiting and self._has_room(self.waiting[0].order.key):
            self._start(self.waiting.popleft(), server)

    def _has_room(self, key: str) -> bool:
        """Whether one more cell may start: one under which a server was lost runs alone, to spare the others."""
        apart = key in self.alone or any(worker.order.key in self.alone for worker in self.running.values())
        return len(self.running) < (1 if apart else self.limits.workers)

    def _start(self, task: _Task, server: WorkerServer) -> None:
        order = task.order
        path = store.lock_path(order.results, order.study, order.key)
        free, lock = self._lock(order, path)
        if not free:
            self.elsewhere.append(task)
            self.show(CellEvent(order, note=f"{locks.holder(path)} runs this cell; it is waited for"))
            return
        if stamp_of(order) != task.before:
            if lock:
                lock.release()
            self._take_over(order)
            return
        worker = Worker(order, self.count, lock, task.before)
        self.count += 1
        self.running[worker.number] = worker
        worker.start(server, self.limits)
        self.show(CellEvent(order))

    def _lock(self, order: Order, path: Path) -> tuple[bool, locks.Lock | None]:
        """Whether the cell is free, and its lock; a disk without locks has none, which is said once."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = locks.take(path)
        except OSError as error:
            if not self.unlocked:
                self.unlocked = True
                why = f"cells cannot be locked in {path.parent} ({error.strerror})"
                self.show(CellEvent(order, note=f"{why}; a second campaign would run them too"))
            return True, None
        return lock is not None, lock

    def _take_over(self, order: Order) -> None:
        """End with the record that another campaign has written meanwhile."""
        record = store.look(order.results, order.study, order.key)
        if isinstance(record, Record):
            self.show(CellEvent(order, record=record, note="run by another campaign meanwhile"))
        else:
            self.show(CellEvent(order, problem=str(record or "its record was removed meanwhile")))

    def _look_elsewhere(self) -> None:
        """Take back the cells that other campaigns have left."""
        if time.monotonic() - self.looked < POLL_SECONDS:
            return
        self.looked, tasks = time.monotonic(), self.elsewhere
        self.elsewhere = []
        for task in tasks:
            order = task.order
            path = store.lock_path(order.results, order.study, order.key)
            with suppress(OSError):
                if lock := locks.take(path):
                    lock.release()
                    self.waiting.append(task)
                    continue
            patience = None if self.limits.timeout is None else self.limits.timeout + START_SECONDS
            if patience is not None and self.looked - task.since > patience:
                self.show(CellEvent(order, problem=f"left to {locks.holder(path)}, waited for {patience:g} s"))
            else:
                self.elsewhere.append(task)

    def _listen(self, server: WorkerServer) -> None:
        """Wait for news, a moment at most, and take them in."""
        pipes = [server.output, *(pipe for worker in self.running.values() for pipe in (worker.steps, worker.output))]
        with selectors.DefaultSelector() as selector:
            for handle in [server.socket.fileno(), *(pipe.handle for pipe in pipes if pipe.open)]:
                selector.register(handle, selectors.EVENT_READ)
            selector.select(self._patience())
        for news in server.news():
            if "ready" in news and self.limits.memory is not None:
                limiting.check_memory(self.limits.memory, server.held)
            if worker := self.running.get(news.get("started", news.get("ended", -1))):
                worker.pid, worker.code = news.get("pid", worker.pid), news.get("code")
                if self.groups and self.limits.memory is not None and "started" in news:
                    self.groups.add(news["pid"], self.limits.memory)
        for worker in self.running.values():
            for step in worker.read():
                self.show(CellEvent(worker.order, step=step))

    def _patience(self) -> float:
        now, timeout = time.monotonic(), self.limits.timeout
        left = [w.alive + timeout - now for w in self.running.values() if w.alive and timeout is not None]
        return max(0.01, min(POLL_SECONDS, *left)) if left else POLL_SECONDS

    def _settle(self, server: WorkerServer) -> None:
        leaders = {worker.pid: worker for worker in self.running.values() if worker.pid is not None}
        for pid, held in self.memory.beyond(leaders.keys()).items():
            leaders[pid].starved = held
        for number, worker in list(self.running.items()):
            if worker.code is not None:
                del self.running[number]
                worker.out_of_group = self._out_of_group(worker)
                self._finish(worker)
            elif worker.over(self.limits):
                worker.end(server)

    def _out_of_group(self, worker: Worker) -> bool:
        return bool(self.groups and self.groups.ended(worker.pid))

    def _finish(self, worker: Worker) -> None:
        """Say how a cell has ended, and give it free."""
        worker.drain()
        try:
            event = outcome_of(worker, self.limits)
            keep_log(worker, event)
        finally:
            worker.close()
        self.show(event)

    def _start_over(self, server: WorkerServer) -> None:
        """Give up a server that is lost: what its workers have finished counts, all others run again."""
        self.server, lost = None, list(self.running.values())
        self.running.clear()
        server.lost = True
        server.end()
        self.unready = 0 if server.ready else self.unready + 1
        if self.unready >= TRIES:
            last = server.last_words().strip().splitlines()[-1:]
            raise Refused(f"no worker can be started: {last[0][:300] if last else 'their server ends at once'}")
        for worker in lost:
            worker.kill()
        kernel.wait_for_end([worker.pid for worker in lost if worker.pid is not None])
        for worker in lost:
            self._out_of_group(worker)
            self._again(worker, alone=len(lost) == 1)

    def _again(self, worker: Worker, *, alone: bool) -> None:
        worker.drain()
        key = worker.order.key
        self.lost[key] += alone
        self.alone.add(key)
        if self.lost[key] >= TRIES:
            worker.killed = f"the server of the workers was lost {TRIES} times while this cell ran alone"
        if worker.told or worker.killed or worker.timed_out or stamp_of(worker.order) != worker.before:
            self._finish(worker)
            return
        worker.close()
        self.waiting.appendleft(_Task(worker.order, worker.before))
        self.show(CellEvent(worker.order, note="the server of the workers was lost; the cell runs again"))


def _absolute(order: Order) -> Order:
    """The order, whatever folder a model makes its working folder."""
    return replace(order, results=order.results.resolve())
