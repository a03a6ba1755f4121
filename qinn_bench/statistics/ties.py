"""Values that are equal on paper, whatever rounding made of them: the one tolerance of ranks, sign flips and p-values.

0.825 - 0.775 and 0.375 - 0.325 are both 0.05, but not in binary numbers. A value carries an error of rounding that is a
share of what it was computed from: a difference that of its two terms, a sum that of its summands. This is its `scale`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from qinn_bench.values import Array

TIE = 1e-12
"""The share of their scale by which values may differ and still be equal: thousands of roundings of a double, and less
than a unit of the twelfth digit."""


def snapped(values: Array, scale: Array | float | None = None) -> Array:
    """The same values, those that are equal on paper along the last axis made equal; nearly zero becomes zero.

    Args:
        values: ``(..., n)``, finite.
        scale: ``(..., n)`` or a number, what each value was computed from; the values themselves if None.
    """
    slack = TIE * np.broadcast_to(np.abs(values if scale is None else scale), values.shape)
    values = np.where(np.abs(values) <= slack, 0.0, values)
    order = np.argsort(values, axis=-1, kind="stable")
    ordered, slack = (np.take_along_axis(block, order, -1) for block in (values, slack))
    opens = np.ones(values.shape, dtype=np.bool_)
    opens[..., 1:] = np.diff(ordered, axis=-1) > np.maximum(slack[..., 1:], slack[..., :-1])
    first = np.maximum.accumulate(np.where(opens, np.arange(values.shape[-1]), 0), axis=-1)
    levels = np.empty_like(values)
    np.put_along_axis(levels, order, np.take_along_axis(ordered, first, -1), -1)
    return levels


def ranks(values: Array, scale: Array | float | None = None) -> Array:
    """Ranks ``(..., n)`` along the last axis, 1 for the smallest; values that are equal on paper share their mean."""
    return np.asarray(rankdata(snapped(values, scale), axis=-1))


def tied_to(values: Array, one: float, scale: float) -> Array:
    """The same values, those that are equal on paper to `one` made equal to it; `scale` is what all were computed from.

    What a permutation test counts as "at least as large as observed" then has the permutations that repeat it.
    """
    return np.where(np.abs(values - one) <= TIE * abs(scale), one, values)


def constant(values: Array, scale: Array | float | None = None) -> bool:
    """Whether all values ``(n,)`` are one value on paper, so that they have no spread."""
    return bool(np.ptp(snapped(values, scale)) == 0) if len(values) else True


def mean(values: Array) -> float:
    """The mean of ``(n,)`` values, correctly rounded, so that no digit depends on their order."""
    return math.fsum(values.tolist()) / len(values)


def deviation(values: Array, scale: Array | float | None = None) -> float:
    """The standard deviation of ``(n,)`` values (n - 1), 0 where they are constant; no digit depends on their order."""
    if constant(values, scale):
        return 0.0
    unit = float(np.abs(values).max())
    apart = values / unit - mean(values / unit)
    return unit * math.sqrt(math.fsum((apart**2).tolist()) / (len(values) - 1))


def without_rounding(differences: Array, scale: Array) -> Array:
    """Differences ``(..., n)`` that are zero on paper as zero; `scale` is what each was computed from."""
    return np.where(np.abs(differences) <= TIE * scale, 0.0, differences)
