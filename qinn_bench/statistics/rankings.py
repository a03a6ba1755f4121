"""Which rows rank apart over several data sets: Friedman, critical differences and groups, interquartile means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import lgamma
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import chi2, f, studentized_range

from qinn_bench.statistics import ties
from qinn_bench.statistics.estimates import Spread
from qinn_bench.values import Array

QUARTILE = 0.25


class Ranking(NamedTuple):
    """The mean rank of each row (1 is best), and whether the ranks differ at all.

    `chi2` and `f` are Friedman's statistic and Iman and Davenport's, `p_chi2` and `p_f` their p-values and `freedom`
    the degrees of freedom of F; two rows whose mean ranks differ by more than `critical` are told apart by Nemenyi's
    test at the level asked for. On three data sets F alarms falsely, in up to 19 % where 5 % are asked for
    (results/validation/error_rates.md). Where all data sets agree on one order F is infinite; its p is then that of
    this order by chance, 1 / k!^(n - 1).

    Example:
        >>> scores = np.array([[0.9, 0.8, 0.7], [0.8, 0.9, 0.6], [0.9, 0.7, 0.8], [0.9, 0.8, 0.5]])
        >>> ranking = friedman(-scores)
        >>> ranking.mean_ranks.tolist(), round(ranking.p_chi2, 3)
        ([2.75, 2.0, 1.25], 0.105)
    """

    mean_ranks: Array
    chi2: float
    p_chi2: float
    f: float
    freedom: tuple[int, int]
    p_f: float
    critical: float


def friedman(scores: Array, level: float = 0.05) -> Ranking:
    """Rank rows on every data set and test whether they rank alike.

    `scores` is ``(n_data, n_rows)``, higher is better; scores that are equal on paper (`ties`) share their mean
    rank, and the statistic allows for that.

    Source: Demsar, J. Mach. Learn. Res. 7, 1 (2006), sections 3.2.2 and 3.2.3; ties: Conover, Practical Nonparametric
    Statistics, section 5.8.

    Raises:
        ValueError: fewer than three rows or two data sets, or a score that is not finite.
    """
    n, k = scores.shape
    if n < 2 or k < 3 or not np.isfinite(scores).all():
        raise ValueError(f"expected finite scores of 3 rows or more on 2 data sets or more, got {k} rows on {n}")
    ranks = ties.ranks(-scores)
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
        (k - 1, (k - 1) * (n - 1)),
        max(float(f.sf(ratio, k - 1, (k - 1) * (n - 1))), float(np.exp(-(n - 1) * lgamma(k + 1)))),
        critical_difference(n, k, level),
    )


def critical_difference(n_data: int, n_rows: int, level: float = 0.05) -> float:
    """How far two mean ranks must be apart for Nemenyi's test to tell the rows apart."""
    return float(_quantile(n_rows, level) * np.sqrt(n_rows * (n_rows + 1) / (6 * n_data)))


def control_difference(n_data: int, n_rows: int, level: float = 0.05) -> float:
    """How far a mean rank must be from that of a control to be told apart from it, for all rows but the control.

    Source: Bonferroni and Dunn; Demsar, J. Mach. Learn. Res. 7, 1 (2006), section 3.2.2.
    """
    quantile = -float(ndtri(level / (2 * (n_rows - 1))))
    return quantile * float(np.sqrt(n_rows * (n_rows + 1) / (6 * n_data)))


def groups(mean_ranks: Array, critical: float) -> list[tuple[int, ...]]:
    """The largest sets of two rows or more whose mean ranks ``(n_rows,)`` all lie within the critical difference.

    Rows are named by their place, the best rank first; sets may overlap, as "not told apart" is not "equal".
    """
    order = np.argsort(mean_ranks, kind="stable")
    ordered = mean_ranks[order]
    groups_of_rows, reached = [], 0
    for start in range(len(order)):
        end = int(np.searchsorted(ordered, ordered[start] + critical + ties.TIE, side="right"))
        if end > reached and end - start > 1:
            groups_of_rows.append(tuple(int(at) for at in order[start:end]))
        reached = max(reached, end)
    return groups_of_rows


@cache
def _quantile(n_rows: int, level: float) -> float:
    """The studentized range of so many rows with infinite degrees of freedom, over the root of two."""
    return float(studentized_range.ppf(1 - level, n_rows, np.inf) / np.sqrt(2))


def interquartile_mean(scores: Sequence[Array], level: float = 0.95) -> tuple[float, Spread]:
    """The mean of the middle half of all scores (the lowest and the highest quarter left out), with its interval.

    Seeds are taken to be drawn anew on each data set, the data sets to stay (Agarwal et al., arXiv:2108.13264, section
    4.3, there by a bootstrap). To first order the trimmed mean is a mean of scores that are held between the lowest and
    the highest that count, divided by the share that counts (Tukey and McLaughlin, Sankhya A 25, 331 (1963)); its
    variance within data sets gives the error, Satterthwaite's degrees of freedom that of Student's t. With one data
    set, or one stratum of them, that is the interval of Yuen (Biometrika 61, 165 (1974)).

    Args:
        scores: the seeds ``(n_seeds,)`` of each data set, two or more.
        level: of the interval.
    """
    pooled = np.sort(np.concatenate(list(scores)))
    n, cut = len(pooled), int(QUARTILE * len(pooled))
    value = ties.mean(pooled[cut : n - cut])
    share = (n - 2 * cut) / n
    held = [np.clip(own, pooled[cut], pooled[n - cut - 1]) for own in scores]
    parts = np.array([len(own) * (ties.deviation(own) / n / share) ** 2 for own in held])
    counting = np.array([max(1.0, len(own) * share - 1) for own in held])
    total = parts.sum()
    error = float(np.sqrt(total))
    if not error:
        return value, Spread(0.0, value, value)
    freedom = 1 / float(((parts / total) ** 2 / counting).sum())
    reach = error * float(stdtrit(freedom, (1 + level) / 2))
    return value, Spread(error, value - reach, value + reach)
