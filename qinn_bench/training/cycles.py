"""Cycles of a schedule, each three times as long as the one before, and how much another one would still bring.

At the end of a cycle of the schedule the learning rate is small, and the validation loss says what so many steps give.
The gain of the next cycle is extrapolated from those of the last two, the loss falling like a power of the steps
(Hestness et al., arXiv:1712.00409, for learning curves), at the slowest like their logarithm. After two cycles, of
which only one gain is known, and of the slope of a single one, the logarithm is assumed. A single cycle has such a
slope only where its learning rate is constant: of one that falls, the loss falls for that reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from qinn_bench.values import Array, Budget, Estimate

GROWTH = 3
"""How many times longer each cycle is than the one before."""
LEAST_CHECKS = 4
"""Checks of the validation loss that a slope, or the scatter at the end of a cycle, is taken from at least."""
END = 0.1
"""The share of a cycle, at its end, over which its loss is taken to be level but for scatter."""
STEEPEST, LEAST_POWER = 4.0, 1e-6
"""Powers of the steps that are told from no fall at all, and from the logarithm."""
Z95 = 1.959964


def lengths(budget: Budget) -> tuple[int, ...]:
    """The steps of each cycle that a training may have.

    Example:
        >>> lengths(Budget(steps=1000, until="converged"))
        (1000, 3000, 9000)
    """
    return tuple(budget.steps * GROWTH**k for k in range(budget.cycles if budget.until == "converged" else 1))


def most_steps(budget: Budget) -> int:
    """As many steps as a training may take."""
    return sum(lengths(budget))


def gain(steps: Sequence[int], losses: Sequence[float], ends: Sequence[int]) -> Estimate | None:
    """By how much the validation loss would fall in another cycle, three times as long as the last one.

    `losses` ``(n,)`` are those of the checks at `steps`, `ends` the last steps of the cycles so far. The error is that
    of the fit or of the scatter of the checks; that other seeds give other trainings is not in it. None where there are
    too few checks.

    Example:
        >>> steps = list(range(100, 4001, 100))
        >>> found = gain(steps, [7 + 100 / step for step in steps], [1000, 4000])
        >>> round(found.value, 3)
        0.064
    """
    at, values = np.array(steps, float), np.array(losses, float)
    known = np.isfinite(values) & (at > 0)
    at, values = at[known], values[known]
    if len(ends) == 1:
        return _of_slope(at, values, ends[0])
    best = best_at(at, values, ends)
    scatter = _scatter(at, values, ends)
    if len(best) < len(ends) or scatter is None:
        return None
    shrinks = _shrinks([*ends, ends[-1] + GROWTH * (ends[-1] - ends[-2])][-4:], best[-3:])
    return Estimate(value=shrinks * (best[-2] - best[-1]), error=math.sqrt(2) * scatter * shrinks, better="zero")


def best_at(steps: Sequence[float] | Array, losses: Sequence[float] | Array, ends: Sequence[int]) -> list[float]:
    """The least loss of the checks up to the end of each cycle; ends before the first finite one are left out.

    Example:
        >>> best_at([100, 200, 300], [3.0, 2.0, 2.5], [100, 300])
        [3.0, 2.0]
    """
    at, values = np.asarray(steps, float), np.asarray(losses, float)
    known = np.isfinite(values)
    at, values = at[known], values[known]
    return [float(values[at <= end].min()) for end in ends if (at <= end).any()]


def _shrinks(ends: Sequence[int], best: Sequence[float]) -> float:
    """The gain of the cycle up to the last of `ends` as a share of the gain of the one before."""
    if len(best) < 3 or best[0] - best[1] <= 0:
        return _share(ends[-3:], 0.0)
    seen = (best[1] - best[2]) / (best[0] - best[1])
    if seen >= _share(ends[:3], 0.0):
        return _share(ends[-3:], 0.0)
    if seen <= _share(ends[:3], STEEPEST):
        return _share(ends[-3:], STEEPEST)
    return _share(ends[-3:], float(brentq(lambda power: _share(ends[:3], power) - seen, 0.0, STEEPEST)))


def _share(ends: Sequence[int], power: float) -> float:
    """The fall of ``steps^-power`` (of the logarithm for 0) from the second to the third end as a share of that from
    the first to the second."""
    at = np.array(ends, float) / ends[0]
    curve = -np.log(at) if power < LEAST_POWER else at**-power
    return float((curve[1] - curve[2]) / (curve[0] - curve[1]))


def converged(found: Estimate | None, margin: float) -> bool:
    """Whether a gain lies below the margin, with its error.

    Example:
        >>> converged(Estimate(value=0.01, error=0.002), 0.02), converged(Estimate(value=0.01, error=0.01), 0.02)
        (True, False)
    """
    return found is not None and found.value is not None and found.value + Z95 * (found.error or 0.0) < margin


def _of_slope(at: Array, values: Array, end: int) -> Estimate | None:
    """The fall over three times the steps that the last third shows, the loss taken as linear in their logarithm."""
    last = at > 2 / 3 * end
    if last.sum() < LEAST_CHECKS:
        return None
    x = np.log(at[last]) - np.log(at[last]).mean()
    slope = float(x @ values[last] / (x @ x))
    rest = values[last] - values[last].mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (len(rest) - 2) / float(x @ x))
    return Estimate(value=-slope * math.log(GROWTH), error=error * math.log(GROWTH), better="zero")


def _scatter(at: Array, values: Array, ends: Sequence[int]) -> float | None:
    """The standard deviation of the checks at the end of the last cycle about a straight line."""
    begin, end = ends[-2], ends[-1]
    level = values[(at > end - END * (end - begin)) & (at <= end)]
    if len(level) < LEAST_CHECKS:
        level = values[(at > begin) & (at <= end)][-LEAST_CHECKS:]
    if len(level) < LEAST_CHECKS:
        return None
    x = np.arange(len(level)) - (len(level) - 1) / 2
    rest = level - level.mean() - (x @ level) / (x @ x) * x
    return math.sqrt(float(rest @ rest) / (len(level) - 2))
