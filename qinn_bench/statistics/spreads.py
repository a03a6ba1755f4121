"""The error of a mean difference over seeds, and over the rows that all seeds are measured on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from qinn_bench.statistics import ties
from qinn_bench.values import Array

REPLICATES = 1000


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
    drawn: Array | None,
    groups: Sequence[Hashable],
    rng: np.random.Generator | None,
) -> MeanError:
    """The spread over seeds and, where they are known, over the rows that all replicates were measured on."""
    spread = over_seeds(differences, scale)
    if apart is not None:
        spread = over_both(differences, apart, spread, rng or np.random.default_rng(0))
    return spread if drawn is None else over_truth(drawn, groups, spread)


def of_one(difference: float, apart: Array | None, drawn: Array | None) -> tuple[MeanError, int] | None:
    """The spread of one difference over the rows that it was measured on, and how many these are; None without any."""
    if apart is not None:
        return over_seeds(apart[0] - apart[0].mean() + difference), len(apart[0])
    if drawn is not None:
        return MeanError(float(drawn[0].std(ddof=1)), drawn.shape[1] - 1), drawn.shape[1]
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


def over_truth(drawn: Array, groups: Sequence[Hashable], alone: MeanError) -> MeanError:
    """The error over seeds and true rows, from differences on true rows that were drawn anew, ``(n, draws)``.

    Their mean over the replicates scatters over the draws by what all replicates share and by an n-th of what each has
    of its own; the latter is in the spread over seeds already and is taken off, estimated by what is left of each
    group's differences without the means of its lines and columns. Degrees of freedom by Satterthwaite, Biometrics
    Bull. 2, 110 (1946).
    """
    n, draws = drawn.shape
    seeds, together = alone.error**2, float(np.var(drawn.mean(0), ddof=1))
    own, freedom = 0.0, 0
    for group in dict.fromkeys(groups):
        lines = drawn[[label == group for label in groups]]
        if len(lines) > 1:
            left = lines - lines.mean(0) - lines.mean(1, keepdims=True) + lines.mean()
            own += len(lines) / n**2 * float(np.sum(left**2)) / ((len(lines) - 1) * (draws - 1))
            freedom += (len(lines) - 1) * (draws - 1)
    if together <= own:
        return alone
    total = seeds + together - own
    parts = seeds**2 / alone.freedom + together**2 / (draws - 1) + (own**2 / freedom if freedom else 0.0)
    return MeanError(float(np.sqrt(total)), total**2 / parts)


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
