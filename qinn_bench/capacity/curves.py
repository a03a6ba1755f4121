"""Quality against size: a power law and a monotone curve of a family, and how much larger another family has to be."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression, least_squares
from scipy.stats import t as student

from qinn_bench.statistics.estimates import jackknife_variance
from qinn_bench.values import Array

STEEPEST = 5.0
GRID = 801


class PowerLaw(NamedTuple):
    """loss(p) = floor + amplitude (p / p_0)^-exponent with p_0 the geometric mean of the sizes; chi2 of the means.

    Example:
        >>> law = PowerLaw(floor=1.0, amplitude=2.0, exponent=0.5, centre=100.0, chi2=0.0)
        >>> law(np.array([100.0, 400.0])).tolist()
        [1.0369411057174171e+21, 5.1847055285870756e+20]
    """

    floor: float
    amplitude: float
    exponent: float
    centre: float
    chi2: float

    def __call__(self, sizes: Array) -> Array:
        """The losses ``(n,)`` at these sizes."""
        return np.asarray(self.floor + self.amplitude * np.exp(-self.exponent * (np.log(sizes) - self.centre)))


class Shift(NamedTuple):
    """A ratio of sizes with its interval; an end that the sizes cannot show is None, and so is the ratio then.

    `bounds` are the smallest and the largest ratio that the sizes can show; `side` says on which side of them a missing
    ratio lies.

    Example:
        >>> Shift(ratio=3.0, low=2.0, high=4.5, bounds=(0.1, 10.0), side="").ratio
        3.0
    """

    ratio: float | None
    low: float | None
    high: float | None
    bounds: tuple[float, float]
    side: Literal["", "above", "below"]


def power_law(sizes: Array, losses: Array) -> PowerLaw:
    """The power law through the means over seeds, weighted by their pooled error, with a loss that bounds outliers.

    `sizes` is ``(n,)`` with n >= 3, `losses` ``(n, seeds)``, less being better. Amplitude and exponent are not
    negative.
    """
    means = losses.mean(1)
    error = standard_error(losses)
    centre = float(np.log(sizes).mean())
    x = np.log(sizes) - centre
    span = max(float(np.ptp(means)), 1e-9)

    def misfit(free: Array) -> Array:
        return np.asarray((free[0] + free[1] * np.exp(-free[2] * x) - means) / error)

    fitted = min(
        (
            least_squares(
                misfit,
                [means.min() - span / 2, span, start],
                bounds=([-np.inf, 0, 0], [np.inf, np.inf, STEEPEST]),
                x_scale=[span, span, 0.3],
                loss="soft_l1",
            )
            for start in (0.1, 0.5, 1.5)
        ),
        key=lambda fit: float(fit.cost),
    )
    floor, amplitude, exponent = (float(x) for x in fitted.x)
    return PowerLaw(floor, amplitude, exponent, centre, float(np.sum(misfit(fitted.x) ** 2)))


def standard_error(losses: Array) -> float:
    """The error of a mean over seeds, pooled over the sizes ``(n, seeds)``; tiny but not zero where seeds agree."""
    pooled = float(np.sqrt(losses.var(1, ddof=1).mean() / losses.shape[1])) if losses.shape[1] > 1 else 0.0
    return max(pooled, 1e-6 * max(float(np.abs(losses).max()), 1.0))


def jackknife(sizes: Array, losses: Array) -> PowerLaw:
    """The standard errors of floor, amplitude and exponent from leaving out each seed in turn (Efron and Stein 1981).

    A seed is left out of all sizes at once, because it means the same batches at each of them. `chi2` is 0.
    """
    n = losses.shape[1]
    fits = np.array([power_law(sizes, np.delete(losses, k, axis=1))[:3] for k in range(n)])
    errors = np.sqrt(jackknife_variance(fits))
    floor, amplitude, exponent = (float(x) for x in errors)
    return PowerLaw(floor, amplitude, exponent, 0.0, 0.0)


def monotone(sizes: Array, losses: Array) -> PchipInterpolator:
    """A curve of log size that never rises: isotonic regression of the means, joined by monotone cubics."""
    level = isotonic_regression(losses.mean(1), increasing=False).x
    return PchipInterpolator(np.log(sizes), level, extrapolate=False)


def interpolation_weights(sizes: Array, at: Array, points: int = 4) -> Array:
    """``(len(at), n)``: the polynomial in log size through the nearest `points` sizes (or all), as weights.

    The curve is linear in the losses, so that each seed has one; a cubic meets a power law to fourth order in the
    spacing.
    """
    x, targets = np.log(sizes), np.log(at)
    width = min(points, len(x))
    weights = np.zeros((len(targets), len(x)))
    for row, target in zip(weights, targets, strict=True):
        start = int(np.clip(np.searchsorted(x, target) - width // 2, 0, len(x) - width))
        near = range(start, start + width)
        for j in near:
            row[j] = np.prod([(target - x[k]) / (x[j] - x[k]) for k in near if k != j])
    return weights


def shift(sizes: Array, losses: Array, other_sizes: Array, other_losses: Array, level: float = 0.95) -> Shift:
    """The factor by which the other family's sizes must exceed these for equal loss, averaged over these sizes.

    The ratio r solves: mean over these sizes p of [other(r p) - this(p)] = 0, where r p is within the other sizes. Its
    interval inverts a paired t-test: it spans the r at which the seeds' means ``(seeds,)`` are compatible with 0
    (Fieller, J. R. Stat. Soc. B 16, 175 (1954)). Where the ratio is the same at all sizes, and seeds are normal, its
    coverage is exact up to the interpolation, whose difference to a smoother one counts as one more error. Column k
    of both ``(n, seeds)`` arrays is the same seed.
    """
    grid, theirs, smooth, ours = _contrasts(tuple(map(float, sizes)), tuple(map(float, other_sizes)))
    excess = theirs @ other_losses - ours @ losses
    between = (theirs - smooth) @ other_losses.mean(1)
    mean = excess.mean(1)
    n = excess.shape[1]
    error = np.sqrt(excess.var(1, ddof=1) / n + between**2) + 1e-12 * (1 + np.abs(losses).max())
    score = mean / error
    limit = float(student.ppf((1 + level) / 2, n - 1))
    inside = np.flatnonzero(np.abs(score) <= limit)
    ratio = _crossing(grid, mean)
    bounds = (float(np.exp(grid[0])), float(np.exp(grid[-1])))
    side: Literal["", "above", "below"] = "" if ratio is not None else "above" if mean[-1] > 0 else "below"
    if not len(inside):
        ends = {"": (ratio, ratio), "above": (bounds[1], None), "below": (None, bounds[0])}
        return Shift(ratio, *ends[side], bounds, side)
    first, last = int(inside[0]), int(inside[-1])
    below = None if first == 0 else float(np.exp(_where(grid, score, first - 1, limit)))
    above = None if last == GRID - 1 else float(np.exp(_where(grid, score, last, limit)))
    return Shift(ratio, None if side == "below" else below, None if side == "above" else above, bounds, side)


@cache
def _contrasts(sizes: tuple[float, ...], other_sizes: tuple[float, ...]) -> tuple[Array, Array, Array, Array]:
    """Log ratios on a grid and, for each, the weights of the losses in the mean excess of the other family.

    The weights are those of the other family, by local cubics and by a polynomial through more sizes, and of this one.
    """
    here, there = np.array(sizes), np.array(other_sizes)
    grid = np.linspace(np.log(there[0] / here[-1]), np.log(there[-1] / here[0]), GRID)
    theirs, smooth, ours = (np.zeros((GRID, len(of))) for of in (there, there, here))
    for k, d in enumerate(grid):
        at = here * np.exp(d)
        inside = (at >= there[0] * (1 - 1e-9)) & (at <= there[-1] * (1 + 1e-9))
        theirs[k] = interpolation_weights(there, at[inside]).mean(0)
        smooth[k] = interpolation_weights(there, at[inside], 6).mean(0)
        ours[k] = inside / inside.sum()
    return grid, theirs, smooth, ours


def _crossing(grid: Array, mean: Array) -> float | None:
    """Where the excess goes from positive to negative: the middle one, if it does so several times."""
    falls = np.flatnonzero((mean[:-1] > 0) & (mean[1:] <= 0))
    if not len(falls):
        return None
    k = int(falls[len(falls) // 2])
    return float(np.exp(grid[k] + (grid[k + 1] - grid[k]) * mean[k] / (mean[k] - mean[k + 1])))


def _where(grid: Array, score: Array, k: int, limit: float) -> float:
    """Where |score| passes the limit between grid points k and k + 1, on a smooth line."""
    a, b = abs(score[k]) - limit, abs(score[k + 1]) - limit
    return float(grid[k] + (grid[k + 1] - grid[k]) * (a / (a - b) if a * b < 0 else 0.5))
