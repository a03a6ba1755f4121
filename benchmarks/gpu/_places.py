"""What is timed on a GPU beside the CPU: sizes, the simulators in their forms, and one step of each in this process."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import torch

from qinn_bench import limits
from qinn_bench.performance import engine, peers
from qinn_bench.performance.engine import Mode, Step
from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.performance.timing import Clock, Timing, interleaved, seconds_of
from qinn_bench.values import Refused

Device = Literal["cpu", "cuda"]
MODES: tuple[Mode, ...] = ("gradient", "nll")
QUBITS = (4, 8, 12, 16, 20)
BATCHES = ((64, 8192), (512, 4096))
"""The ends first, so that a budget that is used up leaves gaps in the middle."""

LOSS_SECONDS = 1.0
"""A step that takes longer is not taken a third time for its loss."""


class Place(NamedTuple):
    """One size of one step."""

    mode: Mode
    n_qubits: int
    batch: int

    @property
    def amplitudes(self) -> float:
        """Amplitudes of all states: of each sample one and, for a likelihood, its derivatives along the inputs."""
        states = 1 + self.n_qubits if self.mode == "nll" else 1
        return float(states * self.batch * 2**self.n_qubits)

    @property
    def work(self) -> float:
        """Amplitudes that a step touches, up to a factor."""
        return self.n_qubits * self.amplitudes


@dataclass(frozen=True)
class Rival:
    """A simulator in one form: how the page calls it, its name in `engine`, where it works, and on how many threads."""

    name: str
    simulator: str
    gpu: bool = False
    threads: int = 1

    @property
    def clock(self) -> Clock:
        """CPU time for one thread, as in the engine table; wall time for several threads and for a GPU."""
        return "wall" if self.gpu or self.threads > 1 else "cpu"

    @property
    def on_jax(self) -> bool:
        """Whether JAX computes."""
        return self.simulator.partition(":")[0] == "jax"

    @property
    def precision(self) -> Literal["complex64", "complex128"]:
        """That of its amplitudes."""
        return engine.candidate(self.simulator).precision


NATIVE, NATIVE_ALL, TORCH_ALL = "native, one core", "native, all cores", "torch, all cores"
TORCH_GPU, DOUBLE_GPU, JAX_GPU = "torch:cuda", "torch:complex128:cuda", "jax:cuda"


def tiers(cores: int) -> tuple[tuple[Rival, ...], tuple[Rival, ...]]:
    """The comparison that counts, and what is measured where time is left."""
    return (
        (
            Rival(NATIVE, "native"),
            Rival(NATIVE_ALL, "native", threads=cores),
            Rival(TORCH_GPU, "torch", gpu=True),
            Rival(DOUBLE_GPU, "torch:complex128", gpu=True),
            Rival(JAX_GPU, "jax", gpu=True),
        ),
        (
            Rival(TORCH_ALL, "torch", threads=cores),
            Rival("jax, one core", "jax"),
            Rival("lightning.gpu", "lightning.gpu", gpu=True),
        ),
    )


def places(qubits: Sequence[int], batches: Sequence[Sequence[int]]) -> tuple[tuple[Place, ...], ...]:
    """For each group of batches all places, smallest circuits first."""
    return tuple(
        tuple(Place(mode, n, batch) for n in sorted(qubits) for batch in sorted(group) for mode in MODES)
        for group in batches
    )


class Tried(NamedTuple):
    """Two steps of a rival at a place: how they ended; if well, seconds, peak GPU memory, the loss of a third."""

    status: str
    reason: str = ""
    first: float = 0.0
    seconds: float = 0.0
    peak_bytes: int | None = None
    loss: float | None = None


class Bench:
    """Steps of one place in this process, kept until another place is asked for."""

    def __init__(self, device: Device) -> None:
        self.device: Device = device
        self.place: Place | None = None
        self.steps: dict[str, Step] = {}

    def tried(self, rival: Rival, place: Place) -> Tried:
        """Make the step of a rival and take it twice; whatever it raises is told in words."""
        try:
            step = self._step(rival, place)
            before = self._peak(rival)
            start = seconds_of(step, 1, rival.clock)
            again = seconds_of(step, 1, rival.clock)
            peak = self._peak(rival, since=before)
            return Tried("ok", "", start, again, peak, float(step()[0]) if again < LOSS_SECONDS else None)
        except Refused as refusal:
            return self._lost(rival, "unsupported", str(refusal))
        except Exception as error:
            status = "out-of-memory" if limits.lacks_memory(error) else "crashed"
            return self._lost(rival, status, limits.sentence(error))
        finally:
            if self.device == "cuda":
                gc.collect()
                torch.cuda.empty_cache()

    def _lost(self, rival: Rival, status: str, reason: str) -> Tried:
        self.steps.pop(rival.name, None)
        return Tried(status, reason)

    def timed(self, rivals: Sequence[Rival], place: Place, seconds: float) -> dict[str, Timing]:
        """All rivals of a clock in turns, each sampled for so many seconds."""
        found: dict[str, Timing] = {}
        for clock in ("cpu", "wall"):
            steps = {rival.name: self._step(rival, place) for rival in rivals if rival.clock == clock}
            if steps:
                found |= interleaved(steps, seconds, clock)  # type: ignore[arg-type]
        return found

    def _step(self, rival: Rival, place: Place) -> Step:
        if place != self.place:
            self.place, self.steps = place, {}
            gc.collect()
        if rival.name not in self.steps:
            self.steps[rival.name] = self._made(rival, place)
        return self.steps[rival.name]

    def _made(self, rival: Rival, place: Place) -> Step:
        torch.set_num_threads(rival.threads)
        if engine.candidate(rival.simulator).simulator == "jax":
            return _on_jax_device(rival, place, self.device)
        if rival.gpu and not rival.simulator.startswith("lightning."):
            chosen = replace(engine.candidate(rival.simulator), name=rival.name, device=self.device)
            return engine._torch_step(chosen, engine.problem(place.n_qubits, place.batch), place.mode)
        work = engine.step(rival.simulator, place.n_qubits, place.batch, place.mode)

        def step() -> tuple[Any, ...]:
            torch.set_num_threads(rival.threads)
            return work()

        return step

    def _peak(self, rival: Rival, since: int | None = None) -> int | None:
        """The most bytes held on the GPU: from now on without `since`; JAX tells only of a peak above all before."""
        if self.device != "cuda" or not rival.gpu:
            return None
        if rival.simulator.startswith("jax"):
            peak = int((peers._jax().devices("cuda")[0].memory_stats() or {}).get("peak_bytes_in_use", 0))
            return peak if since is None or peak > since else None
        if since is None:
            torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.max_memory_allocated())


def _on_jax_device(rival: Rival, place: Place, device: Device) -> Step:
    """A step whose arrays lie on the device that was meant, not on the one that JAX would choose, in full precision.

    On a GPU, JAX would multiply matrices of single precision with ten bits of their digits (TF32); torch does not.
    """
    if find_spec("jax") is None:
        raise Refused("jax is not installed; it comes with the extra [peers]")
    jax, platform = peers._jax(), device if rival.gpu else "cpu"
    try:
        chosen = jax.devices(platform)[0]
    except RuntimeError:
        raise Refused(f"JAX finds no device of the platform '{platform}'") from None

    @contextmanager
    def here() -> Iterator[None]:
        with jax.default_device(chosen), jax.default_matmul_precision("highest"):
            yield

    with here():
        work = engine.step(rival.simulator, place.n_qubits, place.batch, place.mode)

    def step() -> tuple[Any, ...]:
        with here():
            return work()

    return step


@cache
def card_bytes(device: Device) -> int:
    """The memory of the card in bytes; 0 where there is none."""
    return int(torch.cuda.mem_get_info()[1]) if device == "cuda" else 0


WISHES: tuple[tuple[Sequence[str], Sequence[Mode], Sequence[tuple[int, int]]], ...] = (
    ((JAX_GPU,), ("gradient",), ((8, 8192), (12, 64), (12, 8192))),
    ((TORCH_GPU, DOUBLE_GPU), ("gradient",), ((16, 8192), (20, 64))),
    ((TORCH_GPU, DOUBLE_GPU), ("nll",), ((12, 8192),)),
    ((NATIVE, NATIVE_ALL, TORCH_GPU), MODES, ((4, 512), (8, 512), (12, 512), (16, 512))),
    ((TORCH_ALL,), MODES, ((8, 64), (8, 8192), (12, 64))),
    (("lightning.gpu",), MODES, ((4, 64),)),
    ((JAX_GPU,), ("gradient",), ((16, 64),)),
)
"""What a run that goes on from another measures first: simulators, modes, sizes."""
Point = tuple[Place, Rival]


def all_places(stages: Sequence[Sequence[Place]], ranks: Sequence[Sequence[Rival]]) -> Iterator[Point]:
    """Everything that is measured, in its order: what counts first."""
    for stage in stages:
        for rank in ranks:
            for place in stage:
                for rival in rank:
                    yield place, rival


def wished_first(points: Sequence[Point]) -> list[Point]:
    """The same points, those of `WISHES` first."""
    rank: dict[tuple[Place, str], int] = {}
    for names, modes, sizes in WISHES:
        for mode in modes:
            for size in sizes:
                for name in names:
                    rank.setdefault((Place(mode, *size), name), len(rank))
    return sorted(points, key=lambda point: rank.get((point[0], point[1].name), len(rank)))


def row_of(rival: Rival, place: Place, tried: Tried, timing: Timing | None = None) -> ScanRow:
    """What was found of a simulator at a place, as a row of a scan."""
    facts: dict[str, Any] = {"backend": rival.name, "precision": rival.precision, "threads": rival.threads}
    facts |= place._asdict() | {"layers": engine.LAYERS, "status": tried.status, "reason": tried.reason}
    facts |= {"clock": rival.clock, "load": os.getloadavg()[0]}
    if tried.status == "ok":
        facts |= {"first_seconds": tried.first, "peak_bytes": tried.peak_bytes}
        facts |= {"seconds": tried.seconds, "low": tried.seconds, "high": tried.seconds, "rounds": 1}
    if timing:
        facts |= {"seconds": timing.median, "error": timing.error, "low": timing.low, "high": timing.high}
        facts |= {"rounds": timing.rounds}
    return ScanRow.model_validate(facts)
