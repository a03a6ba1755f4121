"""pp -> Z/gamma* -> mu mu plus 1 to 3 jets at 13 TeV: Pythia 8.3 (arXiv:2203.11601) and FastJet (arXiv:1111.6097)."""

from __future__ import annotations

import hashlib
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
import fastjet
import numpy as np
import pythia8mc
from numpy.typing import NDArray

from qinn_bench.data import further_jets
from qinn_bench.data.kinematics import CUTS, Cuts, Event, selected, wrap
from qinn_bench.data.sample_files import LIBRARIES, MOST_JETS, SCHEMA, columns
from qinn_bench.values import Refused

COMMON = (
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = 13000.",
    "Tune:pp = 14",
    "Print:quiet = on",
    "Next:numberCount = 0",
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "WeakZ0:gmZmode = 0",
    "PhaseSpace:mHatMin = 20.",
    # The dilepton window; PhaseSpace:mHatMin and mHatMax cut on the mass of Z and parton together.
    "23:mMin = 60.",
    "23:mMax = 120.",
    "23:onMode = off",
    "23:onIfAny = 13",
    "Random:setSeed = on",
)
QUALITIES: dict[str, tuple[str, ...]] = {
    "fast": ("PhaseSpace:pTHatMin = 15.", "PartonLevel:MPI = off"),
    "full": ("PhaseSpace:pTHatMin = 12.",),
}
SHARD = {"fast": 4000, "full": 800}
CHUNK = {"fast": 1000, "full": 250}
LARGEST_SEED = 900_000_000
STREAM = 20_221_103
HOPELESS = 40
JET_RADIUS = 0.4
DRESSING = 0.1
NEUTRINOS = (12, 14, 16)

EventRows = NDArray[np.float32]


class Shard(NamedTuple):
    """The selected rows ``(n, 6 + 4 jets)`` of a run of Pythia, its events generated, cross-section (pb) and error.

    Example:
        >>> Shard(np.zeros((3, 10)), generated=100, sigma=812.0, sigma_error=4.0).generated
        100
    """

    rows: EventRows
    generated: int
    sigma: float
    sigma_error: float


class Task(NamedTuple):
    """What one shard depends on.

    Example:
        >>> Task(seed=1, quality="fast", cuts="lhc", min_ptz=0.0, events=1000).cuts
        'lhc'
    """

    seed: int
    quality: str
    cuts: str
    min_ptz: float
    events: int
    jets: int = 1


def generate(
    events: int,
    seed: int,
    quality: str,
    cuts: str,
    min_ptz: float,
    workers: int,
    progress: Callable[[int], None],
    jets: int = 1,
) -> tuple[EventRows, dict[str, Any]]:
    """Draw `events` selected events, ``(events, 6 + 4 jets)`` in the order of `columns`, and their provenance.

    Runs of Pythia with a fixed number of generated events follow each other until enough are selected, so the rows do
    not depend on `workers`. `progress` hears how many events have been selected so far.

    Raises:
        Refused: an unknown quality or cuts, nothing to generate, or a selection that no event passes.
    """
    _check(events, seed, quality, cuts, min_ptz, workers)
    if not 1 <= jets <= MOST_JETS:
        raise Refused(f"zjets was asked for {jets} jets; 1 to {MOST_JETS} were expected")
    first = int(np.random.SeedSequence([seed, STREAM]).generate_state(1, dtype=np.uint64)[0]) % LARGEST_SEED
    # Consecutive from a random start: no two shards of a run share a seed, and Pythia takes 1 to 900 000 000 only.
    tasks = (Task((first + i) % LARGEST_SEED + 1, quality, cuts, min_ptz, SHARD[quality], jets) for i in count())
    shards: list[Shard] = []
    accepted = 0
    for shard in _in_order(tasks, workers):
        shards.append(shard)
        accepted += len(shard.rows)
        progress(min(accepted, events))
        if accepted >= events:
            break
        if not accepted and len(shards) >= HOPELESS:
            tried = sum(shard.generated for shard in shards)
            raise Refused(f"no event of {tried} passes the cuts '{cuts}' with min_ptz {min_ptz:g} GeV; lower min_ptz")
    rows = np.concatenate([shard.rows for shard in shards])[:events]
    made = {"seed": seed, "quality": quality, "cuts": cuts, "min_ptz": min_ptz} | ({"jets": jets} if jets > 1 else {})
    return rows, _provenance(rows, shards, made, first)


def _check(events: int, seed: int, quality: str, cuts: str, min_ptz: float, workers: int) -> None:
    for name, given, known in (("quality", quality, QUALITIES), ("cuts", cuts, CUTS)):
        if given not in known:
            raise Refused(f"zjets has no {name} '{given}'; there are: {', '.join(known)}")
    if events < 1 or workers < 1:
        raise Refused(f"zjets was asked for {events} events with {workers} workers, but both must be 1 or more")
    if seed < 0 or not 0 <= min_ptz < np.inf:
        raise Refused(f"zjets was asked for seed {seed} and min_ptz {min_ptz}, but both must be 0 or more, and finite")


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
    chunk = CHUNK[task.quality]
    with _no_stdout():
        pythia = _pythia(task)
        # Memory grows with the size of a batch; the events do not depend on it.
        sizes = [min(chunk, task.events - start) for start in range(0, task.events, chunk)]
        parts = [select(pythia.nextBatch(size).prt, CUTS[task.cuts], task.min_ptz, task.jets) for size in sizes]
        info = pythia.infoPython()
    millibarn = 1e9
    return Shard(np.concatenate(parts), task.events, info.sigmaGen() * millibarn, info.sigmaErr() * millibarn)


def commands(quality: str) -> tuple[str, ...]:
    """Every Pythia setting but the seed."""
    return (*COMMON, *QUALITIES[quality])


def _pythia(task: Task) -> Any:
    pythia = pythia8mc.Pythia("", False)
    for line in (*commands(task.quality), f"Random:seed = {task.seed}"):
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


def select(particles: Any, cuts: Cuts, min_ptz: float, jets: int = 1) -> EventRows:
    """Rows ``(n, 6 + 4 jets)`` of the events that pass: leading dressed muons, exactly so many jets, hardest first.

    `particles` is Pythia's record of a batch. Jets are anti-kt with R = 0.4 of all other visible particles with
    |eta| < 5 and count if they pass the cuts and are farther than 0.4 from both muons. Cuts are taken on the stored
    float32 numbers and with massless muons, so that the rows alone tell whether they pass.
    """
    stable = _with_angles(particles[particles.status > 0])
    stable = stable[ak.any(stable.id == 13, axis=1) & ak.any(stable.id == -13, axis=1)]
    index = ak.local_index(stable.id)
    is_photon = stable.id == 22
    muons, used = [], ak.zeros_like(is_photon, dtype=bool)
    for charge in (13, -13):
        lead = ak.argmax(ak.where(stable.id == charge, stable.pt, -1.0), axis=1, keepdims=True)
        bare = stable[lead]
        near = is_photon & ~used & (_distance(stable, ak.firsts(bare)) < DRESSING)
        mine = near | (index == ak.firsts(lead))
        muons.append(_summed(stable[mine]))
        used = used | mine
    hadronic = ~used & (np.abs(stable.eta) < 5)
    for neutrino in NEUTRINOS:
        hadronic = hadronic & (np.abs(stable.id) != neutrino)
    clustered = _jets(stable[hadronic], cuts, muons)
    kept = ak.to_numpy(ak.num(clustered) == jets)
    hardest = clustered[kept][ak.argsort(clustered[kept].pt, axis=1, ascending=False)]
    parts = [ak.to_numpy(part[name])[kept] for part in muons for name in ("pt", "eta", "phi")]
    parts += [ak.to_numpy(hardest[name][:, k]) for k in range(jets) for name in ("pt", "eta", "phi", "m")]
    rows = np.column_stack(parts).astype(np.float32)
    exact = rows.astype(np.float64)
    further = further_jets.selected(exact[:, 6], further_jets.physical(exact[:, 6:]), cuts)
    return rows[selected(as_event(exact), cuts, min_ptz) & further]


def _jets(inputs: Any, cuts: Cuts, muons: list[Any]) -> Any:
    """The jets of each event that count."""
    momenta = ak.zip({name: inputs[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, JET_RADIUS)
    clustered = fastjet.ClusterSequence(momenta, definition).inclusive_jets(min_pt=cuts.pt_jet)
    jets = _described({name: clustered[name] for name in ("px", "py", "pz", "E")})
    counts = np.abs(jets.eta) < cuts.eta_jet
    for muon in muons:
        counts = counts & (_distance(jets, muon) > JET_RADIUS)
    return jets[counts]


def _with_angles(particles: Any) -> Any:
    """Identity and momentum of particles."""
    parts = {"px": particles.p.px, "py": particles.p.py, "pz": particles.p.pz, "E": particles.p.e}
    return ak.with_field(_described(parts), particles.id, "id")


def _summed(particles: Any) -> Any:
    """The sum of the momenta of each event."""
    return _described({name: ak.sum(particles[name], axis=1) for name in ("px", "py", "pz", "E")})


def _described(parts: dict[str, Any]) -> Any:
    """Momenta with pt, eta, phi and m beside; the mass is 0 where rounding would make its square negative."""
    px, py, pz, energy = parts["px"], parts["py"], parts["pz"], parts["E"]
    pt = np.hypot(px, py)
    mass2 = energy**2 - pt**2 - pz**2
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(pz / pt)
    derived = {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "m": np.sqrt(ak.where(mass2 > 0, mass2, 0.0))}
    return ak.zip(parts | derived)


def _distance(one: Any, other: Any) -> Any:
    """Delta R between the particles of an event and one other."""
    turn = (one.phi - other.phi + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(one.eta - other.eta, turn)


def as_event(rows: NDArray[np.float64]) -> Event:
    """The event columns of generated rows ``(n, 6 + 4 jets)``, without the global azimuth; of the first jet."""
    pt1, eta1, phi1, pt2, eta2, phi2, ptj, etaj, phij = rows[:, :9].T
    return Event(pt1, eta1, pt2, eta2, ptj, etaj, wrap(phi2 - phi1 + np.pi), wrap(phij - phi1 + np.pi))


def _counted(jets: int) -> str:
    return f"{jets} jet" if jets == 1 else f"{jets} jets"


def _provenance(rows: EventRows, shards: list[Shard], made: dict[str, Any], first: int) -> dict[str, Any]:
    generated = sum(shard.generated for shard in shards)
    kept = sum(len(shard.rows) for shard in shards)
    return {
        "schema": SCHEMA,
        "process": f"pp -> Z/gamma* (-> mu- mu+) + {_counted(made.get('jets', 1))}, 13 TeV",
        "events": len(rows),
        **made,
        "columns": list(columns(made.get("jets", 1))),
        "units": "GeV, rad",
        "commands": [*commands(made["quality"]), "Random:seed = (first_seed + shard) % 900000000 + 1"],
        "first_seed": first,
        "shards": len(shards),
        "generated_per_shard": SHARD[made["quality"]],
        "generated": generated,
        "efficiency": kept / generated,
        "sigma_pb": float(np.mean([shard.sigma for shard in shards])),
        "sigma_error_pb": float(np.sqrt(np.sum([shard.sigma_error**2 for shard in shards])) / len(shards)),
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "rows_sha256": hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest(),
    }
