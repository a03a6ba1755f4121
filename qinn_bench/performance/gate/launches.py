"""Paired launches: two versions of a workload take turns in fresh processes, and what each round took comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from math import log
from pathlib import Path
from statistics import median
from typing import Any, Literal

from qinn_bench.performance.order_server import Ended, Server
from qinn_bench.values import Use, Value

LIBRARIES = (
    "numpy",
    "scipy.stats",
    "scipy.optimize",
    "torch",
    "torch._dynamo",
    "torch.utils.flop_counter",
    "pydantic.main",
    "sklearn.ensemble",
    "sklearn.mixture",
)
HEAVY = ("normflows", "pennylane")
"""What launches find imported already; the heavy ones take seconds more."""
VARIABLES = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
"""What launches run with. CUDA's check lets a library ask for a GPU before the fork without keeping it from the forks;
memory stays with the process, since whether an allocation goes back to the kernel hangs on what else was allocated."""
SAME = 1e-4
"""Largest relative difference of sums and norms of results that still are the same work."""
LaunchClock = Literal["cpu", "wall", "cuda"]
Seconds = tuple[float, ...]
Starter = Callable[[Use], "Launch"]
"""Makes one launch of a workload."""


class NoVerdict(RuntimeError):
    """The machine or the repository, not the code that is judged, kept a verdict from being reached."""


class Failure(Value):
    """Why a side of a launch has no times: it was refused (`unsupported`), or something went wrong (`error`)."""

    status: Literal["unsupported", "error"]
    reason: str


class Launch(Value):
    """One launch of a workload: seconds a step by round, of base and of head, on the CPU clock and by the wall.

    `number` steps made a round. The workload states the `clock` that sees its work; CPU time is that of the process and
    of those that it starts and waits for; for work on a GPU (``cuda``) `wall` is the time between CUDA events.
    `planted` is the share of work that head repeated on purpose. `same_work` says whether both sides' results agree.
    A launch in which a side failed has no times. `load` is the load average before.
    """

    workload: Use
    number: int = 0
    clock: LaunchClock = "cpu"
    cpu: tuple[Seconds, Seconds] = ((), ())
    wall: tuple[Seconds, Seconds] = ((), ())
    planted: float = 0.0
    load: float = 0.0
    same_work: bool = True
    same_version: bool = True
    base_failure: Failure | None = None
    head_failure: Failure | None = None

    def change(self, clock: LaunchClock = "cpu") -> float:
        """The median over the rounds of log(head / base); by any clock but that of the CPU, `wall` is read."""
        base, head = self.cpu if clock == "cpu" else self.wall
        return median(log(max(h, 1e-12) / max(b, 1e-12)) for b, h in zip(base, head, strict=True))

    def seconds(self, clock: LaunchClock = "cpu") -> tuple[float, float]:
        """Median seconds a step, of base and of head."""
        base, head = self.cpu if clock == "cpu" else self.wall
        return median(base), median(head)

    @property
    def failed(self) -> bool:
        """Whether a side has no times."""
        return bool(self.base_failure or self.head_failure)


class Launcher(AbstractContextManager["Launcher"]):
    """Launches workloads of two versions, given as folders that hold the project.

    Both sides are forked from one process that has imported `libraries`, so that they share the layout of memory.
    Where processes cannot be forked, or with `fork` false, each side starts and imports by itself: its times then
    scatter more from launch to launch, and more launches are needed.
    """

    def __init__(
        self,
        base: Path,
        head: Path,
        libraries: tuple[str, ...] = LIBRARIES + HEAVY,
        fork: bool = sys.platform.startswith("linux"),
        timeout: float = 120.0,
    ) -> None:
        self.base, self.head, self.fork, self.timeout = base.resolve(), head.resolve(), fork, timeout
        self.libraries = libraries if fork else ()
        self.numbers: dict[str, int] = {}
        script = Path(__file__).with_name("fork_server.py")
        self._server = Server([sys.executable, "-P", str(script), *self.libraries], VARIABLES)

    def __exit__(self, *_: object) -> None:
        self._server.end()

    def turn_to(self, base: Path, head: Path) -> Launcher:
        """Launch these two versions from now on, forked from the same process."""
        self.base, self.head = base.resolve(), head.resolve()
        return self

    def uses(self) -> tuple[list[Use], list[Use]]:
        """The workloads that base and head have by default.

        Raises:
            NoVerdict: head cannot list its workloads. A base without workloads has none.
        """
        said = self._ask({"do": "list"})
        if said is None or said["head"]["status"] != "ok":
            reason = said["head"]["reason"] if said else "no answer in time"
            raise NoVerdict(f"the workloads of '{self.head}' cannot be listed: {reason}")
        base, head = ([Use(**use) for use in said[side].get("uses", ())] for side in ("base", "head"))
        return base, head

    def __call__(self, use: Use, planted: float = 0.0) -> Launch:
        """One launch of a workload; head repeats a share `planted` of its work.

        The number of steps a round is found once on base and kept for the launches that follow.
        """
        load = os.getloadavg()[0]
        number = self.numbers.get(str(use), 0)
        said = self._ask({"do": "launch", "use": use.model_dump(), "number": number, "extra": planted})
        if said is None:
            late = Failure(status="error", reason=f"a launch did not end within {self.timeout:g} s")
            return Launch(workload=use, load=load, base_failure=late, head_failure=late)
        if "failed" in said:
            failures = {f"{side}_failure": Failure(**why) for side, why in said["failed"].items()}
            return Launch(workload=use, load=load, **failures)  # type: ignore[arg-type]
        self.numbers[str(use)] = said["number"]
        return Launch(
            workload=use,
            number=said["number"],
            clock=said["clock"],
            cpu=(tuple(said["cpu"]["base"]), tuple(said["cpu"]["head"])),
            wall=(tuple(said["wall"]["base"]), tuple(said["wall"]["head"])),
            planted=planted,
            load=load,
            same_work=agree(said["results"]["base"], said["results"]["head"]),
            same_version=len({version for version in said["versions"].values() if version}) < 2,
        )

    def _ask(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to an order, or nothing if it does not come in time.

        Raises:
            NoVerdict: the process that others are forked from ended.
        """
        order |= {"base": str(self.base), "head": str(self.head), "fork": self.fork}
        try:
            return self._server.ask(order, self.timeout * (1 if self._server.started else 2))
        except Ended:
            raise NoVerdict("the process that launches are forked from ended") from None


def agree(first: list[list[float]], second: list[list[float]]) -> bool:
    """Whether two summaries of results are of the same work: equal sizes, and sums and norms that are close."""
    if len(first) != len(second):
        return False
    for (size, total, norm), (other_size, other_total, other_norm) in zip(first, second, strict=True):
        scale = SAME * max(norm, other_norm, 1e-300) * max(size, 1.0) ** 0.5
        if size != other_size or abs(total - other_total) > scale or abs(norm - other_norm) > scale:
            return False
    return True
