"""A worker process: runs one cell, tells its steps, and keeps what it prints for the record of a crash."""

from __future__ import annotations

import os
import resource
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread

from qinn_bench.run import Order, run_cell, save
from qinn_bench.values import Refused


def work(told: str, steps: Connection, log: str, memory: float | None, threads: int) -> None:
    """Run the cell of an order (its JSON) with at most `memory` GiB; its record is on disk when this returns."""
    Thread(target=_end_with_the_campaign, daemon=True).start()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(output, 1), os.dup2(output, 2)
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory * 2**30),) * 2)
    order = Order.from_json(told)
    every = max(1, order.cell.budget.steps // 200)

    def report(step: int) -> None:
        if step % every == 0:
            steps.send_bytes(str(step).encode())

    try:
        run_cell(order, report, threads)
    except Refused as refusal:
        save(order, {}, status="unsupported", reason=str(refusal))
    except MemoryError:
        save(order, {}, status="out-of-memory", reason="an allocation was refused")
    except RuntimeError as error:
        if "not enough memory" not in str(error):
            raise
        save(order, {}, status="out-of-memory", reason=str(error).splitlines()[0][:200])


def _end_with_the_campaign() -> None:
    """End this process once the one that started it is gone: nobody waits for the cell any more."""
    if campaign := parent_process():
        campaign.join()
        os._exit(1)
