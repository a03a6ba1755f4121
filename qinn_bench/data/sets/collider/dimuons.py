"""Muon pairs beside a jet in three numbers, of the events of `zjets`: mass, transverse momentum and ΔR of the pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.assemble import assemble
from qinn_bench.data.kinematics import Z_MASS, Z_WIDTH
from qinn_bench.data.sets.collider import zjets
from qinn_bench.data.transforms import Columnwise, Identity, Logit, LogShift
from qinn_bench.dataset import Column, Dataset, Observable, Resonance
from qinn_bench.values import Array

LOW, HIGH = 66.0, 116.0
PLOTS = (
    Observable("m_ll", r"$m_{\mu\mu}$", LOW, HIGH, "GeV"),
    Observable("pt_z", r"$p_T(Z)$", 0.0, 150.0, "GeV", falls=True),
    Observable("dr_ll", r"$\Delta R(\mu^-,\mu^+)$", 0.0, 5.0),
)


def inside(rows: Array) -> NDArray[np.bool_]:
    """Which rows ``(n, 3)`` lie in the window of the mass, with a momentum and a distance above zero."""
    mass, pt, distance = rows.T
    return np.asarray((mass > LOW) & (mass < HIGH) & (pt > 0) & (distance > 0) & np.isfinite(rows).all(axis=1))


def _observables(rows: Array) -> dict[str, Array]:
    return {plot.name: rows[:, at] for at, plot in enumerate(PLOTS)}


def load(*, sample: str = "bundled", max_events: int = 0) -> Dataset:
    """The three numbers of each event of a sample of one jet, or of the first `max_events` of it (0 takes all).

    Training, validation and test rows are the events that they are in `zjets`.

    Raises:
        Refused: what `zjets` refuses.
    """
    events = zjets.load(sample=sample, max_events=max_events)
    found = events.observables(np.concatenate([events.train, events.valid, events.test]))
    return assemble(
        "dimuons",
        {},
        np.column_stack([found[plot.name] for plot in PLOTS]),
        columns=tuple(Column(plot.name, plot.label, plot.unit) for plot in PLOTS),
        steps=(Columnwise((Logit(LOW, HIGH), LogShift(), Identity())),),
        observables=_observables,
        plots=PLOTS,
        support=inside,
        provenance=events.provenance,
        resonance=Resonance("m_ll", Z_MASS, Z_WIDTH, 81.0, 101.0),
    )
