"""Runs of Pythia 8.3 (arXiv:2203.11601), shard by shard: the same rows whatever the number of workers."""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from multiprocessing import get_context
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import pythia8mc

from qinn_bench.data.sample_files import Arrays
from qinn_bench.data.sample_sources import LIBRARIES
from qinn_bench.values import Array, Refused

BEAMS = (
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Tune:pp = 14",
    "Print:quiet = on",
    "Next:numberCount = 0",
    "Random:setSeed = on",
)
"""Settings of every run: protons, the Monash tune, a seed."""
LARGEST_SEED = 900_000_000
HOPELESS = 40
"""Shards without a single row after which a selection is given up."""
MILLIBARN = 1e9
"""Picobarns."""


class RunPlan(NamedTuple):
    """What the shards of a run share.

    `select` takes Pythia and the particles of a batch and gives arrays with a row for each event or jet that passes;
    `finish` takes those of a whole shard and a random generator of its own, as the detector does.

    Example:
        >>> RunPlan(("Tune:pp = 14",), select=len, events=4000, chunk=1000).finish is None
        True
    """

    commands: tuple[str, ...]
    select: Callable[..., Arrays]
    events: int
    chunk: int
    finish: Callable[[Arrays, np.random.Generator], Arrays] | None = None


class Task(NamedTuple):
    """What one shard depends on.

    Example:
        >>> Task(1, RunPlan((), select=len, events=10, chunk=5)).seed
        1
    """

    seed: int
    plan: RunPlan


class Shard(NamedTuple):
    """The arrays of a shard, its number of rows, its events generated, cross-section (pb) and error.

    Example:
        >>> Shard({"rows": np.zeros((3, 10))}, 3, generated=100, sigma=812.0, sigma_error=4.0).rows
        3
    """

    arrays: Arrays
    rows: int
    generated: int
    sigma: float
    sigma_error: float


class Run(NamedTuple):
    """All shards of a run and the seed before that of the first.

    Example:
        >>> run = Run([Shard({"rows": np.zeros((3, 10))}, 3, 100, 812.0, 4.0)], first_seed=7)
        >>> run.facts(events_each=100)["efficiency"]
        0.03
    """

    shards: list[Shard]
    first_seed: int

    def joined(self) -> Arrays:
        """The arrays of all shards, one after the other."""
        first = self.shards[0].arrays
        return {name: np.concatenate([shard.arrays[name] for shard in self.shards]) for name in first}

    def facts(self, events_each: int) -> dict[str, Any]:
        """What a provenance says of it; `events_each` were generated in each shard."""
        generated = sum(shard.generated for shard in self.shards)
        errors = [shard.sigma_error**2 for shard in self.shards]
        return {
            "first_seed": self.first_seed,
            "shards": len(self.shards),
            "generated_per_shard": events_each,
            "generated": generated,
            "efficiency": sum(shard.rows for shard in self.shards) / generated,
            "sigma_pb": float(np.mean([shard.sigma for shard in self.shards])),
            "sigma_error_pb": float(np.sqrt(np.sum(errors)) / len(self.shards)),
        }


def collect(
    plan: RunPlan, rows: int, stream: list[int], workers: int, progress: Callable[[int], None], what: str
) -> Run:
    """Shards of a fixed number of generated events, until so many rows have passed.

    `stream` are the numbers that name the random stream; `progress` hears how many rows there are. The rows do not
    depend on `workers`.

    Raises:
        Refused: no row of many shards passes `what`.
    """
    first = int(np.random.SeedSequence(stream).generate_state(1, dtype=np.uint64)[0]) % LARGEST_SEED
    # Consecutive from a random start: no two shards of a run share a seed, and Pythia takes 1 to 900 000 000 only.
    tasks = (Task((first + i) % LARGEST_SEED + 1, plan) for i in count())
    shards: list[Shard] = []
    accepted = 0
    for shard in _in_order(tasks, workers):
        shards.append(shard)
        accepted += shard.rows
        progress(min(accepted, rows))
        if accepted >= rows:
            break
        if not accepted and len(shards) >= HOPELESS:
            raise Refused(f"no event of {sum(one.generated for one in shards)} passes {what}")
    return Run(shards, first)


def check(name: str, events: int, seed: int, workers: int) -> None:
    """That there is something to make, by somebody, from a seed.

    Raises:
        Refused: there is not.
    """
    if events < 1 or workers < 1:
        raise Refused(f"{name} was asked for {events} events with {workers} workers, but both must be 1 or more")
    if seed < 0:
        raise Refused(f"{name} was asked for seed {seed}, but 0 or more was expected")


def check_choice(name: str, knob: str, given: str, known: Any) -> None:
    """That a choice exists.

    Raises:
        Refused: it does not; the message says which do.
    """
    if given not in known:
        raise Refused(f"{name} has no {knob} '{given}'; there are: {', '.join(known)}")


def versions() -> dict[str, str]:
    """The versions of what makes the rows."""
    return {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}


def _in_order(tasks: Iterator[Task], workers: int) -> Iterator[Shard]:
    """Shards in the order of their tasks, whoever finishes first."""
    if workers == 1:
        yield from map(run_shard, tasks)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting: deque[Future[Shard]] = deque(pool.submit(run_shard, next(tasks)) for _ in range(workers + 1))
        try:
            while True:
                yield waiting.popleft().result()
                waiting.append(pool.submit(run_shard, next(tasks)))
        finally:
            pool.shutdown(cancel_futures=True)


def run_shard(task: Task) -> Shard:
    """Generate a fixed number of events with one seed and keep those that pass the selection."""
    plan = task.plan
    with _no_stdout():
        pythia = _pythia(task)
        # Memory grows with the size of a batch; the events do not depend on it.
        sizes = [min(plan.chunk, plan.events - start) for start in range(0, plan.events, plan.chunk)]
        parts = [plan.select(pythia, pythia.nextBatch(size).prt) for size in sizes]
        info = pythia.infoPython()
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if plan.finish:
        arrays = plan.finish(arrays, np.random.default_rng(task.seed))
    rows = len(next(iter(arrays.values())))
    return Shard(arrays, rows, plan.events, info.sigmaGen() * MILLIBARN, info.sigmaErr() * MILLIBARN)


def _pythia(task: Task) -> Any:
    pythia = pythia8mc.Pythia("", False)
    for line in (*task.plan.commands, f"Random:seed = {task.seed}"):
        # Pythia goes on with its default after a setting that it does not take, for a seed with the same for all.
        if not pythia.readString(line):
            raise RuntimeError(f"Pythia does not take the setting '{line}'")
    if not pythia.init():
        raise RuntimeError("Pythia did not initialise")
    return pythia


@contextmanager
def _no_stdout() -> Iterator[None]:
    """Keep the banners that the C++ libraries print away from standard output, which is for results."""
    kept = os.dup(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(silent)


def with_angles(particles: Any) -> Any:
    """Identity and momentum of particles: px, py, pz, E, pt, eta, phi, m and id."""
    parts = {"px": particles.p.px, "py": particles.p.py, "pz": particles.p.pz, "E": particles.p.e}
    return ak.with_field(described(parts), particles.id, "id")


def described(parts: dict[str, Any]) -> Any:
    """Momenta with pt, eta, phi and m beside; the mass is 0 where rounding would make its square negative."""
    px, py, pz, energy = parts["px"], parts["py"], parts["pz"], parts["E"]
    pt = np.hypot(px, py)
    mass2 = energy**2 - pt**2 - pz**2
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(pz / pt)
    derived = {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "m": np.sqrt(ak.where(mass2 > 0, mass2, 0.0))}
    return ak.zip(parts | derived)


def turned(angle: Any) -> Any:
    """An azimuthal difference in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def distance(one: Any, other: Any) -> Any:
    """Delta R between the particles of an event and one other."""
    return np.hypot(one.eta - other.eta, turned(one.phi - other.phi))


def as_arrays(values: Any) -> Array:
    """A flat awkward array as doubles."""
    return np.asarray(ak.to_numpy(values), dtype=np.float64)
