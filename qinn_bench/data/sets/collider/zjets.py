"""Z + jet events of Pythia 8 in proton collisions at 13 TeV: Z/gamma* -> mu mu and one jet, two or three."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from qinn_bench.about import About
from qinn_bench.data import further_jets, kinematics, sample_files
from qinn_bench.data.assemble import assemble
from qinn_bench.data.further_jets import MASS_FLOOR
from qinn_bench.data.kinematics import CUTS, Z_MASS, Z_WIDTH, Cuts, DileptonMass, Event, check_coordinates, wrap
from qinn_bench.data.transforms import Columnwise, Identity, Logit, LogShift, Map
from qinn_bench.dataset import Column, Dataset, Observable, Resonance, Transform
from qinn_bench.values import Array, Refused

ABOUT = About(later={"jets": 1})
COLUMNS = (
    Column("pt_mum", r"$p_T(\mu^-)$", "GeV"),
    Column("eta_mum", r"$\eta(\mu^-)$"),
    Column("pt_mup", r"$p_T(\mu^+)$", "GeV"),
    Column("eta_mup", r"$\eta(\mu^+)$"),
    Column("pt_j", r"$p_T(j)$", "GeV"),
    Column("eta_j", r"$\eta(j)$"),
    Column("dphi_ll", r"$\Delta\phi(\mu^+,\mu^-)-\pi$", "rad"),
    Column("dphi_jl", r"$\Delta\phi(j,\mu^-)-\pi$", "rad"),
    Column("m_j", r"$m_j$", "GeV"),
)


def load(
    *,
    features: int = 8,
    sample: str = "bundled",
    max_events: int = 0,
    coordinates: str = "momenta",
    jets: int = 1,
) -> Dataset:
    """Read a sample; rows are pT and eta of mu-, mu+ and jet, and two centred azimuthal differences, each to the mu-.

    Each further jet, in the order of their pT, adds four columns: pT, eta, the azimuthal difference to the jet before
    it, and its mass, so that one to three jets have 8, 12 and 16 features. With the mass of the first jet they are the
    9, 13 and 17 of arXiv:2110.13632.

    Args:
        features: of the muons and the first jet: 8, or 9 with its mass.
        sample: the bundled sample of so many jets (fast, lhc), or one that `qinn-bench data make` has made.
        max_events: only the first so many events; 0 takes all.
        coordinates: "mass" lets models see m_ll in the place of the pT of the mu+; the rows stay the same.
        jets: exactly so many, 1 to 3.

    Raises:
        Refused: a knob has an impossible value, or the sample is missing or broken.
    """
    _check(features, max_events)
    check_coordinates("zjets", coordinates)
    sample = further_jets.sample_of_jets(sample, jets)
    arrays, provenance = sample_files.read(sample)
    if provenance.get("jets", 1) != jets:
        raise Refused(f"sample '{sample}' is of {provenance.get('jets', 1)} jets, but the knob jets is {jets}")
    if provenance["cuts"] not in CUTS:
        raise Refused(
            f"sample '{sample}' was made with unknown cuts '{provenance['cuts']}'; known are {', '.join(CUTS)}"
        )
    cuts = CUTS[provenance["cuts"]]
    with_mass, more = features == len(COLUMNS), {"jets": jets} if jets > 1 else {}
    return assemble(
        "zjets",
        {"features": features, "coordinates": coordinates, "cuts": provenance["cuts"], **more},
        physical(arrays["rows"][: max_events or None], with_mass),
        columns=(*COLUMNS[:features], *further_jets.columns(jets)),
        steps=_steps(cuts, with_mass, coordinates == "mass", jets),
        observables=partial(_observables, with_mass),
        plots=_plots(cuts, with_mass, jets),
        support=partial(inside, cuts, float(provenance["min_ptz"]), with_mass),
        provenance=provenance,
        resonance=Resonance("m_ll", Z_MASS, Z_WIDTH, 81.0, 101.0),
    )


def _check(features: int, max_events: int) -> None:
    if features not in (8, 9):
        raise Refused(f"data 'zjets': features is {features}, but there are 8, or 9 with the jet mass")
    if max_events < 0:
        raise Refused(f"data 'zjets': max_events is {max_events}, but 0 (all) or a positive number is expected")


def physical(generated: NDArray[np.float32], with_mass: bool) -> Array:
    """Rows ``(n, dim)`` from those of the generator: pT, eta, phi of mu-, mu+ and every jet, and the mass of a jet."""
    exact = generated.astype(np.float64)
    pt1, eta1, phi1, pt2, eta2, phi2, ptj, etaj, phij, mj = exact[:, :10].T
    columns = [pt1, eta1, pt2, eta2, ptj, etaj, wrap(phi2 - phi1 + np.pi), wrap(phij - phi1 + np.pi), mj]
    return np.column_stack([*(columns if with_mass else columns[:-1]), further_jets.physical(exact[:, 6:])])


def inside(cuts: Cuts, min_ptz: float, with_mass: bool, rows: Array) -> NDArray[np.bool_]:
    """Which rows ``(n, dim)`` lie inside the selection."""
    event, first = Event(*rows[:, :8].T), 8 + with_mass
    massive = (rows[:, 8:first] >= 0).all(axis=1)
    softer = further_jets.selected(event.pt_j, rows[:, first:], cuts)
    return np.asarray(massive & softer & kinematics.selected(event, cuts, min_ptz))


def _steps(cuts: Cuts, with_mass: bool, by_mass: bool, jets: int) -> tuple[Transform, ...]:
    one, muon = Identity(), LogShift(cuts.pt_mu)
    second: Map = muon
    if by_mass:
        second = Logit(*cuts.mass) if np.isfinite(cuts.mass[1]) else LogShift(cuts.mass[0])
    maps: tuple[Map, ...] = (muon, one, second, one, LogShift(cuts.pt_jet), one, one, one)
    of_mass = (LogShift(-MASS_FLOOR),) if with_mass else ()
    columnwise = Columnwise((*maps, *of_mass, *further_jets.maps(cuts, jets)))
    return (DileptonMass(), columnwise) if by_mass else (columnwise,)


def _observables(with_mass: bool, rows: Array) -> dict[str, Array]:
    event = Event(*rows[:, :8].T)
    values = kinematics.observables(event) | ({"m_j": rows[:, 8]} if with_mass else {})
    return values | further_jets.observables(event.pt_j, event.eta_j, rows[:, 8 + with_mass :])


def _plots(cuts: Cuts, with_mass: bool, jets: int) -> tuple[Observable, ...]:
    mass = (Observable("m_j", r"$m_j$", 0.0, 25.0, "GeV"),) if with_mass else ()
    return (*kinematics.plots(cuts), *mass, *further_jets.plots(cuts, jets))
