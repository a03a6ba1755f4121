"""How many times larger one family has to be than another for equal quality: at each size, whether it is one ratio for
all sizes, and that one ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.stats import t as student

from qinn_bench.capacity import curves
from qinn_bench.values import Array

GRID = 801
LEVEL = 0.95
Bound = Literal["", "above", "below"]


class Shift(NamedTuple):
    """A ratio of sizes with its interval.

    An end that the sizes cannot show is None, and so is the ratio then: where only `low` is known it lies ``above``,
    where only `high` is known ``below`` (`side`), and where neither is, nothing is known of it.

    Example:
        >>> Shift(ratio=3.0, low=2.0, high=4.5, side="").ratio
        3.0
    """

    ratio: float | None
    low: float | None
    high: float | None
    side: Bound


class CurvePair(NamedTuple):
    """Two families: ``(k,)`` sizes with ``(k, seeds)`` losses of the first, ``(m,)`` with ``(m, seeds)`` of the second.

    Column s of both losses is the same seed; less is better.

    Example:
        >>> CurvePair(np.array([100.0]), np.ones((1, 5)), np.array([100.0, 200.0]), np.ones((2, 5))).seeds
        5
    """

    sizes: Array
    losses: Array
    other_sizes: Array
    other_losses: Array

    @property
    def seeds(self) -> int:
        """How many seeds both families have."""
        return int(self.losses.shape[1])

    def at(self, which: Sequence[int]) -> CurvePair:
        """The pair with these sizes of the first family alone."""
        return self._replace(sizes=self.sizes[list(which)], losses=self.losses[list(which)])


def shift(pair: CurvePair, level: float = LEVEL) -> Shift:
    """The factor by which the second family's sizes must exceed the first's for equal loss, averaged over its sizes.

    The ratio r solves: mean over the first family's sizes p of [second(r p) - first(p)] = 0, where r p is within the
    second's sizes and second() is its monotone curve. The interval are the r at which Student's t of this mean, with
    the error of leaving out each seed in turn, is compatible with 0 (Fieller, J. R. Stat. Soc. B 16, 175 (1954)); by
    how much another monotone curve through the same means differs counts as one more error. Seeds that do not differ
    at all say nothing.

    Example:
        >>> sizes = np.geomspace(100, 3200, 6)
        >>> noise = 0.01 * np.random.default_rng(0).normal(size=(2, 6, 5))
        >>> def losses(p):
        ...     return (p[:, None] / 100) ** -0.5
        >>> found = shift(CurvePair(sizes[:3], losses(2 * sizes[:3]) + noise[0, :3], sizes, losses(sizes) + noise[1]))
        >>> found.low < 2 < found.high
        True
    """
    grid, mean, error = _excess(pair)
    if not error.any():
        return Shift(None, None, None, "")
    score = mean / np.maximum(error, 1e-12 * (1 + np.abs(pair.losses).max()))
    limit = float(student.ppf((1 + level) / 2, pair.seeds - 1))
    fallen, still = np.flatnonzero(score <= limit), np.flatnonzero(score >= -limit)
    first, last = (int(fallen[0]) if len(fallen) else GRID), (int(still[-1]) if len(still) else -1)
    low = None if first == 0 else float(np.exp(_where(grid, score, first - 1, limit)))
    high = None if last == GRID - 1 else float(np.exp(_where(grid, score, last, -limit)))
    if low is None or high is None:
        return Shift(None, low, high, "above" if low is not None else "below" if high is not None else "")
    return Shift(float(np.exp(_crossing(grid, mean))), low, high, "")


def _excess(pair: CurvePair) -> tuple[Array, Array, Array]:
    """Log ratios ``(GRID,)``, by how much the second family is worse at each of them, and the error of that."""
    here, there = np.log(pair.sizes), np.log(pair.other_sizes)
    grid = np.linspace(there[0] - here[-1], there[-1] - here[0], GRID)
    at = grid[:, None] + here
    inside = (at >= there[0] - 1e-9) & (at <= there[-1] + 1e-9)
    weights = inside / inside.sum(1, keepdims=True)
    at = np.clip(at, there[0], there[-1])
    theirs, between = _curves(pair, at)
    excess = np.einsum("sgk,gk->sg", theirs - _means(pair.losses)[:, None, :], weights)
    error = np.hypot(_jackknife_error(excess[1:]), np.einsum("gk,gk->g", between, weights))
    return grid, excess[0], np.where(_vary(pair), error, 0.0)


def _vary(pair: CurvePair) -> bool:
    return bool(np.ptp(pair.losses, axis=1).any() or np.ptp(pair.other_losses, axis=1).any())


def _curves(pair: CurvePair, at: Array) -> tuple[Array, Array]:
    """The second family's curve at log sizes ``(...)``, over all seeds and without each in turn, ``(1 + seeds, ...)``,
    and how far from the first of them a curve with slopes from three sizes only lies."""
    sizes, losses = pair.other_sizes, pair.other_losses
    without = [losses, *(np.delete(losses, seed, axis=1) for seed in range(pair.seeds))]
    drawn = [curves.monotone(sizes, kept) for kept in without]
    found = np.stack([one(at) for one in drawn])
    plain = PchipInterpolator(drawn[0].x, drawn[0](drawn[0].x))(at)
    return found, np.asarray(plain - found[0])


def _means(losses: Array) -> Array:
    """Means over seeds ``(k, seeds)``, over all and without each in turn, ``(1 + seeds, k)``."""
    total, seeds = losses.sum(1), losses.shape[1]
    return np.stack([total / seeds, *((total - losses[:, seed]) / (seeds - 1) for seed in range(seeds))])


def _jackknife_error(without: Array) -> Array:
    """The standard error of what is ``(seeds, ...)`` without each seed in turn."""
    seeds = len(without)
    return np.asarray(without.std(axis=0, ddof=0) * np.sqrt(seeds - 1))


def _crossing(grid: Array, mean: Array) -> float:
    """Where the excess goes from positive to negative: the middle one, if it does so several times."""
    falls = np.flatnonzero((mean[:-1] > 0) & (mean[1:] <= 0))
    return _where(grid, mean, int(falls[len(falls) // 2]), 0.0)


def _where(grid: Array, values: Array, k: int, level: float) -> float:
    """Where the line through the grid points k and k + 1 meets the level; the end of the grid if one is not there."""
    if k < 0 or k + 1 >= len(grid):
        return float(grid[0] if k < 0 else grid[-1])
    a, b = values[k] - level, values[k + 1] - level
    return float(grid[k] + (grid[k + 1] - grid[k]) * (a / (a - b) if a * b < 0 else 0.5))


def p_sides(pair: CurvePair, stated: float) -> tuple[float, float]:
    """The p-values of "the ratio is at most the stated one" and of "it is at least that" at some size of the first.

    Each is the largest of the sizes' own, so that a small one speaks for all sizes (an intersection-union test),
    two-sided as a 95 % interval is: Student's t of how much worse the second family is at so many times the size.
    Beyond its sizes its nearest one is taken, where that errs on the safe side, as more parameters do no worse.

    Example:
        >>> sizes = np.geomspace(200, 6400, 6)
        >>> rng = np.random.default_rng(0)
        >>> first, second = (rng.normal((sizes[:, None] / 200) ** -0.5, 0.01, (6, 5)) for _ in range(2))
        >>> low, high = p_sides(CurvePair(sizes[:3], first[:3], sizes, second), 3.0)
        >>> low > 0.9, high < 0.01
        (True, True)
    """
    there = np.log(pair.other_sizes)
    at = np.log(pair.sizes) + np.log(stated)
    theirs, between = _curves(pair, np.clip(at, there[0], there[-1]))
    excess = theirs - _means(pair.losses)
    error = np.hypot(_jackknife_error(excess[1:]), between)
    if not _vary(pair) or not error.all():
        return 1.0, 1.0
    score = excess[0] / error
    most = np.where(at > there[-1] + 1e-9, 1.0, 2 * student.sf(score, pair.seeds - 1))
    least = np.where(at < there[0] - 1e-9, 1.0, 2 * student.cdf(score, pair.seeds - 1))
    return min(1.0, float(most.max())), min(1.0, float(least.max()))


def p_one_ratio(pair: CurvePair, ratios: Sequence[float]) -> float:
    """The p-value of "the ratio is the same at all sizes", of ratios ``(k,)`` that were found at each of k > 1 sizes.

    Student's t, over the seeds' pseudo-values of the log ratios (leaving out each in turn), of each size against the
    mean of the others, and of a trend with log size; the smallest p-value is multiplied by how many there are
    (Bonferroni). A statistic of all sizes at once, such as Cochran's Q, would need the covariance of k ratios from
    fewer seeds than that: each seed has its part in each size, and the second family's curve is in all of them. A
    contrast of a seed's own values has all of this in it.

    Example:
        >>> sizes = np.geomspace(200, 6400, 6)
        >>> noise = 0.02 * np.random.default_rng(0).normal(size=(2, 6, 5))
        >>> first, second = ((sizes[:, None] / 200) ** -0.25 + noise[k] for k in (0, 1))
        >>> pair = CurvePair(sizes[2:4], first[2:4], sizes, second)
        >>> p_one_ratio(pair, [1.0, 1.0]) > 0.05, p_one_ratio(pair, [0.3, 3.0]) < 0.05
        (True, True)
    """
    k, x = len(ratios), np.log(pair.sizes)
    values, between = _pseudo_values(pair, np.log(ratios))
    contrasts = [*(np.eye(k) - (1 - np.eye(k)) / (k - 1)), x - x.mean()] if k > 2 else [np.array([1.0, -1.0])]
    smallest = 1.0
    for contrast in contrasts:
        own = contrast @ values
        error = np.hypot(own.std(ddof=1) / np.sqrt(pair.seeds), np.linalg.norm(contrast * between))
        if error > 0:
            smallest = min(smallest, 2 * float(student.sf(abs(own.mean()) / error, pair.seeds - 1)))
    return min(1.0, smallest * len(contrasts))


def _pseudo_values(pair: CurvePair, logs: Array) -> tuple[Array, Array]:
    """What each seed says of the log ratio at each size, ``(k, seeds)`` with the log ratios as means, and the error of
    the interpolation ``(k,)``: the excess at the ratio over the slope of the curve there."""
    at = np.log(pair.sizes) + logs
    theirs, between = _curves(pair, at)
    excess = (theirs - _means(pair.losses))[1:]
    slope = curves.monotone(pair.other_sizes, pair.other_losses).derivative()(at)
    parts = (pair.seeds - 1) * (excess.mean(0) - excess) / np.minimum(slope, -1e-12)
    return (logs - parts).T, np.asarray(between / np.minimum(slope, -1e-12))


def is_flat(losses: Array, level: float = 0.05) -> bool:
    """Whether a family ``(sizes, seeds)`` cannot be shown to gain by size: one-sided t of the first against the last.

    Example:
        >>> is_flat(np.array([[1.0, 1.1, 0.9], [1.05, 0.95, 1.0]]))
        True
    """
    gain = losses[0] - losses[-1]
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(gain.mean() <= 0 or (error > 0 and student.sf(gain.mean() / error, len(gain) - 1) > level))
