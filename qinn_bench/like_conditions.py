"""Rows with the conditions that are asked for, out of those that there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from qinn_bench.values import Array


def rows_like(asked: Array, known: Array) -> NDArray[np.intp]:
    """The place of a row whose condition ``(m, c)`` is that which is asked for ``(n, c)``, or the nearest, ``(n,)``.

    Rows of one condition are taken in turn, so that none comes twice while there are others.

    Example:
        >>> rows_like(np.array([[1.0], [5.0], [1.0]]), np.array([[5.1], [1.0], [1.0]])).tolist()
        [1, 0, 2]
    """
    values, which, counts = np.unique(known, axis=0, return_inverse=True, return_counts=True)
    order, starts = np.argsort(which.reshape(-1), kind="stable"), np.cumsum(counts) - counts
    nearest = np.asarray(cKDTree(values).query(asked)[1])
    turn = np.zeros(len(asked), dtype=np.intp)
    for value in np.unique(nearest):
        places = nearest == value
        turn[places] = np.arange(places.sum()) % counts[value]
    return np.asarray(order[starts[nearest] + turn], dtype=np.intp)
