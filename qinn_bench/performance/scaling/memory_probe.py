"""Peak memory and time of a step in a process of its own, forked from one that has imported what steps need."""

from __future__ import annotations

import gc
import resource
import signal
import sys
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qinn_bench.performance import workloads
from qinn_bench.performance.answering import private_output, serve_from_forks
from qinn_bench.performance.order_server import Ended, Server
from qinn_bench.performance.timing import Clock, seconds_of
from qinn_bench.values import Refused, Status, Use

PRELOADED = ("qinn_bench.quantum.pennylane.backends",)
"""Modules that take seconds to import; nothing of them runs before the fork."""
MEBIBYTE = 2**20
PROC = Path("/proc/self")


class Scouted(NamedTuple):
    """What two steps did in a process of their own: how they ended, and if well, times and peak.

    `seconds` is the second step, `first_seconds` the first; `peak_bytes` is the most memory above what the process
    held before both.
    """

    status: Status
    reason: str = ""
    seconds: float = 0.0
    first_seconds: float = 0.0
    peak_bytes: int = 0


class Scouts(AbstractContextManager["Scouts"]):
    """Runs workloads in fresh processes, one at a time, on so many threads."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        variables = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        self._server = Server([sys.executable, "-m", "qinn_bench.performance.scaling.memory_probe"], variables)

    def __exit__(self, *_: object) -> None:
        self._server.end()

    def run(
        self, use: Use, *, warm: Use | None = None, clock: Clock = "cpu", seconds: float = 600.0, limit: int = 0
    ) -> Scouted:
        """Run a workload twice in a fresh process.

        `warm` is a small workload that runs before, so that libraries loaded at first use do not count. The process
        may take `seconds` of wall time and allocate `limit` bytes above its base (0: no limit).
        """
        uses = {"use": use.model_dump(), "warm": warm.model_dump() if warm else None}
        try:
            answer = self._server.ask(uses | {"clock": clock, "threads": self.threads, "limit": limit}, seconds)
        except Ended:
            return Scouted("crashed", "the process that starts others ended")
        if answer is None:
            return Scouted("timeout", f"two steps did not end within {seconds:g} s of wall time")
        return Scouted(**answer)


def died(_: dict[str, Any], code: int) -> dict[str, Any]:
    """The answer for a process that ended by itself."""
    return _end_of(code)._asdict()


def _end_of(code: int) -> Scouted:
    if code == -signal.SIGKILL:
        return Scouted("out-of-memory", "the system killed the process, most likely for want of memory")
    return Scouted("crashed", f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}")


def answered(asked: dict[str, Any]) -> dict[str, Any]:
    """What a fork answers to an order."""
    return shielded(asked)._asdict()


def shielded(asked: dict[str, Any]) -> Scouted:
    """The answer to an order, whatever it raises."""
    try:
        return answer(asked)
    except Refused as refusal:
        return Scouted("unsupported", str(refusal))
    except Exception as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            return Scouted("out-of-memory", f"a step wants more than the allowed {asked['limit'] / MEBIBYTE:.0f} MiB")
        return Scouted("crashed", f"{type(error).__name__}: {error}"[:300])


def answer(asked: dict[str, object]) -> Scouted:
    """Run what was asked in this process: the workload `use` twice, after `warm`."""
    torch.set_num_threads(int(str(asked["threads"])))
    clock: Clock = "wall" if asked["clock"] == "wall" else "cpu"
    if asked["warm"]:
        workloads.make(Use.model_validate(asked["warm"]))()
    step = workloads.make(Use.model_validate(asked["use"]))
    _confine(int(str(asked["limit"])))
    base = _restart_peak()
    first, again = (seconds_of(step, 1, clock) for _ in range(2))
    return Scouted("ok", "", again, first, max(0, _peak() - base))


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
    private = private_output()
    for name in PRELOADED:
        import_module(name)
    serve_from_forks(sys.stdin, private, answered, died)
