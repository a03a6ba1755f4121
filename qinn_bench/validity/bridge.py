"""A second estimate of the mass: bridge sampling between the rows that a model draws and those of a known density."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from qinn_bench.values import Array

WIDEST = 50.0
"""How far, in nats, the logarithm of the mass may lie beyond the log-ratios that were seen."""


class Bridge(NamedTuple):
    """The mass by bridge sampling with its standard error, and how many rows of the model it rests on.

    Example:
        >>> Bridge(value=1.49, error=0.01, n=5000).value
        1.49
    """

    value: float
    error: float
    n: int


def bridge_mass(own: Array, drawn: Array) -> Bridge | None:
    """The integral of a claimed density p, from log (p / q) in nats at its own rows and at draws of a density q.

    `own` ``(n,)`` are at independent rows of the normalised p, `drawn` ``(m,)`` at independent rows of q; where p is
    zero or no number they are minus infinity. The optimal bridge of Meng and Wong (Statistica Sinica 6, 1996, 831,
    eq. 4.1) is the root of one increasing function, the likelihood equation of a logistic regression. Importance
    sampling does not see mass that no draw of q meets; the share of own rows in it makes this estimate as much larger.
    The error is that of Frühwirth-Schnatter (Econometrics Journal 7, 2004, 143, eq. 3.2). Neither means anything where
    the rows are not of the density. None where there are fewer than two rows on a side, where the two do
    not overlap, or where the mass is too large for a number.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> def log_ratio(x):  # 3 N(0, 1) over N(0, 2)
        ...     return np.log(3) - x**2 / 2 + x**2 / 8 + np.log(2)
        >>> found = bridge_mass(log_ratio(rng.normal(size=4000)), log_ratio(2 * rng.normal(size=4000)))
        >>> abs(found.value - 3) < 4 * found.error < 0.3
        True
    """
    own, drawn = (np.where(np.isnan(side), -np.inf, side) for side in (own, drawn))
    seen = np.concatenate([side[np.isfinite(side)] for side in (own, drawn)])
    if min(len(own), len(drawn)) < 2 or not np.isfinite(drawn).any() or not np.isfinite(own).any():
        return None
    shift = np.log(len(own) / len(drawn))

    def excess(log_mass: float) -> float:
        return float(expit(log_mass - own - shift).sum() - expit(drawn - log_mass + shift).sum())

    low, high = seen.min() - abs(shift) - WIDEST, seen.max() + abs(shift) + WIDEST
    if not excess(low) < 0 < excess(high):
        return None
    log_mass = float(brentq(excess, low, high, xtol=1e-10))
    parts = expit(drawn - log_mass + shift), expit(log_mass - own - shift)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        squares = [part.var(ddof=1) / (len(part) * np.square(part.mean())) for part in parts]
        value = float(np.exp(log_mass))
        error = value * float(np.sqrt(sum(squares)))
    return Bridge(value, error, len(own)) if np.isfinite(error) else None
