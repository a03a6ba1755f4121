"""What the best of k trials is expected to be: a budget of trials as an axis, exactly, without replacement."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from qinn_bench.statistics.estimates import jackknife_variance
from qinn_bench.values import Array

BoolArray = NDArray[np.bool_]
PERMUTATIONS = 20_000
"""Ways to share out trials that are tried at most."""


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
    return expected_chosen(trials, trials, k, higher=higher)


def expected_chosen(choice: Array, result: Array, k: int, *, higher: bool = True) -> float:
    """The mean result of the trial that is chosen as the best of k, such as by its validation rows; arrays ``(n,)``.

    Example:
        >>> expected_chosen(np.array([0.7, 0.9, 0.8]), np.array([1.0, 2.0, 3.0]), 3)
        2.0
    """
    return float(weights(len(choice), k) @ result[_order(choice, higher)])


def expected_error(choice: Array, k: int, *, higher: bool = True, result: Array | None = None) -> float | None:
    """The standard error of `expected_best`, or of `expected_chosen` where there are results, for fresh trials from the
    same space, by the delete-one jackknife.

    The expected best of k is a U-statistic of order k, for which the jackknife is consistent where k is well below the
    number of trials; None where k is more than half of it.
    """
    n = len(choice)
    if 2 * k > n:
        return None
    ordered = (choice if result is None else result)[_order(choice, higher)]
    chances = weights(n - 1, k)
    # Without the i-th best, those before it keep their places and those after it move up by one.
    before = np.concatenate([[0.0], np.cumsum(chances * ordered[:-1])])
    after = np.concatenate([np.cumsum((chances * ordered[1:])[::-1])[::-1], [0.0]])
    return float(np.sqrt(jackknife_variance(before + after)))


def permutation_p(
    choices: tuple[Array, Array], results: tuple[Array, Array], budgets: tuple[int, int], rng: np.random.Generator
) -> float:
    """The two-sided p-value of a difference between what two families give at their budgets, where less is chosen.

    Under the hypothesis that their trials come from one distribution, every way to share them out between the two is
    as likely as the one that was seen; all are tried where they are few, and `PERMUTATIONS` otherwise.

    Example:
        >>> apart = np.arange(8.0), 10 + np.arange(8.0)
        >>> permutation_p(apart, apart, (4, 4), np.random.default_rng(0)) < 0.001
        True
    """
    sizes = len(choices[0]), len(choices[1])
    order = np.argsort(np.concatenate(choices), kind="stable")
    result = np.concatenate(results)[order]
    chances = weights(sizes[0], budgets[0]), weights(sizes[1], budgets[1])
    own = (np.arange(sum(sizes)) < sizes[0])[order]
    shared = np.concatenate([own[None], _shared_out(sum(sizes), sizes[0], rng)])
    means = [
        (np.where(of, chance[np.cumsum(of, 1) - 1], 0.0) * result).sum(1)
        for of, chance in zip((shared, ~shared), chances, strict=True)
    ]
    apart = np.abs(means[0] - means[1])
    # Sums of the same numbers in another order differ by rounding.
    as_far = apart[1:] >= apart[0] - 1e-9 * max(1.0, float(np.abs(result).max()))
    every = math.comb(sum(sizes), sizes[0]) <= PERMUTATIONS
    return float(as_far.mean()) if every else float((1 + as_far.sum()) / (1 + len(as_far)))


def _shared_out(n: int, first: int, rng: np.random.Generator) -> BoolArray:
    """Ways ``(m, n)`` to give `first` of n trials to the first family: all of them, or many drawn at random."""
    if math.comb(n, first) <= PERMUTATIONS:
        chosen = np.array(list(itertools.combinations(range(n), first)))
    else:
        chosen = np.argsort(rng.random((PERMUTATIONS, n)), axis=1)[:, :first]
    ways = np.zeros((len(chosen), n), dtype=bool)
    np.put_along_axis(ways, chosen, True, axis=1)
    return ways


def _order(choice: Array, higher: bool) -> NDArray[np.int64]:
    """The places of trials, the best first; of equal ones the earlier."""
    return np.argsort(-choice if higher else choice, kind="stable")
