"""Arithmetic that keeps its digits at any scale and offset: samples in units of the truth, means, deviations."""

from __future__ import annotations

from typing import Any

import numpy as np

from qinn_bench.values import Array

ROUNDING = 4 * float(np.finfo(np.float64).eps)
"""A range below this share of the largest value is rounding, not spread."""
Pair = tuple[Array, Array]


def exponent(values: Array) -> int:
    """The binary exponent of the largest absolute value; 0 for zeros.

    Multiplying by a power of two is exact, so that numbers of ordinary size keep every digit.
    """
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])


def shifted(values: Array | np.floating[Any], by: int) -> Array:
    """Values times ``2 ** by``, exactly; infinite where that is too large for a number."""
    with np.errstate(over="ignore"):
        return np.asarray(np.ldexp(values, by))


def without_spread(truth: Array) -> bool:
    """Whether all values ``(n,)`` are the same up to rounding."""
    small = shifted(truth, -exponent(truth))
    return bool(np.ptp(small) <= ROUNDING)


def standardised(truth: Array, generated: Array) -> Pair:
    """Both samples ``(n,), (m,)`` less the mean of the truth, in units of its standard deviation.

    Taking the mean away first keeps the digits that E[x^2] - E[x]^2 loses at an offset of many standard deviations.
    The truth must have a spread (`without_spread`).
    """
    by = -exponent(truth)
    truth, generated = shifted(truth, by), shifted(generated, by)
    centre, sd = truth.mean(), truth.std()
    with np.errstate(over="ignore"):
        return (truth - centre) / sd, (generated - centre) / sd


def centred(truth: Array, generated: Array) -> tuple[Array, Array, int]:
    """Both samples ``(n, dim), (m, dim)`` times one power of two and less the mean of the truth; that power, negated.

    A distance between the results, times two to the number that is returned, is that between the samples.
    """
    by = max(exponent(truth), exponent(generated))
    truth, generated = shifted(truth, -by), shifted(generated, -by)
    centre = truth.mean(0)
    return truth - centre, generated - centre, by


def mean(values: Array) -> float:
    """The mean ``(n,)``, also where the sum is too large for a number."""
    by = exponent(values)
    with np.errstate(invalid="ignore"):
        return float(shifted(shifted(values, -by).mean(), by))


def deviation(values: Array) -> float:
    """The sample standard deviation ``(n,)``, also where squares are too large or too small for a number.

    NaN for fewer than two values or where one is not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return np.nan
    by = exponent(values)
    return float(shifted(np.std(shifted(values, -by), ddof=1), by))
