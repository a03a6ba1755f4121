"""A small synthetic data set whose every law is known: a resonance, a Gaussian and an exponential."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtri

from qinn_bench.dataset import Column, Dataset, Evidence, Observable, Resonance
from qinn_bench.values import Array, Estimate

MASS, WIDTH = 91.2, 2.5
LOW, HIGH = 71.0, 111.0


def rows(n: int, rng: np.random.Generator, *, mass: float = MASS, shift: float = 0.0, scale: float = 1.0) -> Array:
    """``(n, 3)``: a relativistic Breit-Wigner mass, a normal N(shift, scale), an exponential of mean `scale`."""
    return np.column_stack(
        [breit_wigner(n, rng, mass=mass), shift + scale * rng.normal(size=n), rng.exponential(scale, n)]
    )


def breit_wigner(n: int, rng: np.random.Generator, mass: float = MASS, width: float = WIDTH) -> Array:
    """Masses in [LOW, HIGH] whose square has the density 1 / ((s - M^2)^2 + s^2 G^2 / M^2), by inverting its CDF."""
    return np.interp(rng.random(n), *_quantiles(mass, width))


@cache
def _quantiles(mass: float, width: float) -> tuple[Array, Array]:
    m = np.linspace(LOW, HIGH, 20_001)
    s = m**2
    density = 2 * m / ((s - mass**2) ** 2 + (s * width / mass) ** 2)
    cdf = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return cdf / cdf[-1], m


class Standardise:
    """Features of order one: mass / width, the Gaussian as it is, the logarithm of the exponential."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        m, x, t = rows.T
        return np.column_stack([(m - MASS) / (2 * WIDTH), x, np.log(t)]), -np.log(2 * WIDTH * t)

    def inverse(self, features: Array) -> Array:
        m, x, t = features.T
        return np.column_stack([MASS + 2 * WIDTH * m, x, np.exp(t)])


def observables(rows: Array) -> dict[str, Array]:
    return {"mass": rows[:, 0], "x": rows[:, 1], "t": rows[:, 2]}


def dataset(n: int = 1000, seed: int = 0, *, resonance: bool = True) -> Dataset:
    """Three columns, `n` rows in each split."""
    train, valid, test = (rows(n, np.random.default_rng([seed, part])) for part in range(3))
    return Dataset(
        name="synthetic",
        columns=(Column("m", "m", "GeV"), Column("x", "x"), Column("t", "t")),
        train=train,
        valid=valid,
        test=test,
        transform=Standardise(),
        observables=observables,
        plots=(
            Observable("mass", "m", LOW, HIGH, "GeV", 40),
            Observable("x", "x", float(ndtri(1e-4)), -float(ndtri(1e-4)), "", 20),
            Observable("t", "t", 0.0, 6.0, "", 20),
        ),
        support=lambda rows: (rows[:, 2] > 0) & (rows[:, 0] > LOW) & (rows[:, 0] < HIGH),
        fingerprint="synthetic",
        resonance=Resonance("mass", MASS, WIDTH, LOW + 5, HIGH - 5) if resonance else None,
    )


def evidence(
    truth: Array,
    generated: Array,
    *,
    data: Dataset | None = None,
    log_prob: Array | None = None,
    mass: Estimate | None = None,
    seed: int = 0,
) -> Evidence:
    """Evidence of two samples of the synthetic data set."""
    rng = np.random.default_rng(seed)
    return Evidence(data or dataset(20), truth, generated, log_prob, mass, rng)
