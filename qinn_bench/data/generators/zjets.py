"""pp -> Z/gamma* -> mu mu plus 1 to 3 jets at 13 TeV: Pythia 8.3 (arXiv:2203.11601) and FastJet (arXiv:1111.6097)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from qinn_bench.data import further_jets
from qinn_bench.data.generators import pythia_runs
from qinn_bench.data.generators.pythia_runs import BEAMS, RunPlan, described, distance, with_angles
from qinn_bench.data.kinematics import CUTS, Cuts, Event, selected, wrap
from qinn_bench.data.sample_files import Arrays, arrays_hash
from qinn_bench.data.sample_sources import MOST_JETS, SOURCES, columns
from qinn_bench.values import Refused

COMMON = (
    *BEAMS,
    "Beams:eCM = 13000.",
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "WeakZ0:gmZmode = 0",
    "PhaseSpace:mHatMin = 20.",
    # The dilepton window; PhaseSpace:mHatMin and mHatMax cut on the mass of Z and parton together.
    "23:mMin = 60.",
    "23:mMax = 120.",
    "23:onMode = off",
    "23:onIfAny = 13",
)
QUALITIES: dict[str, tuple[str, ...]] = {
    "fast": ("PhaseSpace:pTHatMin = 15.", "PartonLevel:MPI = off"),
    "full": ("PhaseSpace:pTHatMin = 12.",),
}
SHARD = {"fast": 4000, "full": 800}
CHUNK = {"fast": 1000, "full": 250}
STREAM = 20_221_103
JET_RADIUS = 0.4
DRESSING = 0.1
NEUTRINOS = (12, 14, 16)

EventRows = NDArray[np.float32]


def generate(
    events: int,
    seed: int,
    quality: str,
    cuts: str,
    min_ptz: float,
    workers: int,
    progress: Callable[[int], None],
    jets: int = 1,
) -> tuple[Arrays, dict[str, Any]]:
    """Draw `events` selected events, `rows` ``(events, 6 + 4 jets)`` in the order of `columns`, and their provenance.

    Runs of Pythia with a fixed number of generated events follow each other until enough are selected, so the rows do
    not depend on `workers`. `progress` hears how many events have been selected so far.

    Raises:
        Refused: an unknown quality or cuts, nothing to generate, or a selection that no event passes.
    """
    _check(events, seed, quality, cuts, min_ptz, workers)
    if not 1 <= jets <= MOST_JETS:
        raise Refused(f"zjets was asked for {jets} jets; 1 to {MOST_JETS} were expected")
    plan = RunPlan(commands(quality), partial(_selected, CUTS[cuts], min_ptz, jets), SHARD[quality], CHUNK[quality])
    said = f"the cuts '{cuts}' with min_ptz {min_ptz:g} GeV; lower min_ptz"
    run = pythia_runs.collect(plan, events, [seed, STREAM], workers, progress, said)
    arrays = {"rows": run.joined()["rows"][:events]}
    made = {"seed": seed, "quality": quality, "cuts": cuts, "min_ptz": min_ptz} | ({"jets": jets} if jets > 1 else {})
    return arrays, _provenance(arrays, run, made)


def _check(events: int, seed: int, quality: str, cuts: str, min_ptz: float, workers: int) -> None:
    pythia_runs.check_choice("zjets", "quality", quality, QUALITIES)
    pythia_runs.check_choice("zjets", "cuts", cuts, CUTS)
    pythia_runs.check("zjets", events, seed, workers)
    if not 0 <= min_ptz < np.inf:
        raise Refused(f"zjets was asked for min_ptz {min_ptz}, but 0 or more was expected, and finite")


def commands(quality: str) -> tuple[str, ...]:
    """Every Pythia setting but the seed."""
    return (*COMMON, *QUALITIES[quality])


def _selected(cuts: Cuts, min_ptz: float, jets: int, pythia: Any, particles: Any) -> Arrays:  # noqa: ARG001
    return {"rows": select(particles, cuts, min_ptz, jets)}


def select(particles: Any, cuts: Cuts, min_ptz: float, jets: int = 1) -> EventRows:
    """Rows ``(n, 6 + 4 jets)`` of the events that pass: leading dressed muons, exactly so many jets, hardest first.

    `particles` is Pythia's record of a batch. Jets are anti-kt with R = 0.4 of all other visible particles with
    |eta| < 5 and count if they pass the cuts and are farther than 0.4 from both muons. Cuts are taken on the stored
    float32 numbers and with massless muons, so that the rows alone tell whether they pass.
    """
    stable = with_angles(particles[particles.status > 0])
    stable = stable[ak.any(stable.id == 13, axis=1) & ak.any(stable.id == -13, axis=1)]
    index = ak.local_index(stable.id)
    is_photon = stable.id == 22
    muons, used = [], ak.zeros_like(is_photon, dtype=bool)
    for charge in (13, -13):
        lead = ak.argmax(ak.where(stable.id == charge, stable.pt, -1.0), axis=1, keepdims=True)
        bare = stable[lead]
        near = is_photon & ~used & (distance(stable, ak.firsts(bare)) < DRESSING)
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
    jets = described({name: clustered[name] for name in ("px", "py", "pz", "E")})
    counts = np.abs(jets.eta) < cuts.eta_jet
    for muon in muons:
        counts = counts & (distance(jets, muon) > JET_RADIUS)
    return jets[counts]


def _summed(particles: Any) -> Any:
    """The sum of the momenta of each event."""
    return described({name: ak.sum(particles[name], axis=1) for name in ("px", "py", "pz", "E")})


def as_event(rows: NDArray[np.float64]) -> Event:
    """The event columns of generated rows ``(n, 6 + 4 jets)``, without the global azimuth; of the first jet."""
    pt1, eta1, phi1, pt2, eta2, phi2, ptj, etaj, phij = rows[:, :9].T
    return Event(pt1, eta1, pt2, eta2, ptj, etaj, wrap(phi2 - phi1 + np.pi), wrap(phij - phi1 + np.pi))


def _counted(jets: int) -> str:
    return f"{jets} jet" if jets == 1 else f"{jets} jets"


def _provenance(arrays: Arrays, run: pythia_runs.Run, made: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": SOURCES["zjets"].schema,
        "process": f"pp -> Z/gamma* (-> mu- mu+) + {_counted(made.get('jets', 1))}, 13 TeV",
        "events": len(arrays["rows"]),
        **made,
        "columns": list(columns(made.get("jets", 1))),
        "units": "GeV, rad",
        "commands": [*commands(made["quality"]), "Random:seed = (first_seed + shard) % 900000000 + 1"],
        **run.facts(SHARD[made["quality"]]),
        "versions": pythia_runs.versions(),
        "rows_sha256": arrays_hash(arrays),
    }
