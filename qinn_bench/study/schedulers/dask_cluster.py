"""Cells on a running Dask cluster; its workers write records to the shared folder, or send them back."""

from __future__ import annotations

import ipaddress
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import distributed

from qinn_bench import limits as limiting
from qinn_bench import locks
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.study import campaign, run_cell
from qinn_bench.study.endings import CellEvent, stamp_of
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers import remote_cell
from qinn_bench.study.schedulers.dask_task import Handed, on_worker, outcome
from qinn_bench.values import Record, Refused

POLL_SECONDS = 1.0
CONNECT_SECONDS = 15
AHEAD = 2
"""Cells that are handed to the cluster for each thread of its workers: one runs, one waits there."""
SUBMISSIONS = 3
"""How often a cell is handed over whose outcome the cluster has lost."""
LIVE = ("running", "connecting", "newly-created")
"""The states of a client that has its scheduler, or looks for it."""


class DaskScheduler:
    """The workers of a Dask cluster, each running one cell at a time in every of its threads.

    A cell whose worker is lost is run by another one; Dask gives a cell up that lost several workers, which is recorded
    as `lost`. Where a worker does not see the folder of results, the campaign locks the cell and writes its record.
    """

    def __init__(self, address: str = "", client: Any = None) -> None:
        """Join a cluster by its `address`, or by a `client` that has done so.

        Raises:
            Refused: nobody answers there.
        """
        self.address = address or str(client.scheduler.address)
        try:
            self.client = client or distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, AssertionError) as error:  # The last of settings that make no sense.
            raise Refused(f"no Dask scheduler answers at '{address}' ({limiting.sentence(error)})") from None

    @property
    def note(self) -> str:
        """What has to be said of the way to the scheduler; empty where it is encrypted or stays on this machine."""
        parts = urlsplit(self.address)
        local = parts.hostname in ("localhost", None)
        with suppress(ValueError):
            local = local or ipaddress.ip_address(parts.hostname or "").is_loopback
        if parts.scheme in ("tls", "inproc") or local:
            return ""
        return f"what goes to and from {self.address} is not encrypted, and whoever reaches it can run code; use tls://"

    def cells_at_once(self, limits: Limits) -> int:  # noqa: ARG002
        """As many as its workers have threads."""
        with suppress(Exception):  # A scheduler that is gone says so elsewhere.
            return max(1, sum(map(int, self.client.nthreads().values())))
        return 1

    def execute(self, orders: Sequence[Order], limits: Limits, show: Callable[[CellEvent], None]) -> None:
        """Run cells on the workers.

        Raises:
            Refused: nothing can be written to the folder of results.
        """
        if not orders:
            return
        folders = sorted({(order.results, order.study) for order in orders})
        for folder in folders:
            campaign.prepare(*folder)
        with ExitStack() as stack:
            tokens = {folder: _token(*folder, stack) for folder in folders}
            _OnCluster(self, limits, show, tokens).run(orders)

    def close(self) -> None:
        """Leave the cluster, which stays."""
        with suppress(Exception):
            self.client.close()


def _token(results: Path, study: str, stack: ExitStack) -> str:
    """The name of a file in the folder of a study, as long as this campaign lives: who sees it, shares the folder."""
    folder = results / "records" / study
    path, handle = locks.create(lambda: folder / f".{token_hex(8)}.part")
    lock = locks.Lock(path, handle)
    stack.callback(lock.release)
    return path.name


class _OnCluster:
    """The cells of one call: waiting, handed over (by the name of their task), and left to other campaigns."""

    def __init__(
        self,
        scheduler: DaskScheduler,
        limits: Limits,
        show: Callable[[CellEvent], None],
        tokens: dict[tuple[Path, str], str],
    ) -> None:
        self.scheduler, self.client, self.limits, self.show = scheduler, scheduler.client, limits, show
        self.tokens, self.topic = tokens, f"qinn-bench-{token_hex(8)}"
        self.waiting: deque[Handed] = deque()
        self.apart: deque[Handed] = deque()
        self.handed: dict[str, tuple[Handed, Any]] = {}
        self.news: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self.threads = 1

    def run(self, orders: Sequence[Order]) -> None:
        """Run all of them; those that the cluster has when it is lost end with a problem."""
        self.waiting += (Handed(order, stamp_of(order)) for order in orders)
        looked = -POLL_SECONDS
        try:
            with suppress(distributed.client.ClosedClientError):  # The first look gives up.
                self.client.subscribe_topic(self.topic, self._hear)
            while self.waiting or self.handed or self.apart:
                if time.monotonic() - looked >= POLL_SECONDS:
                    looked = time.monotonic()
                    self._look_after()
                while self._there() and self.waiting and len(self.handed) < AHEAD * self.threads:
                    self._hand_over(self.waiting.popleft())
                self._listen()
        finally:
            for one, future in self.handed.values():
                with suppress(Exception):
                    future.cancel()
                one.release()
            with suppress(Exception):
                self.client.unsubscribe_topic(self.topic)

    def _there(self) -> bool:
        return self.client.status in LIVE

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        self.news.put((str(event[1]["task"]), int(event[1]["step"])))

    def _listen(self) -> None:
        """Take in what has happened, waiting a moment at most."""
        with suppress(queue.Empty):
            task, step = self.news.get(timeout=POLL_SECONDS)
            if task not in self.handed:
                return
            one, future = self.handed[task]
            if step >= 0:
                self.show(CellEvent(one.order, step=step))
            elif future.done():
                self._end(task)

    def _look_after(self) -> None:
        """What sends no news: threads that join or leave, futures that are lost, cells that others have left."""
        if not self._there():
            self._give_up()
            return
        self.threads = self.scheduler.cells_at_once(self.limits)
        for task, (_, future) in list(self.handed.items()):
            if future.status in ("lost", "cancelled") or future.done():
                self._end(task)
        self.waiting += self.apart
        self.apart.clear()

    def _give_up(self) -> None:
        """End with a problem what the cluster had or would have had; what it has finished is found by the next run."""
        left = [one for one, _ in self.handed.values()] + [*self.waiting, *self.apart]
        for of in (self.handed, self.waiting, self.apart):
            of.clear()
        for one in left:
            one.release()
            if stamp_of(one.order) != one.before:
                self._show_record(one.order, "")
            else:
                self.show(CellEvent(one.order, problem=f"the Dask scheduler at {self.scheduler.address} is lost"))

    def _hand_over(self, one: Handed) -> None:
        order, before = one.order, None
        if stamp_of(order) != one.before:
            self._show_record(order, "", note="run by another campaign meanwhile")
            return
        if one.private:
            path = store.lock_path(order.results, order.study, order.key)
            with suppress(locks.NoLocks):
                one.lock = locks.take(path)
                if one.lock is None:
                    self.apart.append(one)
                    return
            before = remote_cell.files_of(order.results, order.study, order.key)
        token = "" if one.private else self.tokens[order.results, order.study]
        told = order.to_json(), remote_cell.limits_text(self.limits), token, before
        task = f"{order.study}-{order.key}-{token_hex(8)}"
        try:
            future = self.client.submit(on_worker, *told, self.topic, task, key=task, pure=False)
        except Exception:
            one.release()
            self.waiting.appendleft(one)
            if self._there():
                raise
            return  # The scheduler went away since the last look; the next one gives up.
        one.times += 1
        self.handed[task] = one, future
        future.add_done_callback(lambda _: self.news.put((task, -1)))

    def _end(self, task: str) -> None:
        """Take in how a cell has ended."""
        one, future = self.handed.pop(task)
        order, (answer, error) = one.order, outcome(future)
        try:
            if answer is not None:
                self._answered(one, answer)
            elif error is not None:
                self._failed(order, error)
            elif not self._there():
                self.waiting.appendleft(one)  # The next look gives up.
            elif one.times < SUBMISSIONS:
                self.waiting.appendleft(one)
                self.show(CellEvent(order, note="the cluster has lost the cell; it is run again"))
            else:
                self.show(CellEvent(order, problem=f"the cluster has lost the cell {one.times} times"))
        finally:
            one.release()

    def _answered(self, one: Handed, answer: remote_cell.RemoteAnswer) -> None:
        order, files = one.order, answer["files"]
        if answer["shared"]:
            self._show_record(order, answer["problem"])
        elif not one.private:
            one.private, one.times = True, one.times - 1
            self.waiting.appendleft(one)
        elif files is None:
            self.show(CellEvent(order, problem=answer["problem"] or "its worker has sent no record"))
        else:
            try:
                remote_cell.put_files(order.results, order.study, order.key, files)
            except (ValueError, OSError) as error:
                self.show(CellEvent(order, problem=f"its record could not be written: {limiting.sentence(error)}"))
            else:
                self._show_record(order, answer["problem"])

    def _show_record(self, order: Order, problem: str, note: str = "") -> None:
        there = store.look(order.results, order.study, order.key)
        if isinstance(there, Record):
            self.show(CellEvent(order, record=there, problem=problem, note=note))
        else:
            self.show(CellEvent(order, problem=problem or str(there or "its record is not there")))

    def _failed(self, order: Order, error: BaseException) -> None:
        """Record that the machines of a cell were lost again and again; name what else has gone wrong with its task."""
        if not isinstance(error, distributed.KilledWorker):
            self.show(CellEvent(order, problem=f"it could not be run on its worker: {limiting.sentence(error)}"))
            return
        reason = f"{error.allowed_failures + 1} workers that ran it were lost"
        try:
            run_cell.save(order, {}, status="lost", reason=reason)
        except (OSError, Refused) as wrong:
            self.show(CellEvent(order, problem=f"lost: {reason}; and this could not be recorded ({wrong})"))
            return
        self._show_record(order, "")
