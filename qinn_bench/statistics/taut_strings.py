"""How far a sample is from every density with a given number of modes: taut strings."""

from __future__ import annotations

import numpy as np

from qinn_bench.values import Array

FAR = 1e3
"""How far beyond the values a string starts and ends, in their range: a density may be more than zero there."""
HALVINGS = 24


def distance(values: Array, modes: int) -> float:
    """The largest distance between the distribution function of a sample ``(n,)`` and the nearest continuous one whose
    density has at most so many modes.

    For one mode and values without ties it is the dip.

    Example:
        >>> two = np.array([0.0, 0.0001, 0.0002, 5.0, 5.0001, 5.0002])
        >>> [round(distance(two, modes), 3) for modes in (1, 2)]
        [0.25, 0.083]
    """
    x, counts = np.unique(np.asarray(values, float), return_counts=True)
    top = np.cumsum(counts) / counts.sum()
    bottom = top - counts / counts.sum()
    # A continuous function cannot be nearer than half of the largest step.
    near, far = float(counts.max() / counts.sum()) / 2, 0.5
    if len(x) == 1 or string_modes(x, top - near, bottom + near) <= modes:
        return near
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if string_modes(x, top - middle, bottom + middle) <= modes else (middle, far)
    return far


def string_modes(x: Array, lower: Array, upper: Array) -> int:
    """The smallest number of modes of a density whose distribution function lies between the bounds at the places `x`.

    The string that is pulled taut between the bounds, from 0 far below to 1 far above, has it. Source: Davies and
    Kovac, Ann. Statist. 29, 1 (2001).

    Example:
        >>> x = np.array([0.0, 1.0, 2.0, 3.0])
        >>> string_modes(x, np.array([0.0, 0.4, 0.4, 0.9]), np.array([0.1, 0.5, 0.5, 1.0]))
        2
    """
    reach = FAR * (x[-1] - x[0])
    place = [float(x[0] - reach), *x.tolist(), float(x[-1] + reach)]
    low = [0.0, *np.clip(lower, 0.0, 1.0).tolist(), 1.0]
    high = [0.0, *np.clip(upper, 0.0, 1.0).tolist(), 1.0]
    slopes, start, level = [0.0], 0, 0.0
    while start < len(place) - 1:
        least, most, at_least, at_most = -1.0, np.inf, start, start
        turn, height = len(place) - 1, 1.0
        for point in range(start + 1, len(place)):
            run = place[point] - place[start]
            needed, allowed = (low[point] - level) / run, (high[point] - level) / run
            if needed > most:
                turn, height = at_most, high[at_most]
                break
            if allowed < least:
                turn, height = at_least, low[at_least]
                break
            if needed >= least:
                least, at_least = needed, point
            if allowed <= most:
                most, at_most = allowed, point
        slopes.append((height - level) / (place[turn] - place[start]))
        start, level = turn, height
    rises = np.sign(np.diff([*slopes, 0.0]))
    rises = rises[rises != 0]
    return int(np.sum((rises[:-1] > 0) & (rises[1:] < 0)))
