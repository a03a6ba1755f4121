"""Seeds of which one is far out: median and quartiles in the place of a mean that would be that one seed's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench.statistics.estimates import combine
from qinn_bench.values import Array, Estimate

FAR = 10.0
"""A seed is far out where its number is so many times the median of the row, and so many errors away from it."""
FEWEST = 3


class Quartiles(Estimate):
    """The median over seeds as the value, and the quartiles as `low` and `high`; without an error.

    Example:
        >>> Quartiles(value=2.5, low=2.1, high=7.0).error is None
        True
    """

    low: float
    high: float


def summary(estimates: Sequence[Estimate]) -> Estimate:
    """What the seeds of a row say together: the mean with its error, or `Quartiles` where a seed is far out.

    Raises:
        Refused: no estimates, or estimates of different units or directions.

    Example:
        >>> summary([Estimate(value=x, error=0.1) for x in (2.1, 2.5, 7.0, 11.0, 9e8)]).value
        7.0
    """
    mean = combine(estimates)
    with_value = [one for one in estimates if one.value is not None]
    values = np.array([one.value for one in with_value], dtype=np.float64)
    errors = np.array([one.error for one in with_value if one.error is not None], dtype=np.float64)
    if not far_out(values, errors):
        return mean
    low, middle, high = (float(x) for x in np.quantile(values, [0.25, 0.5, 0.75]))
    return Quartiles(**mean.model_dump() | {"value": middle, "error": None, "low": low, "high": high})


def far_out(values: Array, errors: Array) -> bool:
    """Whether the largest of some numbers ``(n,)`` is ten times their median or more, in size.

    It has to lie ten errors from the median too, the median of the ``(m,)`` known ones: numbers that scatter around
    zero have any ratio.
    """
    if len(values) < FEWEST:
        return False
    largest, middle = float(np.max(np.abs(values))), float(np.median(np.abs(values)))
    return largest >= FAR * middle and largest - middle > FAR * (float(np.median(errors)) if len(errors) else 0.0)
