"""Jets of visible particles: clustering by FastJet (arXiv:1111.6097), constituents, and what is computed of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.generators.pythia_runs import as_arrays, described, turned, with_angles
from qinn_bench.data.sample_files import Arrays
from qinn_bench.data.sample_sources import JET_COLUMNS, PARTICLE_COLUMNS
from qinn_bench.values import Array

NEUTRINOS = (12, 14, 16)
HARD = 23
"""Pythia's status of what leaves the hard process or the decay of a resonance."""
AXES = 4
"""N-subjettiness is taken of up to so many axes."""
ANY_RADIUS = 1000.0
"""With which all particles of a jet are clustered into one."""
SOFT_DROP = {"beta": 0, "symmetry_cut": 0.1}


class JetCuts(NamedTuple):
    """Anti-kt jets of a radius, the `leading` ones of an event, with pT (GeV) and rapidity inside a window.

    Example:
        >>> JetCuts(radius=0.5, low=80.0, high=200.0, rapidity=1.8, leading=2).leading
        2
    """

    radius: float
    low: float
    high: float
    rapidity: float
    leading: int


Keep = Callable[[Any, Any, float], NDArray[np.bool_]]
"""Which jets ``(n,)`` are of the class that is made, from these, the hard partons of their events and the radius."""


def select(cuts: JetCuts, keep: Keep, pythia: Any, particles: Any) -> Arrays:
    """The jets of a batch of events that pass the cuts and are of the class that is made.

    `features` ``(jets, 12)`` are `JET_COLUMNS`; `constituents` ``(total, 3)`` those of all jets one after the other,
    hardest first, of which a jet has `counts`; `codes` and `charges` ``(total,)`` are their identities.
    """
    stable = with_angles(particles[particles.status > 0])
    for neutrino in NEUTRINOS:
        stable = stable[np.abs(stable.id) != neutrino]
    jets, inside = clustered(stable, cuts)
    hard = with_angles(particles[np.abs(particles.status) == HARD])
    event = ak.flatten(ak.broadcast_arrays(ak.local_index(jets, axis=0), jets.pt)[0])
    jets, inside = ak.flatten(jets, axis=1), ak.flatten(inside, axis=1)
    kept = as_arrays((jets.pt < cuts.high) & (np.abs(rapidity(jets)) < cuts.rapidity)) > 0
    kept[kept] &= keep(jets[kept], hard[event[kept]], cuts.radius)
    return _described_jets(jets[kept], inside[kept], cuts.radius, pythia)


def clustered(stable: Any, cuts: JetCuts) -> tuple[Any, Any]:
    """The leading jets above the threshold of each event, and the particles in each."""
    momenta = ak.zip({name: stable[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    sequence = fastjet.ClusterSequence(momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, cuts.radius))
    raw = sequence.inclusive_jets(min_pt=cuts.low)
    jets = described({name: raw[name] for name in ("px", "py", "pz", "E")})
    places = sequence.constituent_index(min_pt=cuts.low)
    order = ak.argsort(jets.pt, axis=1, ascending=False)[:, : cuts.leading]
    jets, places = jets[order], places[order]
    flat = stable[ak.flatten(places, axis=2)]
    return jets, ak.unflatten(flat, ak.flatten(ak.num(places, axis=2)), axis=1)


def rapidity(jets: Any) -> Any:
    """The rapidities of jets."""
    return np.arctanh(jets.pz / jets.E)


def near(jets: Any, others: Any) -> Any:
    """Delta R between jets ``(n,)`` and what lies in their events ``(n, var)``."""
    return np.hypot(others.eta - jets.eta, turned(others.phi - jets.phi))


def _described_jets(jets: Any, inside: Any, radius: float, pythia: Any) -> Arrays:
    inside = inside[ak.argsort(inside.pt, axis=1, ascending=False)]
    inside = ak.with_field(inside, inside.eta - jets.eta, "deta")
    inside = ak.with_field(inside, turned(inside.phi - jets.phi), "dphi")
    codes = ak.to_numpy(ak.flatten(inside.id)).astype(np.int64)
    charges = _charges(codes, pythia)
    counts = as_arrays(ak.num(inside))
    charged = ak.sum(ak.unflatten(charges != 0, counts.astype(int)), axis=1)
    columns = {
        **{"jet_pt": jets.pt, "jet_eta": jets.eta, "jet_mass": jets.m, "sd_mass": soft_drop_mass(inside, radius)},
        **{f"tau{n}": subjettiness(inside, n, radius) for n in range(1, AXES + 1)},
        **{"multiplicity": counts, "charged": charged},
        **{"width": ak.sum(inside.pt * np.hypot(inside.deta, inside.dphi), axis=1) / ak.sum(inside.pt, axis=1)},
        **{"ptd": np.sqrt(ak.sum(inside.pt**2, axis=1)) / ak.sum(inside.pt, axis=1)},
    }
    parts = [as_arrays(ak.flatten(inside[name])) for name in ("pt", "deta", "dphi")]
    return {
        "features": np.column_stack([as_arrays(columns[name]) for name in JET_COLUMNS]).astype(np.float32),
        "counts": counts.astype(np.uint16),
        "constituents": np.column_stack(parts).reshape(-1, len(PARTICLE_COLUMNS)),
        "codes": codes,
        "charges": charges,
    }


def _charges(codes: NDArray[np.int64], pythia: Any) -> NDArray[np.int8]:
    """The electric charges of particles, from Pythia's table of them."""
    kinds, places = np.unique(codes, return_inverse=True)
    table = np.array([round(pythia.particleData.charge(int(code))) for code in kinds], dtype=np.int8)
    return table[places] if len(kinds) else np.zeros(0, np.int8)


def _reclustered(inside: Any, algorithm: Any) -> Any:
    momenta = ak.zip({name: inside[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    return fastjet.ClusterSequence(momenta, fastjet.JetDefinition(algorithm, ANY_RADIUS))


def subjettiness(inside: Any, n: int, radius: float) -> Array:
    """N-subjettiness ``(jets,)`` with beta = 1 (arXiv:1011.2268, equation 2.1) of jets of these particles.

    Its axes are those of the `n` exclusive kt jets, without the minimisation of fastjet-contrib, which is not in the
    Python package of FastJet; it is 0 where a jet has fewer particles than axes.
    """
    tau = np.zeros(len(inside))
    enough = as_arrays(ak.num(inside)) >= n
    if not enough.any():
        return tau
    those = inside[enough]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FastJet warns of exclusive jets whatever the algorithm is.
        raw = _reclustered(those, fastjet.kt_algorithm).exclusive_jets(n_jets=n)
    axes = described({name: raw[name] for name in ("px", "py", "pz", "E")})
    gaps = near(those[:, :, np.newaxis], axes[:, np.newaxis, :])
    nearest = ak.min(gaps, axis=2)
    tau[enough] = as_arrays(ak.sum(those.pt * nearest, axis=1) / (radius * ak.sum(those.pt, axis=1)))
    return tau


def soft_drop_mass(inside: Any, radius: float) -> Array:
    """The mass ``(jets,)`` that soft drop with beta = 0 and z = 0.1 (arXiv:1402.2657) leaves, in GeV."""
    if not len(inside):
        return np.zeros(0)
    sequence = _reclustered(inside, fastjet.cambridge_algorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groomed = sequence.exclusive_jets_softdrop_grooming(njets=1, R0=radius, **SOFT_DROP)
    return np.maximum(as_arrays(groomed.msoftdrop), 0.0)
