"""A cell as a task of a Dask cluster: what the campaign knows of it, what a worker does, and what came of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import distributed

from qinn_bench import locks
from qinn_bench.records import store
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers import remote_cell

ANSWER_SECONDS = 300
"""In which the record of a cell that has ended has to come from its worker."""


@dataclass
class Handed:
    """A cell that was handed over, the state of its record before, its lock here, and how often that was done; a
    `private` one runs where the folder of results is not seen, and is sent back."""

    order: Order
    before: store.Stamp
    lock: locks.Lock | None = None
    times: int = 0
    private: bool = False

    def release(self) -> None:
        """Let others have the cell."""
        if self.lock:
            with suppress(OSError):
                self.lock.release()
            self.lock = None


def outcome(future: Any) -> tuple[remote_cell.RemoteAnswer | None, BaseException | None]:
    """What a worker has answered, or the error that it ended in; neither where the cluster has lost that or is gone."""
    with suppress(Exception, asyncio.CancelledError):  # A scheduler that goes away meanwhile cancels what is asked.
        if future.status == "finished":
            return future.result(timeout=ANSWER_SECONDS), None
        if future.status == "error":
            return None, future.exception(timeout=ANSWER_SECONDS)
    return None, None


def on_worker(
    told: str, limits: str, token: str, before: remote_cell.Files | None, topic: str, task: str
) -> remote_cell.RemoteAnswer:
    """What Dask calls on a worker: run one cell there, and tell the campaign of the steps of its `task`."""
    worker = distributed.get_worker()

    def tell(step: int) -> None:
        with suppress(Exception):  # That nobody hears of a step is no reason not to finish.
            worker.log_event(topic, {"task": task, "step": step})

    return remote_cell.run_remotely(told, limits, token, before, tell)
