"""The error of a mean difference over seeds, and over the rows that all seeds are measured on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from qinn_bench.statistics import ties
from qinn_bench.values import Array

REPLICATES = 1000
TRUTH_FREEDOM = 6
"""Degrees of freedom of a spread over draws of the truth: all of them are about the one truth that there is, and how
far a metric with a kink moves differs from truth to truth; with these, verdicts keep their level in simulations."""
TruthDraws = tuple[Array, Array]
"""The values of two rows on true rows that were drawn anew, ``(n, draws)`` each; more is better."""


class MeanError(NamedTuple):
    """The standard error of a mean difference and the degrees of freedom of its Student distribution.

    Example:
        >>> MeanError(error=0.02, freedom=4).freedom
        4
    """

    error: float
    freedom: float


def over_all(
    differences: Array,
    scale: Array,
    apart: Array | None,
    drawn: TruthDraws | None,
    groups: Sequence[Hashable],
    rng: np.random.Generator | None,
    kinked: bool = True,
) -> MeanError:
    """The spread over seeds and, where they are known, over the rows that all replicates were measured on.

    A distance is `kinked` where it is zero; an unbiased square, which passes through zero, is not.
    """
    spread = over_seeds(differences, scale)
    if apart is not None:
        spread = over_both(differences, apart, spread, rng or np.random.default_rng(0))
    return spread if drawn is None else over_truth(drawn, groups, spread, kinked)


def of_one(
    difference: float, apart: Array | None, drawn: TruthDraws | None, kinked: bool = True
) -> tuple[MeanError, int] | None:
    """The spread of one difference over the rows that it was measured on, and how many these are; None without any."""
    if apart is not None:
        return over_seeds(apart[0] - apart[0].mean() + difference), len(apart[0])
    if drawn is not None:
        first, second = (of[0] for of in drawn)
        return MeanError(float(np.sqrt(_together(first, second, kinked))), TRUTH_FREEDOM), len(first)
    return None


def over_seeds(differences: Array, scale: Array | None = None) -> MeanError:
    """That of the mean of differences ``(n,)``; `scale` is what each was computed from."""
    n = len(differences)
    return MeanError(ties.deviation(differences, scale) / float(np.sqrt(n)), n - 1)


def over_both(differences: Array, apart: Array, alone: MeanError, rng: np.random.Generator) -> MeanError:
    """The error over seeds and rows by the crossed bootstrap, with Satterthwaite's degrees of freedom."""
    seeds = alone.error**2
    inside = apart - apart.mean(1, keepdims=True) + differences[:, None]
    total = max(float(np.var(crossed_bootstrap(inside, rng), ddof=1)), seeds)
    n, n_rows = apart.shape
    if total == 0:
        return MeanError(0.0, n - 1)
    freedom = total**2 / (seeds**2 / (n - 1) + (total - seeds) ** 2 / (n_rows - 1))
    return MeanError(float(np.sqrt(total)), freedom)


def over_truth(drawn: TruthDraws, groups: Sequence[Hashable], alone: MeanError, kinked: bool) -> MeanError:
    """The error over seeds and true rows of the mean difference of two rows.

    The mean over the replicates scatters over the draws by what all replicates share and by an n-th of what each has of
    its own; the latter is in the spread over seeds already and is taken off, estimated by what is left of each group's
    differences without the means of its lines and columns. Degrees of freedom by Satterthwaite, Biometrics Bull. 2, 110
    (1946).
    """
    differences = drawn[0] - drawn[1]
    n, draws = differences.shape
    seeds, together = alone.error**2, _together(drawn[0].mean(0), drawn[1].mean(0), kinked)
    own, freedom = 0.0, 0
    for group in dict.fromkeys(groups):
        lines = differences[[label == group for label in groups]]
        if len(lines) > 1:
            left = lines - lines.mean(0) - lines.mean(1, keepdims=True) + lines.mean()
            own += len(lines) / n**2 * float(np.sum(left**2)) / ((len(lines) - 1) * (draws - 1))
            freedom += (len(lines) - 1) * (draws - 1)
    if together <= own:
        return alone
    total = seeds + together - own
    parts = seeds**2 / alone.freedom + together**2 / TRUTH_FREEDOM + (own**2 / freedom if freedom else 0.0)
    return MeanError(float(np.sqrt(total)), total**2 / parts)


def _together(first: Array, second: Array, kinked: bool) -> float:
    """The variance over draws of the truth of a difference of two numbers ``(draws,)``; with a kink, each is taken to
    be as sensitive as the more sensitive of the two.

    A distance that the truth at hand makes small moves little with it, because it has a kink at zero: what favours a
    row would hide how much it is favoured.
    """
    spread = np.cov(first, second)
    plain = float(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    product = float(np.sqrt(spread[0, 0] * spread[1, 1]))
    if product == 0 or not kinked:
        return max(plain, 0.0)
    return max(plain, 2 * float(spread.diagonal().max()) * (1 - float(spread[0, 1]) / product))


def crossed_bootstrap(matrix: Array, rng: np.random.Generator, replicates: int = REPLICATES) -> Array:
    """Means of a matrix ``(n, n_rows)`` whose lines and columns are both drawn anew, ``(replicates,)``.

    Deviations over the few lines are stretched by sqrt(n / (n - 1)), without which a bootstrap of n is too narrow.
    """
    n, n_rows = matrix.shape
    stretch = np.sqrt(n / (n - 1))
    means = np.empty(replicates)
    for k in range(replicates):
        lines = np.bincount(rng.integers(n, size=n), minlength=n) / n
        columns = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows) / n_rows
        means[k] = (1 / n + stretch * (lines - 1 / n)) @ (matrix @ columns)
    return means
