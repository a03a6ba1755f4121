"""What a step asks for, counted: the same on any machine with the same libraries, however noisy it is."""

from __future__ import annotations

import cProfile
import gc
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest.mock import patch

import torch
from pydantic import Field
from torch import Tensor

from qinn_bench.capacity.cost import flops_of
from qinn_bench.capacity.torch_calls import TorchCalls, tensors_of
from qinn_bench.performance import workloads
from qinn_bench.performance.answering import private_output, serve_from_forks
from qinn_bench.performance.engine import Step
from qinn_bench.performance.order_server import Ended, Server
from qinn_bench.quantum import backends, tally
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.values import Refused, Use, Value

COUNTERS: dict[str, str] = {
    "operations": "calls of torch's operators, forwards and backwards",
    "bytes": "bytes that these wrote, of tensors",
    "flops": "floating-point operations as in a record's resources; left out where a simulator does not state them",
    "circuits": "circuit evaluations; tangents count, the reverse sweep does not",
    "gates": "gates of the circuits, times their rows",
    "calls": "calls of Python functions and of built-in ones",
    "peak_bytes": "the most that Python and NumPy held at once during the step; torch and the kernel are not seen",
}
TOLERANT = {"peak_bytes": (0.01, 4096)}
"""Differences that are none, as a share or in absolute size, whichever is larger: what Python itself allocates at a
moment of its own differs by up to some kilobytes from process to process. All other counters are exact."""
PRELOADED = ("torch._dynamo", "qinn_bench.quantum.pennylane.backends")
"""Modules that take seconds to import; nothing of them runs before the fork."""
WARM_UPS = 3
SECONDS = 1800.0
"""Wall seconds within which the counters of a workload have to come: many times what any takes."""
FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
Counts = dict[str, int]


class Counted(Value):
    """The counters of one workload, or the reason why it has none; `late` where that is lack of time."""

    workload: Use
    version: str
    counters: Counts = Field(default_factory=dict)
    reason: str = ""
    late: bool = False


def count(use: Use) -> Counts:
    """The counters of a step of a workload, after steps that warm it up; those that do not repeat are left out.

    Raises:
        Refused: no such workload, or its work cannot run here.
    """
    torch.set_num_threads(1)
    loose = workloads.workload_of(use).loose
    step = workloads.make(use)
    for _ in range(WARM_UPS):
        step()
    with _held():
        counts = {"calls": _calls(step), "peak_bytes": _peak(step)}
    counts |= _asked(use)
    return {name: counts[name] for name in COUNTERS if name in counts and name not in loose}


@contextmanager
def _held() -> Iterator[None]:
    """The garbage collector held, so that no finaliser runs at a moment of its own."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _calls(step: Step) -> int:
    profile = cProfile.Profile(subcalls=False)
    profile.enable()
    try:
        step()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def _peak(step: Step) -> int:
    tracemalloc.start()
    try:
        step()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _asked(use: Use) -> Counts:
    """Operations of torch and circuits of a step, made once more so that its circuits can be seen."""
    asked = _Asked()
    with _seen(asked):
        step = workloads.make(use)
        step()
    before = asked.evaluations, asked.gates, asked.kernel_flops
    seen = _Operations()
    with TorchCalls(seen.see):
        step()
    evaluations, gates, kernel_flops = asked.evaluations - before[0], asked.gates - before[1], asked.kernel_flops
    counts: Counts = {"operations": seen.operations, "bytes": seen.bytes, "circuits": evaluations, "gates": gates}
    return counts if asked.hidden else counts | {"flops": round(seen.flops + kernel_flops - before[2])}


@dataclass
class _Asked(tally.Tally):
    """What circuits were asked for, with their gates."""

    gates: int = 0


class _Counting(tally.Counting):
    """A backend that counts gates too."""

    tally: _Asked

    def _count(self, circuit: Circuit, result: Tensor, rows: int, **how: bool) -> None:
        super()._count(circuit, result, rows, **how)
        self.tally.gates += rows * len(circuit.gates)


@contextmanager
def _seen(asked: _Asked) -> Iterator[None]:
    """Every backend that is asked for by name inside the block counts what it does, for as long as it lives."""
    get = backends.get

    def counting(*args: Any, **kwargs: Any) -> Any:
        return _Counting(get(*args, **kwargs), asked)

    with patch.object(backends, "get", counting):
        yield


class _Operations:
    """How many operators of torch ran, the bytes that they wrote, and their arithmetic."""

    def __init__(self) -> None:
        self.operations, self.bytes, self.flops = 0, 0, 0.0

    def see(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Count one call."""
        self.operations += 1
        self.bytes += sum(one.numel() * one.element_size() for one in tensors_of(result))
        self.flops += flops_of(func, args, kwargs, result)


def counted(uses: Sequence[Use]) -> Iterator[Counted]:
    """The counters of workloads, each in a fresh process with fixed hashes; who wants no more may close this early."""
    server = Server([sys.executable, "-m", "qinn_bench.performance.counters.count"], FIXED)
    try:
        for use in uses:
            try:
                said = server.ask(use.model_dump(), SECONDS)
            except Ended:
                said = _said(use, {}, "the process that starts others ended")
            late = f"its counters did not come within {SECONDS:g} s"
            yield Counted.model_validate(_said(use, {}, late) if said is None else said)
    finally:
        server.end()


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    use = Use(**order)
    try:
        return _said(use, count(use), "")
    except Refused as refusal:
        return _said(use, {}, str(refusal))
    except Exception as error:
        return _said(use, {}, f"{type(error).__name__}: {error}"[:300])


def _died(order: dict[str, Any], _: int) -> dict[str, Any]:
    return _said(Use(**order), {}, "its process ended before it answered")


def _said(use: Use, counters: Counts, reason: str) -> dict[str, Any]:
    version = workloads.workload_of(use).version
    return Counted(workload=use, version=version, counters=counters, reason=reason).model_dump()


if __name__ == "__main__":
    private = private_output()
    for name in PRELOADED:
        import_module(name)
    serve_from_forks(sys.stdin, private, _answer, _died)
