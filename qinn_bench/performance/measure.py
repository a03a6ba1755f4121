"""Time of many steps, interleaved in one process, and peak memory of one step, in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from statistics import quantiles
from typing import Literal, NamedTuple

from qinn_bench.performance import workloads
from qinn_bench.performance.engine import Step
from qinn_bench.values import Refused, Status, Use

SAMPLE_SECONDS = 0.005
"""Steps are repeated within a sample until it lasts about this long."""
ROUNDS = (3, 101)
"""The fewest and the most samples of a step."""
MEBIBYTE = 2**20
PROC = Path("/proc/self")
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


class Scouted(NamedTuple):
    """What one step did in a process of its own: how it ended, and if well, its seconds, first seconds and peak.

    `peak_bytes` is the most memory above what the process held before the step.
    """

    status: Status
    reason: str = ""
    seconds: float = 0.0
    first_seconds: float = 0.0
    peak_bytes: int = 0


def interleaved(steps: Mapping[str, Step], budget: float, clock: Clock = "cpu") -> dict[str, Timing]:
    """Time all steps in turns, so that whatever disturbs the machine disturbs all alike.

    Every round takes one sample of each step, in alternating order; a step leaves the rounds when its samples have
    lasted `budget` seconds. Before, each step runs twice untimed by the rounds: the first is reported apart.
    """
    first = {name: _seconds(step, 1, clock) for name, step in steps.items()}
    repeats = {name: _repeats(_seconds(step, 1, clock)) for name, step in steps.items()}
    samples: dict[str, list[float]] = {name: [] for name in steps}
    running, forward = list(steps), True
    while running:
        for name in running if forward else reversed(running):
            samples[name].append(_seconds(steps[name], repeats[name], clock))
        running = [name for name in running if _goes_on(samples[name], repeats[name], budget)]
        forward = not forward
    return {name: _timing(samples[name], first[name]) for name in steps}


def _goes_on(samples: list[float], repeats: int, budget: float) -> bool:
    fewest, most = ROUNDS
    return len(samples) < fewest or (len(samples) < most and sum(samples) * repeats < budget)


def _repeats(seconds: float) -> int:
    return max(1, min(1000, ceil(SAMPLE_SECONDS / max(seconds, 1e-9))))


def _seconds(step: Step, repeats: int, clock: Clock) -> float:
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


def scout(
    use: Use,
    *,
    warm: Use | None = None,
    clock: Clock = "cpu",
    threads: int = 1,
    seconds: float = 600.0,
    limit: int = 0,
) -> Scouted:
    """Run a workload twice in a fresh process and report the second step's time and the peak memory of both.

    `warm` is a small workload that runs before, so that libraries loaded at first use do not count. The process may
    take `seconds` of wall time and allocate `limit` bytes above its base (0: no limit).
    """
    uses = {"use": use.model_dump(), "warm": warm.model_dump() if warm else None}
    order = uses | {"clock": clock, "threads": threads, "limit": limit}
    variables = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "qinn_bench.performance.measure"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=seconds,
            env=os.environ | variables,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Scouted("timeout", f"two steps did not end within {seconds:.0f} s of wall time")
    if done.returncode == 0:
        return Scouted(**json.loads(done.stdout.splitlines()[-1]))
    if done.returncode == -9:
        return Scouted("out-of-memory", "the system killed the process, most likely for want of memory")
    raised = [line for line in done.stderr.splitlines() if re.match(r"[\w.]+: ", line)]
    return Scouted("crashed", raised[-1][:300] if raised else f"exit code {done.returncode}")


def _answer(order: str) -> Scouted:
    """What the process of `scout` does."""
    asked = json.loads(order)
    torch = sys.modules["torch"]
    torch.set_num_threads(asked["threads"])
    try:
        if asked["warm"]:
            workloads.make(Use.model_validate(asked["warm"]))()
        step = workloads.make(Use.model_validate(asked["use"]))
        _confine(asked["limit"])
        base = _restart_peak()
        first = _seconds(step, 1, asked["clock"])
        again = _seconds(step, 1, asked["clock"])
        return Scouted("ok", "", again, first, max(0, _peak() - base))
    except Refused as refusal:
        return Scouted("unsupported", str(refusal))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        return Scouted("out-of-memory", f"a step wants more than the allowed {asked['limit'] / MEBIBYTE:.0f} MiB")


def _confine(limit: int) -> None:
    """Allow no more than so many bytes above what is mapped now."""
    if limit and (mapped := _status("VmSize")):
        resource.setrlimit(resource.RLIMIT_AS, (mapped + limit, resource.RLIM_INFINITY))


def _restart_peak() -> int:
    """Forget the highest memory so far where the system can, and return what is held now in bytes."""
    gc.collect()
    try:
        (PROC / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()
    return _status("VmRSS") or _peak()


def _peak() -> int:
    """The most memory held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status(name: str) -> int:
    """A line of /proc/self/status in bytes, or 0 where there is none."""
    file = PROC / "status"
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(sys.stdin.read())._asdict()) + "\n")
