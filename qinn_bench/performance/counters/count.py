"""What a step asks for, counted: the same on any machine with the same libraries, however noisy it is."""

from __future__ import annotations

import cProfile
import gc
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any
from unittest.mock import patch

import torch
from pydantic import Field
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from qinn_bench.capacity.cost import _operations as flops_of
from qinn_bench.performance import workloads
from qinn_bench.performance.engine import Step
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
        found = {"calls": _calls(step), "peak_bytes": _peak(step)}
    found |= _asked(use)
    return {name: found[name] for name in COUNTERS if name in found and name not in loose}


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
    with _Operations() as seen:
        step()
    evaluations, gates, kernel_flops = asked.evaluations - before[0], asked.gates - before[1], asked.kernel_flops
    found: Counts = {"operations": seen.operations, "bytes": seen.bytes, "circuits": evaluations, "gates": gates}
    return found if asked.hidden else found | {"flops": round(seen.flops + kernel_flops - before[2])}


@dataclass
class _Asked(tally.Tally):
    """What circuits were asked for, with their gates."""

    gates: int = 0


class _Counting(tally._Counting):
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


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operators of torch that run, the bytes that they write, and their arithmetic."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self.bytes, self.flops = 0, 0, 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **kwargs or {})
        self.operations += 1
        written = result if isinstance(result, (tuple, list)) else (result,)
        self.bytes += sum(one.numel() * one.element_size() for one in written if isinstance(one, Tensor))
        self.flops += flops_of(func, args, kwargs or {}, result)
        return result


def counted(uses: Sequence[Use]) -> Iterator[Counted]:
    """The counters of workloads, each in a fresh process with fixed hashes; who wants no more may close this early."""
    orders = "".join(use.model_dump_json() + "\n" for use in uses)
    command = [sys.executable, "-m", "qinn_bench.performance.counters.count"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, env=os.environ | FIXED, start_new_session=True, **pipes) as server:
        assert server.stdin and server.stdout
        server.stdin.write(orders)
        server.stdin.close()
        try:
            for line in server.stdout:
                yield Counted.model_validate_json(line)
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def serve(orders: IO[str], answers: int) -> None:
    """Answer each line of orders from a fork of this process, by one line into the descriptor `answers`."""
    for name in PRELOADED:
        import_module(name)
    for order in orders:
        if (child := os.fork()) == 0:
            try:
                os.write(answers, _answer(order))
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1]:
            use = Use(**json.loads(order))
            os.write(answers, _line(use, {}, "its process ended before it answered"))


def _answer(order: str) -> bytes:
    use = Use(**json.loads(order))
    try:
        return _line(use, count(use), "")
    except Refused as refusal:
        return _line(use, {}, str(refusal))
    except Exception as error:
        return _line(use, {}, f"{type(error).__name__}: {error}"[:300])


def _line(use: Use, counters: Counts, reason: str) -> bytes:
    version = workloads.workload_of(use).version
    said = Counted(workload=use, version=version, counters=counters, reason=reason)
    return (said.model_dump_json() + "\n").encode()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout.fileno())
