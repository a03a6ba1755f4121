"""How many modes the density of a sample shows: Hartigan's dip test for two, the taut string for more."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import kolmogorov

from qinn_bench.statistics.dips import dip
from qinn_bench.statistics.taut_strings import distance
from qinn_bench.values import Array, Refused

LEVEL = 0.05
"""The chance of a mode too many that is accepted."""
FEWEST = 10
REPLICATES = 999
LARGEST_NULL = 1000
"""Beyond so many rows the square root of their number times the dip no longer depends on it (Hartigan, table 1)."""


def at_least_modes(values: Array, modes: int, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether a sample ``(n,)`` shows at least so many modes at a level of 5 %, and the p-value of fewer.

    Two modes are tested by the dip. Three and more are shown where no distribution function with fewer is as near as
    the true one would be by Kolmogorov's test (Donoho, Ann. Statist. 16, 1390 (1988)). Either errs in at most 5 % of
    samples, whatever the density: flat, cut off or with heavy tails. Values are those of a continuous density: one
    that is rounded has a mode at each stored number.

    Raises:
        Refused: a number of modes below 1, fewer than 10 values, or values that are not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> two = np.concatenate([rng.normal(-2, 1, 500), rng.normal(2, 1, 500)])
        >>> at_least_modes(two, 2, rng), at_least_modes(two, 3, rng)[0]
        ((True, 0.001), False)
    """
    if modes < 1:
        raise Refused(f"a sample was asked for at least {modes} modes; 1 or more was expected")
    if len(values) < FEWEST or not np.isfinite(values).all():
        raise Refused(f"modes were asked of {len(values)} values; {FEWEST} or more, all finite, were expected")
    if modes == 1:
        return True, 0.0
    p = dip_test(values, rng)[1] if modes == 2 else float(kolmogorov(sqrt(len(values)) * distance(values, modes - 1)))
    return p <= LEVEL, p


def count_modes(values: Array, rng: np.random.Generator, most: int = 5) -> tuple[int, float]:
    """How many modes a sample ``(n,)`` shows, `most` or fewer, and the p-value of having fewer (0 for one mode).

    Modes are added as long as one more is shown, so that one too many is found in at most 5 % of samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> count_modes(np.concatenate([rng.normal(c, 1, 300) for c in (-6, 0, 6)]), rng)[0]
        3
    """
    shown, p = 1, 0.0
    for modes in range(2, most + 1):
        more, p_of_more = at_least_modes(values, modes, rng)
        if not more:
            break
        shown, p = modes, p_of_more
    return shown, p


def dip_test(values: Array, rng: np.random.Generator, replicates: int = REPLICATES) -> tuple[float, float]:
    """The dip of a sample ``(n,)``, and the chance of one as large from a uniform density.

    Of all densities with one mode the uniform one has the largest dips. Source: Hartigan and Hartigan, Ann. Statist.
    13, 70 (1985).

    Example:
        >>> rng = np.random.default_rng(1)
        >>> dip_test(rng.normal(size=200), rng)[1] > 0.5
        True
    """
    size = min(len(values), LARGEST_NULL)
    depth = dip(values)
    null = np.array([dip(rng.random(size)) for _ in range(replicates)])
    as_deep = int(np.sum(sqrt(size) * null >= sqrt(len(values)) * depth))
    return depth, (1 + as_deep) / (1 + replicates)
