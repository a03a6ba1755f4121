"""Times of steps that take turns in one process, so that all meet the same machine."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from math import ceil
from statistics import quantiles
from typing import Literal, NamedTuple

from qinn_bench.performance.engine import Step

SAMPLE_SECONDS = 0.02
"""Steps are repeated within a sample until it lasts about this long."""
WARMED_SECONDS = 0.25
"""Steps shorter than this run once untimed before each sample: in training a step follows its like, not another's."""
ROUNDS = (3, 101)
"""The fewest and the most samples of a step."""
Clock = Literal["cpu", "wall"]
READ: dict[Clock, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}


class Timing(NamedTuple):
    """Seconds a step: median, quartiles, standard error of the median, number of samples, and the very first step.

    The first step contains what a simulator compiles or plans once for a shape.
    """

    median: float
    low: float
    high: float
    error: float
    rounds: int
    first: float


def interleaved(steps: Mapping[str, Step], budget: float, clock: Clock = "cpu") -> dict[str, Timing]:
    """Time all steps in turns, so that whatever disturbs the machine disturbs all alike.

    Every round takes one sample of each step, in alternating order; a step leaves the rounds when its samples have
    lasted `budget` seconds. Before, each step runs twice untimed by the rounds: the first is reported apart.
    """
    first = {name: seconds_of(step, 1, clock) for name, step in steps.items()}
    repeats = {name: _repeats(seconds_of(step, 1, clock)) for name, step in steps.items()}
    samples: dict[str, list[float]] = {name: [] for name in steps}
    running, forward = list(steps), True
    while running:
        for name in running if forward else reversed(running):
            if samples[name][-1:] < [WARMED_SECONDS]:
                steps[name]()
            samples[name].append(seconds_of(steps[name], repeats[name], clock))
        running = [name for name in running if _goes_on(samples[name], repeats[name], budget)]
        forward = not forward
    return {name: _timing(samples[name], first[name]) for name in steps}


def _goes_on(samples: list[float], repeats: int, budget: float) -> bool:
    fewest, most = ROUNDS
    return len(samples) < fewest or (len(samples) < most and sum(samples) * repeats < budget)


def _repeats(seconds: float) -> int:
    return max(1, min(1000, ceil(SAMPLE_SECONDS / max(seconds, 1e-9))))


def seconds_of(step: Step, repeats: int, clock: Clock) -> float:
    """Seconds a step, over so many steps in a row, with the garbage collector held."""
    read, collecting = READ[clock], gc.isenabled()
    gc.disable()
    try:
        start = read()
        for _ in range(repeats):
            step()
        return (read() - start) / repeats
    finally:
        if collecting:
            gc.enable()


def _timing(samples: list[float], first: float) -> Timing:
    low, median, high = quantiles(samples, n=4, method="inclusive")
    error = 1.2533 * (high - low) / 1.349 / len(samples) ** 0.5
    return Timing(median, low, high, error, len(samples), first)
