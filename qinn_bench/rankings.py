"""Which rows rank apart over several data sets: Friedman, critical differences, interquartile means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, f, rankdata, studentized_range, trim_mean

from qinn_bench.statistics import Spread, spread
from qinn_bench.values import Array

QUARTILE = 0.25


class Ranking(NamedTuple):
    """The mean rank of each row (1 is best), and whether the ranks differ at all.

    `chi2` and `f` are Friedman's statistic and Iman and Davenport's, `p_chi2` and `p_f` their p-values; two rows whose
    mean ranks differ by more than `critical` are told apart by Nemenyi's test at the level asked for. On three data
    sets F alarms falsely, in up to 19 % where 5 % are asked for (results/validation/error_rates.md).
    """

    mean_ranks: Array
    chi2: float
    p_chi2: float
    f: float
    p_f: float
    critical: float


def friedman(scores: Array, level: float = 0.05) -> Ranking:
    """Rank rows on every data set and test whether they rank alike.

    `scores` is ``(n_data, n_rows)``, higher is better; ties share their mean rank, and the statistic allows for them.

    Source: Demsar, J. Mach. Learn. Res. 7, 1 (2006), sections 3.2.2 and 3.2.3; ties: Conover, Practical Nonparametric
    Statistics, section 5.8.

    Raises:
        ValueError: fewer than three rows or two data sets, or a score that is not finite.
    """
    n, k = scores.shape
    if n < 2 or k < 3 or not np.isfinite(scores).all():
        raise ValueError(f"expected finite scores of 3 rows or more on 2 data sets or more, got {k} rows on {n}")
    ranks = rankdata(-scores, axis=1)
    between = n * float(np.sum((ranks.mean(0) - (k + 1) / 2) ** 2))
    within = float(np.sum((ranks - (k + 1) / 2) ** 2)) / (n * (k - 1))
    statistic = between / within if within else 0.0
    rest = n * (k - 1) - statistic
    ratio = (n - 1) * statistic / rest if rest > 1e-12 * n * k else np.inf
    return Ranking(
        ranks.mean(0),
        statistic,
        float(chi2.sf(statistic, k - 1)),
        float(ratio),
        float(f.sf(ratio, k - 1, (k - 1) * (n - 1))),
        critical_difference(n, k, level),
    )


def critical_difference(n_data: int, n_rows: int, level: float = 0.05) -> float:
    """How far two mean ranks must be apart for Nemenyi's test to tell the rows apart."""
    return float(_quantile(n_rows, level) * np.sqrt(n_rows * (n_rows + 1) / (6 * n_data)))


@cache
def _quantile(n_rows: int, level: float) -> float:
    """The studentized range of so many rows with infinite degrees of freedom, over the root of two."""
    return float(studentized_range.ppf(1 - level, n_rows, np.inf) / np.sqrt(2))


def interquartile_mean(
    scores: Sequence[Array], rng: np.random.Generator, replicates: int = 2000, level: float = 0.95
) -> tuple[float, Spread]:
    """The mean of the middle half of all scores, and its spread when the seeds of each data set are drawn anew.

    `scores` holds the seeds ``(n_seeds,)`` of each data set.

    Source: Agarwal et al., arXiv:2108.13264, section 4.3: a bootstrap stratified by data set.
    """
    drawn = [values[rng.integers(len(values), size=(replicates, len(values)))] for values in scores]
    means = trim_mean(np.concatenate(drawn, axis=1), QUARTILE, axis=1)
    return float(trim_mean(np.concatenate(list(scores)), QUARTILE)), spread(means, level)
