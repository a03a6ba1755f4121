"""Hartigan's dip: how far a sample is from every density with one mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.values import Array

RowPlaces = NDArray[np.intp]


def dip(values: Array) -> float:
    """The largest distance between the distribution function of a sample ``(n,)`` and the nearest with one mode.

    It is at least 1 / (2 n) and at most 1/4. Between the corners where the greatest convex minorant and the least
    concave majorant are farthest apart both are taken again, until they are nearer there than the sample is to one of
    them outside. Source: Hartigan and Hartigan, Ann. Statist. 13, 70 (1985); Applied Statistics algorithm AS 217.

    Example:
        >>> dip(np.array([0.0, 0.0, 1.0, 1.0])), dip(np.array([1.0, 2.0, 3.0, 4.0]))
        (0.25, 0.125)
    """
    x, counts = np.unique(np.asarray(values, float), return_counts=True)
    n = int(counts.sum())
    top = np.cumsum(counts).astype(float)
    bottom = top - counts.astype(float)
    before = _corner_before(x, bottom)
    after = len(x) - 1 - _corner_before(-x[::-1], n - top[::-1])[::-1]
    low, high, deepest = 0, len(x) - 1, 1.0
    while low < high:
        minorant, majorant = _corners(before, high, low)[::-1], _corners(after, low, high)
        apart, below, above = _farthest_apart(x, bottom, top, minorant, majorant)
        if apart <= deepest:
            break
        inner, outer = np.arange(low, below), np.arange(above + 1, high + 1)
        over = top[inner] - np.interp(x[inner], x[minorant], bottom[minorant])
        under = np.interp(x[outer], x[majorant], top[majorant]) - bottom[outer]
        deepest = max(deepest, *over, *under)
        low, high = below, above
    return float(deepest / (2 * n))


def _corner_before(x: Array, height: Array) -> RowPlaces:
    """For each of the points, the corner before it of the convex minorant of the points up to it."""
    place, level = x.tolist(), height.tolist()
    before = [0] * len(place)
    for point in range(1, len(place)):
        corner = point - 1
        while corner:
            earlier = before[corner]
            risen, rises = level[corner] - level[earlier], level[point] - level[corner]
            if (place[point] - place[corner]) * risen < (place[corner] - place[earlier]) * rises:
                break
            corner = earlier
        before[point] = corner
    return np.array(before)


def _corners(following: RowPlaces, start: int, end: int) -> RowPlaces:
    corners = [start]
    while corners[-1] != end:
        corners.append(int(following[corners[-1]]))
    return np.array(corners)


def _farthest_apart(
    x: Array, bottom: Array, top: Array, minorant: RowPlaces, majorant: RowPlaces
) -> tuple[float, int, int]:
    """The largest distance of minorant and majorant, in rows, and the corners of them that enclose its place."""
    at_minorant = np.interp(x[minorant], x[majorant], top[majorant]) - bottom[minorant]
    at_majorant = top[majorant] - np.interp(x[majorant], x[minorant], bottom[minorant])
    if at_minorant.max() >= at_majorant.max():
        below = minorant[int(at_minorant.argmax())]
        return float(at_minorant.max()), int(below), int(majorant[np.searchsorted(majorant, below)])
    above = majorant[int(at_majorant.argmax())]
    below = minorant[np.searchsorted(minorant, above, "right") - 1]
    return float(at_majorant.max()), int(below), int(above)
