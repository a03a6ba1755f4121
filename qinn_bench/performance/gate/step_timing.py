"""CPU and wall seconds of steps, and what their results come to; imports neither this project nor heavy libraries."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any


def summary(results: Any) -> list[list[float]]:
    """Size, sum and norm of each array among the results of a step, by which two versions' work is compared."""
    numpy = import_module("numpy")
    sums = []
    for result in results if isinstance(results, tuple | list) else (results,):
        plain = result.detach().cpu() if hasattr(result, "detach") else result
        try:
            numbers = numpy.nan_to_num(numpy.asarray(plain, dtype=numpy.float64))
        except (TypeError, ValueError):
            continue
        sums.append([float(numbers.size), float(numbers.sum()), float(numpy.sqrt((numbers**2).sum()))])
    return sums


def timed(
    step: Callable[[], object], number: int, extra: float = 0.0, warm: bool = False, clock: str = "cpu"
) -> dict[str, Any]:
    """CPU and wall seconds of a step over a round of `number` steps, with the garbage collector held.

    A share `extra` of the work is repeated: whole steps, and for the rest the time that it would take. With the clock
    ``cuda`` wall seconds are those between CUDA events before and after the round.
    """
    if warm:
        step()
    whole = int(extra * number + 1e-9)
    gc.collect(0)
    gc.disable()
    try:
        since, cpu = _events() if clock == "cuda" else _wall(), cpu_seconds()
        for _ in range(number + whole):
            step()
        spent = cpu_seconds() - cpu
        until = cpu + spent * (1 + extra) * number / (number + whole)
        while extra and cpu_seconds() < until:
            pass
        spent, lasted = cpu_seconds() - cpu, since()
    finally:
        gc.enable()
    return {"cpu": spent / number, "wall": lasted / number}


def _wall() -> Callable[[], float]:
    """Gives the seconds since now."""
    begun = time.perf_counter()
    return lambda: time.perf_counter() - begun


def _events() -> Callable[[], float]:
    """Gives the seconds between an event on the GPU now and one when it is called, for which it waits."""
    cuda = sys.modules["torch"].cuda
    first, last = (cuda.Event(enable_timing=True) for _ in range(2))
    first.record()

    def since() -> float:
        last.record()
        last.synchronize()
        return float(first.elapsed_time(last)) / 1000

    return since


def cpu_seconds() -> float:
    """CPU time of this process and of the processes that it has started and waited for."""
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + started.ru_utime + started.ru_stime
