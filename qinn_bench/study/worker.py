"""What a worker process does: it runs one cell and tells the campaign of its steps and its end, in lines of JSON."""

from __future__ import annotations

import json
import os
import traceback
from contextlib import suppress
from typing import Any

from qinn_bench import limits, outside
from qinn_bench.records import keys
from qinn_bench.study.order import Order
from qinn_bench.study.run_cell import run_cell, save
from qinn_bench.study.stopwatch import Stopwatch
from qinn_bench.training.cycles import most_steps
from qinn_bench.values import Refused, Status

LONGEST = 600
"""Characters of a sentence that is told: a line then goes through a pipe in one piece."""


class OtherCode(RuntimeError):
    """A worker has loaded other code than that which its cell was planned with."""


def work(told: str, steps: int, memory: float | None, threads: int) -> None:
    """Run the cell of an order (its JSON) with at most `memory` GiB; its outcome is told when this returns.

    The end is told as ``{"end": [status, reason]}``; the record is then on disk, unless finished work is kept there.
    """
    tell, watch = _Teller(steps), Stopwatch()
    tell(alive=True)
    if memory is not None:
        limits.limit_memory(memory)
    order = Order.from_json(told)
    every = max(1, most_steps(order.cell.budget) // 200)

    def report(step: int) -> None:
        if step % every == 0:
            tell(step=step)

    try:
        with watch.phase("start"):
            if order.outside:
                outside.take_over(order.outside)
            _check_code(order)
        record = run_cell(order, report, threads, lambda problem: tell(problem=problem[:LONGEST]), watch)
        tell(end=[record.status, record.reason[:LONGEST]])
    except Exception as error:
        status, reason = _outcome(error)
        with suppress(Exception):  # Some do not even print.
            traceback.print_exception(error)
        with suppress(Exception):  # The campaign writes what could not be written here.
            save(order, {}, status=status, reason=reason)
        tell(end=[status, reason[:LONGEST]])


def _outcome(error: Exception) -> tuple[Status, str]:
    """How a cell ended that raised this."""
    if isinstance(error, Refused):
        return "unsupported", limits.printable(str(error))
    if limits.lacks_memory(error):
        return "out-of-memory", limits.sentence(error) if str(error) else "an allocation was refused"
    return "crashed", limits.sentence(error)


def _check_code(order: Order) -> None:
    """Compare the code of this process with that of the order.

    Raises:
        OtherCode: they differ.
    """
    here = keys.code_of(order.cell.model.name, order.cell.control)
    if any(order.inputs.get(part) != keys.settled(part, content) for part, content in here.items()):
        raise OtherCode(f"the code of model '{order.cell.model.name}' is not that with which the cell was planned")


class _Teller:
    """Sends news to the campaign, each in one piece; that nobody listens any more is no reason not to finish."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, **news: Any) -> None:
        with suppress(OSError):
            os.write(self.steps, json.dumps(news).encode() + b"\n")
