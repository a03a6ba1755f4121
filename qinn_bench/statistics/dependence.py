"""Whether two numbers of the same rows depend on each other in any way: the distance correlation."""

from __future__ import annotations

import numpy as np

from qinn_bench.values import Array


def distance_correlation(x: Array, y: Array) -> float:
    """The squared distance correlation of values ``(n,)`` and ``(n,)``, estimated without bias; NaN of a constant.

    Zero on average where they are independent, 1 where one is linear in the other. Source: Szekely and Rizzo, J.
    Multivar. Anal. 117, 193 (2013), by U-centred distances; at least 4 rows.

    Example:
        >>> x = np.arange(20.0)
        >>> round(distance_correlation(x, 3 - 2 * x), 12)
        1.0
    """
    a, b = _centred(x), _centred(y)
    spread = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / spread if spread > 0 else float("nan")


def _centred(x: Array) -> Array:
    """Distances between all rows, U-centred, zero on the diagonal, ``(n, n)``."""
    n = len(x)
    distances = np.abs(x[:, None] - x)
    lines = distances.sum(1) / (n - 2)
    centred = distances - lines[:, None] - lines + distances.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred)
