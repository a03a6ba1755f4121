"""What the best of k trials is expected to be: a budget of trials as an axis, exactly, without replacement."""

from __future__ import annotations

import numpy as np

from qinn_bench.statistics.estimates import jackknife_variance
from qinn_bench.values import Array


def weights(n: int, k: int) -> Array:
    """The chance ``(n,)`` that the i-th best of n exchangeable trials is the best of k drawn without replacement.

    It is C(n - 1 - i, k - 1) / C(n, k) for i from 0; of as many as there are, or more, the best is certain.

    Example:
        >>> weights(4, 2).tolist()
        [0.5, 0.3333333333333333, 0.16666666666666666, 0.0]
    """
    k, chances = min(k, n), np.zeros(n)
    worse = np.arange(n - 1, k - 2, -1)
    # The ratio of two binomials as a product of k - 1 factors, each at most 1.
    taken = np.arange(k - 1)
    chances[: len(worse)] = ((worse[:, None] - taken) / (n - 1 - taken)).prod(1) * k / n
    return chances


def expected_best(trials: Array, k: int, *, higher: bool = True) -> float:
    """The mean of the best of k of these trials ``(n,)`` over all choices of k of them.

    With k >= n it is the best of all. The trials have to be exchangeable, as random or scrambled Sobol points are:
    of a grid in a fixed order the first k are no fair sample, all choices of k are.

    Example:
        >>> expected_best(np.array([0.7, 0.9, 0.8]), 2), expected_best(np.array([0.7, 0.9, 0.8]), 3)
        (0.8666666666666667, 0.9)
    """
    return float(weights(len(trials), k) @ _ordered(trials, higher))


def expected_error(trials: Array, k: int, *, higher: bool = True) -> float | None:
    """The standard error of `expected_best` for fresh trials from the same space, by the delete-one jackknife.

    The expected best of k is a U-statistic of order k, for which the jackknife is consistent where k is well below the
    number of trials; None where k is more than half of it.
    """
    n = len(trials)
    if 2 * k > n:
        return None
    ordered, chances = _ordered(trials, higher), weights(n - 1, k)
    # Without the i-th best, those before it keep their places and those after it move up by one.
    before = np.concatenate([[0.0], np.cumsum(chances * ordered[:-1])])
    after = np.concatenate([np.cumsum((chances * ordered[1:])[::-1])[::-1], [0.0]])
    return float(np.sqrt(jackknife_variance(before + after)))


def _ordered(trials: Array, higher: bool) -> Array:
    return np.sort(trials)[::-1] if higher else np.sort(trials)
