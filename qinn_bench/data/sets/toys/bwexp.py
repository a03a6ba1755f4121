"""A Breit-Wigner resonance and an independent exponential: the smallest data set with a Z peak, with its density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.kinematics import Z_MASS, Z_WIDTH
from qinn_bench.data.toy import toy
from qinn_bench.data.transforms import Columnwise, Logit, LogShift
from qinn_bench.dataset import Column, Dataset, Observable, Resonance
from qinn_bench.values import Array

LOW, HIGH = 66.0, 116.0
PT_MIN, PT_MEAN = 20.0, 25.0
HALF = Z_WIDTH / 2


class CauchyMass:
    """Mass from a Cauchy distribution in (66, 116) GeV, pT - 20 GeV from an exponential of mean 25 GeV.

    Example:
        >>> rows = CauchyMass().sample(4, np.random.default_rng(0))
        >>> rows.shape, bool(np.isfinite(CauchyMass().log_density(rows)).all())
        ((4, 2), True)
    """

    entropy = 6.722120
    """Mass by quadrature plus 1 + ln 25, in nats."""

    def __init__(self) -> None:
        self._ends = np.arctan((np.array([LOW, HIGH]) - Z_MASS) / HALF)

    def log_density(self, rows: Array) -> Array:
        """``(n, 2) -> (n,)`` per GeV^2."""
        mass, pt = rows.T
        peak = np.log(HALF) - np.log((mass - Z_MASS) ** 2 + HALF**2) - np.log(np.ptp(self._ends))
        return np.where(inside(rows), peak - (pt - PT_MIN) / PT_MEAN - np.log(PT_MEAN), -np.inf)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, 2)``, by inverting the distribution function of the mass."""
        mass = Z_MASS + HALF * np.tan(rng.uniform(self._ends[0], self._ends[1], n))
        return np.column_stack([mass, PT_MIN + rng.exponential(PT_MEAN, n)])


def inside(rows: Array) -> NDArray[np.bool_]:
    """Which rows ``(n, 2)`` lie in the support."""
    return np.asarray((rows[:, 0] > LOW) & (rows[:, 0] < HIGH) & (rows[:, 1] > PT_MIN))


def _observables(rows: Array) -> dict[str, Array]:
    return {"m": rows[:, 0], "pt": rows[:, 1]}


def load(*, events: int = 40_000) -> Dataset:
    """Draw mass and transverse momentum."""
    return toy(
        "bwexp",
        {},
        CauchyMass(),
        events,
        "Cauchy mass (91.1876, 2.4952 GeV) in 66-116 GeV and exponential pT above 20 GeV",
        columns=(Column("m", "$m$", "GeV"), Column("pt", "$p_T$", "GeV")),
        steps=(Columnwise((Logit(LOW, HIGH), LogShift(PT_MIN))),),
        observables=_observables,
        plots=(Observable("m", "$m$", LOW, HIGH, "GeV"), Observable("pt", "$p_T$", PT_MIN, 150.0, "GeV", falls=True)),
        support=inside,
        resonance=Resonance("m", Z_MASS, Z_WIDTH, 81.0, 101.0),
    )
