"""Jets beyond the first of Z + jets events: their columns, features, observables and selection."""

from __future__ import annotations

import itertools
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data import sample_files
from qinn_bench.data.kinematics import Cuts, wrap
from qinn_bench.data.sample_sources import BUNDLED, MOST_JETS, ZjetsRequest
from qinn_bench.data.transforms import LIMIT, Identity, LogShift, Map
from qinn_bench.dataset import Column, Observable
from qinn_bench.values import Array, Refused

# A jet of a single photon has no mass: the logarithm is taken of the mass plus this, in GeV.
MASS_FLOOR = 1.0
PER_JET = 4
"""Each further jet is pT, eta, the centred azimuthal difference to the jet before it (0 is back to back), and mass."""

USUAL_EVENTS = 30_000
"""How many events the sample of several jets has that stands for the bundled one, which has one jet."""


def sample_of_jets(sample: str, jets: int) -> str:
    """The sample of so many jets that a data set asks for; with several jets, the bundled one stands for one that
    ``qinn-bench data make zjets`` has made of `USUAL_EVENTS` events.

    Raises:
        Refused: it was not made yet; or no such number of jets.
    """
    if not 1 <= jets <= MOST_JETS:
        raise Refused(f"data 'zjets': jets is {jets}; 1 to {MOST_JETS} were expected")
    if sample != BUNDLED or jets == 1:
        return sample_files.sample_of("zjets", sample)
    usual = ZjetsRequest(events=USUAL_EVENTS, jets=jets).stated
    for name in sample_files.names():
        with suppress(Refused):
            if usual.items() <= sample_files.info(name).items():
                return name
    raise Refused(
        f"the sample of {jets} jets does not come with qinn-bench and was not made here yet; to make it: qinn-bench "
        f"data make zjets --jets {jets} --events {USUAL_EVENTS}"
    )


def columns(jets: int) -> tuple[Column, ...]:
    """The columns of the second to the last of so many jets."""
    return tuple(
        column
        for k in range(2, jets + 1)
        for column in (
            Column(f"pt_j{k}", rf"$p_T(j_{k})$", "GeV"),
            Column(f"eta_j{k}", rf"$\eta(j_{k})$"),
            Column(f"dphi_j{k}", rf"$\Delta\phi(j_{k},j_{k - 1})-\pi$", "rad"),
            Column(f"m_j{k}", rf"$m_{{j_{k}}}$", "GeV"),
        )
    )


def physical(generated: Array) -> Array:
    """Columns ``(n, 4 (jets - 1))`` from pT, eta, phi and mass of every jet, ``(n, 4 jets)``."""
    parts = np.split(generated, generated.shape[1] // PER_JET, axis=1)
    return np.column_stack(
        [
            column
            for before, jet in itertools.pairwise(parts)
            for column in (jet[:, 0], jet[:, 1], wrap(jet[:, 2] - before[:, 2] + np.pi), jet[:, 3])
        ]
        or [np.empty((len(generated), 0))]
    )


def maps(cuts: Cuts, jets: int) -> tuple[Map, ...]:
    """What models see of these columns, before it is standardised."""
    one = Identity()
    return (LogShift(cuts.pt_jet), one, one, LogShift(-MASS_FLOOR)) * (jets - 1)


def selected(pt_j: Array, further: Array, cuts: Cuts) -> NDArray[np.bool_]:
    """Which rows have further jets ``(n, 4 (jets - 1))`` inside the selection, each softer than the one before it."""
    inside, before = np.ones(len(further), dtype=bool), pt_j
    for pt, eta, dphi, mass in _jets(further):
        inside &= (pt > cuts.pt_jet) & (pt <= before) & (np.abs(eta) < cuts.eta_jet) & (mass >= 0)
        inside &= np.abs(dphi) <= np.pi
        before = pt
    return inside


def observables(pt_j: Array, eta_j: Array, further: Array) -> dict[str, Array]:
    """pT, eta and mass of each further jet, its distance to the jet before it and the mass of these two.

    That mass, m^2 = 2 pT pT' (cosh(eta - eta') - cos(phi - phi')), is of jets that are taken to be massless.
    """
    found: dict[str, Array] = {}
    pt_before, eta_before = pt_j, eta_j
    for k, (pt, eta, dphi, mass) in enumerate(_jets(further), start=2):
        gap = np.clip(eta - eta_before, -LIMIT, LIMIT)
        found |= {
            **{f"pt_j{k}": pt, f"eta_j{k}": eta, f"m_j{k}": mass},
            f"dr_j{k - 1}j{k}": np.hypot(gap, np.abs(wrap(dphi + np.pi))),
            f"m_j{k - 1}j{k}": np.sqrt(2 * pt_before * pt * np.maximum(np.cosh(gap) + np.cos(dphi), 0.0)),
        }
        pt_before, eta_before = pt, eta
    return found


def plots(cuts: Cuts, jets: int) -> tuple[Observable, ...]:
    """One histogram a quantity of `observables`."""
    eta = min(cuts.eta_jet, 6.0)
    return tuple(
        plot
        for k in range(2, jets + 1)
        for plot in (
            Observable(f"pt_j{k}", rf"$p_T(j_{k})$", cuts.pt_jet, 100.0, "GeV", falls=True),
            Observable(f"eta_j{k}", rf"$\eta(j_{k})$", -eta, eta),
            Observable(f"m_j{k}", rf"$m_{{j_{k}}}$", 0.0, 25.0, "GeV"),
            Observable(f"dr_j{k - 1}j{k}", rf"$\Delta R(j_{k - 1},j_{k})$", 0.0, 6.0),
            Observable(f"m_j{k - 1}j{k}", rf"$m_{{j_{k - 1}j_{k}}}$", 0.0, 300.0, "GeV", falls=True),
        )
    )


def _jets(further: Array) -> list[tuple[Array, ...]]:
    """The four columns of each jet."""
    return [tuple(further[:, i : i + PER_JET].T) for i in range(0, further.shape[1], PER_JET)]
