"""Errors, intervals and p-values that metrics and tables share; every random draw comes from a passed generator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from qinn_bench.values import Array, Estimate, Refused

ONE_SIGMA = 0.6826894921370859
CHUNK = 2_000_000
FAR = 1e100


class Spread(NamedTuple):
    """What a bootstrap says of a statistic: its standard error and its percentile interval.

    Example:
        >>> spread(np.arange(101.0), level=0.9)
        Spread(error=29.300170647967224, low=4.999999999999999, high=95.0)
    """

    error: float
    low: float
    high: float


def bootstrap(
    rows: Array,
    statistic: Callable[[Array], Array],
    rng: np.random.Generator,
    replicates: int = 1000,
    level: float = 0.95,
) -> Spread:
    """The spread of a statistic of independent rows under resampling with replacement (Efron 1979).

    `rows` is ``(n,)`` or ``(n, dim)``; `statistic` maps a stack of samples ``(k, n, ...)`` to ``(k,)`` at once.
    """
    chunk = max(1, CHUNK // rows.size)
    parts = []
    for start in range(0, replicates, chunk):
        picks = rng.integers(len(rows), size=(min(chunk, replicates - start), len(rows)))
        parts.append(statistic(rows[picks]))
    return spread(np.concatenate(parts), level)


def spread(replicates: Array, level: float = 0.95) -> Spread:
    """Standard error and percentile interval of the replicates ``(k,)`` of a statistic."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Spread(float(np.std(replicates, ddof=1)), float(low), float(high))


def resampling_counts(n: int, replicates: int, rng: np.random.Generator) -> Array:
    """How often each of ``n`` rows is drawn in each bootstrap sample, ``(replicates, n)``; each line sums to ``n``."""
    return np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(replicates)]).astype(np.float64)


def degenerate_error(first_order: float, null: float) -> float:
    """The standard error of a quadratic statistic, such as MMD or a chi2, near its minimum and away from it.

    Such a statistic varies by V1 + V2, where V1 vanishes when both samples have the same law. The jackknife and the
    delta method estimate V1 + 2 V2 (Efron and Stein, Ann. Statist. 9, 586 (1981)); `first_order` is that variance and
    `null` is V2, the variance under equal laws.
    """
    return float(np.sqrt(max(first_order - null, null)))


def jackknife_variance(without: Array) -> Array:
    """The variance of a statistic from its values without each of n replicates in turn, ``(n, ...) -> (...)``.

    Source: Efron and Stein, Ann. Statist. 9, 586 (1981): (n - 1)^2 / n times the variance of these values.

    Example:
        >>> values = np.array([1.0, 2.0, 4.0])
        >>> means = np.array([3.0, 2.5, 1.5])  # of the values without each in turn
        >>> bool(np.isclose(jackknife_variance(means), values.var(ddof=1) / 3))
        True
    """
    n = len(without)
    return np.asarray((n - 1) ** 2 / n * np.var(without, axis=0, ddof=1))


def combine(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over the seeds of a row, with the error sqrt(sd_seeds^2 / n_seeds + mean(within error)^2).

    All seeds are judged on the same test rows, so the error within a seed does not average down over seeds. The part
    of it that does (the generated rows are drawn anew) is then counted twice: the error is a little too large, never
    too small. With one seed nothing is known of the scatter between seeds. Seeds without a value are left out
    and the note counts them; `n` is that of the smallest seed.

    Raises:
        Refused: no estimates, or estimates of different units or directions.
    """
    kinds = {(e.unit, e.better) for e in estimates}
    if len(kinds) != 1:
        said = " and ".join(f"'{unit}', {better}" for unit, better in sorted(kinds)) or "none at all"
        raise Refused(f"the seeds of a row were to have estimates of one unit and direction, but have {said}")
    unit, better = kinds.pop()
    with_value = [e for e in estimates if e.value is not None]
    note = "; ".join(dict.fromkeys(e.note for e in estimates if e.value is None))
    if not with_value:
        return Estimate(value=None, unit=unit, better=better, note=f"no seed has a value: {note}")
    values = np.array([e.value for e in with_value], dtype=np.float64)
    within = np.array([e.error for e in with_value if e.error is not None], dtype=np.float64)
    # Squares of larger numbers than `FAR` could overflow, so that they are taken in units of the largest.
    largest = float(np.max(np.abs([*values, *within])))
    scale = largest if largest > FAR else 1.0
    values, within = values / scale, within / scale
    between = np.var(values, ddof=1) / len(values) if len(values) > 1 else 0.0
    known = len(values) > 1 or bool(len(within))
    error = scale * float(np.sqrt(between + (np.mean(within) if len(within) else 0.0) ** 2))
    return Estimate(
        value=scale * float(values.mean()),
        error=min(error, sys.float_info.max) if known else None,
        n=min(e.n for e in with_value),
        unit=unit,
        better=better,
        note=f"{len(with_value)} of {len(estimates)} seeds have a value: {note}"
        if len(with_value) < len(estimates)
        else "",
    )


def permutation_p(observed: float, null: Array) -> float:
    """The share of null values at least as large as the observed one, counting that one too, so that it is never 0.

    Source: Phipson and Smyth, arXiv:1603.05766: (1 + #{null >= observed}) / (1 + #null) is a valid p-value.
    """
    return float((1 + np.sum(null >= observed)) / (1 + len(null)))


def garwood(counts: Array, level: float = ONE_SIGMA) -> tuple[Array, Array]:
    """The central interval for the means of Poisson counts, ``(bins,) -> (bins,), (bins,)``; it never undercovers.

    Source: Garwood, Biometrika 28, 437 (1936); the lower end is 0 where the count is 0.
    """
    tail = (1 - level) / 2
    low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), tail), 0.0)
    return low, np.asarray(gammaincinv(counts + 1, 1 - tail))
