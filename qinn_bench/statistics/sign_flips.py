"""p-values of a mean difference, and of Wilcoxon's rank sum, under random signs: exact for few, many and very many.

Under the hypothesis that two rows do not differ, every difference d_i could as well have had the other sign. The mean
of flipped differences is at least that of the observed ones where the flipped ones sum to at most zero, so that

    P(mean at least as large) = P(sum over a random subset of the d_i <= 0).

Up to `HALVES` differences the subsets of either half are sorted and counted against those of the other (meet in the
middle; Horowitz and Sahni, J. ACM 21, 277 (1974)). Where differences are whole multiples of a step, as those of rounded
scores are, the distribution is a convolution of whole numbers, and exact for any number (Pagano and Tritchler, J. Am.
Stat. Assoc. 78, 435 (1983)). Up to `CELLED` other differences are rounded to `CELLS` steps of the tail that is asked
for, which moves p by some 0.1 % of itself. Beyond, the tail is the saddlepoint approximation of Barndorff-Nielsen
(Biometrika 73, 307 (1986)), with the signs of the largest differences visited one by one, since no limit theorem holds
for them. None of this draws random numbers, so that p has no floor but 2^-n.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr
from scipy.stats import rankdata

from qinn_bench.statistics.ties import TIE, snapped
from qinn_bench.values import Array

HALVES = 30
"""Up to so many differences all subsets are counted, 2^15 of either half."""
CELLED = 200
"""Up to so many, other differences are rounded; beyond, the saddlepoint is as exact, and faster."""
CELLS = 1 << 16
"""Into how many steps the tail is cut where differences are not whole multiples of anything."""
WORK = 1 << 24
"""The most additions of a convolution of whole numbers."""
DEEPEST = 1000
"""The most differences of a convolution: the number of subsets, 2^n, has to be a double."""
KEPT = 1024
"""Of very many differences so many of the largest enter the saddlepoint one by one, the others in as many groups."""
PEELED = 8
"""Of so many of the largest differences all signs are visited before the saddlepoint."""
SADDLEPOINTS, FARTHEST = 64, 40.0
"""How many of them are taken, and the farthest in units of one over the largest size: tanh(40) is 1."""
ENUMERATED, HALVED = 14, 40
"""Bounds of so many differences are means of their subsets; of more they are found by so many halvings."""
ROUNDING = 4e-15
"""The error of a difference, a few roundings, as a share of its scale."""
LEAST = 1e-300
"""What a smaller p-value is put at, as doubles end there."""


def sign_flip_p(differences: Array, scale: Array | None = None) -> tuple[float, float]:
    """The p-values of "the mean is above zero" and "the mean is below zero" under random signs.

    Args:
        differences: ``(n,)``, finite.
        scale: ``(n,)``, the size of what each difference was computed from (`ties.snapped`).
    """
    size = np.abs(differences) if scale is None else np.maximum(scale, np.abs(differences))
    kept = np.abs(differences) > TIE * size
    d, size = differences[kept], size[kept]
    order = np.lexsort((d, np.abs(d)))
    if not len(d):
        return 1.0, 1.0
    above, below = _both(d[order], size[order])
    return float(np.clip(above, LEAST, 1)), float(np.clip(below, LEAST, 1))


def sign_flip_bounds(differences: Array, level: float) -> tuple[float, float]:
    """Between which means sign flips reject none of "it is above" and "it is below", each at this level.

    The p-value of "the mean is above m" counts the subsets of the differences whose mean is at most m, so that the
    lower bound is one of these means, and so is the upper one (typical values; Hartigan, J. Am. Stat. Assoc. 64, 1303
    (1969)). Beyond `ENUMERATED` differences it is found by halving. Infinite where so few differences reject nothing.

    Args:
        differences: ``(n,)``, finite.
        level: of either bound.

    Example:
        >>> sign_flip_bounds(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0.05)
        (1.0, 5.0)
    """
    return _lower(differences, level), -_lower(-differences, level)


def _lower(d: Array, level: float) -> float:
    rejected = np.floor(level * 2.0 ** len(d) * (1 + 1e-12))
    if rejected < 1:
        return -np.inf
    if len(d) <= ENUMERATED:
        sums, counts = np.zeros(1), np.zeros(1)
        for one in d:
            sums, counts = np.concatenate([sums, sums + one]), np.concatenate([counts, counts + 1])
        at = int(rejected) - 1
        return float(np.partition(sums[1:] / counts[1:], at)[at])
    low, high = float(d.min()) - 1e-9 * float(np.ptp(d)), float(d.mean())
    for _ in range(HALVED):
        middle = (low + high) / 2
        low, high = (middle, high) if sign_flip_p(d - middle)[0] <= level else (low, middle)
    return low


def _both(d: Array, size: Array) -> tuple[float, float]:
    """The two p-values by the method for so many differences, none of them zero, in the order of their sizes."""
    if (d > 0).all() or (d < 0).all():
        least = float(0.5 ** len(d))
        return (least, 1.0) if d[0] > 0 else (1.0, least)
    if len(d) <= HALVES:
        return _halved(d - TIE * size), _halved(-d - TIE * size)
    step = _step(d, size)
    if len(d) <= DEEPEST and step and len(d) * _tail(d) / step <= WORK:
        return _convolved(d, step)
    if len(d) <= CELLED:
        return _convolved(d, _tail(d) / CELLS)
    return _saddlepoint(d, step or 0.0)


def wilcoxon_p(differences: Array, scale: Array | None = None) -> tuple[float, float]:
    """The p-values of "above zero" and "below zero" of Wilcoxon's signed ranks, exact with ties; zeros are left out.

    Their sum is a sum of signed mean ranks, of which twice are whole numbers, under random signs (Wilcoxon, Biometrics
    Bulletin 1, 80 (1945)).

    Args:
        differences: ``(n,)``, finite.
        scale: ``(n,)``, the size of what each difference was computed from (`ties.snapped`).
    """
    size = np.abs(differences) if scale is None else scale
    magnitudes = snapped(np.abs(differences), size)
    kept = magnitudes > 0
    return sign_flip_p(np.sign(differences[kept]) * 2 * rankdata(magnitudes[kept]))


def _tail(d: Array) -> float:
    """The smaller of the sums of positive and of negative differences, by size."""
    return float(min(d[d > 0].sum(), -d[d < 0].sum()))


def _halved(d: Array) -> float:
    """P(the sum over a random subset is at most zero), by the subsets of both halves."""
    first, second = (_subset_sums(half) for half in (d[::2], d[1::2]))
    return float(np.searchsorted(first, -second, side="right").sum()) / 2.0 ** len(d)


def _subset_sums(d: Array) -> Array:
    """The sums of all subsets ``(2^n,)``, sorted."""
    sums = np.zeros(1)
    for one in d:
        sums = np.sort(np.concatenate([sums, sums + one]), kind="stable")
    return sums


def _step(d: Array, size: Array) -> float | None:
    """The largest number of which all differences are whole multiples, within their rounding; None if there is none.

    Euclid's algorithm on all sizes at once: the least remainder takes the place of the step until none is left. The
    error of a step is carried along, as each remainder multiplies it.
    """
    magnitudes, at = np.unique(snapped(np.abs(d), size), return_index=True)
    error = ROUNDING * size[at]
    step, step_error = float(magnitudes[0]), float(error[0])
    least = step / (64 * CELLS)
    while True:
        times = np.rint(magnitudes / step)
        rest, slack = np.abs(magnitudes - step * times), error + times * step_error
        left = np.flatnonzero((rest > slack) & (slack < step / 4))
        if not len(left):
            break
        next_one = left[rest[left].argmin()]
        step, step_error = float(rest[next_one]), float(slack[next_one])
        if step < least:
            return None
    near = np.abs(d) <= 1e9 * step
    sizes, times = np.abs(d)[near], np.rint(np.abs(d)[near] / step)
    step = float((sizes * times).sum() / (times**2).sum())
    fits = np.abs(sizes - step * times) <= 100 * TIE * size[near]
    return step if fits.all() else None


def _convolved(d: Array, step: float) -> tuple[float, float]:
    """Both p-values of differences rounded to multiples of a step, from the shorter tail of the sum over subsets.

    A random subset of the sizes sums to W; with N the sum of the sizes of negative differences and P that of the
    positive ones, the p-values are P(W <= N) and P(W <= P), and P(W < N) = 1 - P(W <= P), as W and N + P - W have one
    law.
    """
    whole = np.rint(np.minimum(np.abs(d) / step, 1e15)).astype(np.int64)
    negative, positive = int(whole[d < 0].sum()), int(whole[d > 0].sum())
    tail = min(negative, positive)
    subsets = np.zeros(tail + 1)
    subsets[0] = 1.0
    top = 0
    for one in np.sort(whole).tolist():
        if one <= tail:
            top = min(tail, top + one)
            subsets[one : top + 1] += subsets[: top + 1 - one].copy()
    share = 0.5 ** np.count_nonzero(whole <= tail) * 0.5 ** np.count_nonzero(whole > tail)
    upto, below = share * float(subsets.sum()), share * float(subsets[:-1].sum())
    return (upto, 1 - below) if negative <= positive else (1 - below, upto)


def _saddlepoint(d: Array, step: float) -> tuple[float, float]:
    """P(a sum with random signs is at least, and at most, the observed one); the largest sizes sign by sign.

    On a lattice the sum moves by twice the step, and each tail starts half of that before the observed one.
    """
    sizes = np.sort(np.abs(d))
    rest, peeled = sizes[:-PEELED], sizes[-PEELED:]
    others = np.array(list(product((1.0, -1.0), repeat=PEELED))) @ peeled
    asked = np.stack([d.sum() - step - others, -d.sum() - step - others])
    sizes, times = _grouped(rest / rest[-1])
    above, below = _tails(sizes, times, asked / rest[-1], step / rest[-1]).mean(1)
    return float(above), float(below)


def _grouped(sizes: Array) -> tuple[Array, Array]:
    """Sorted sizes and how often each occurs; of very many, small neighbours are put together at their mean square."""
    if len(sizes) <= 4 * KEPT:
        return sizes, np.ones(len(sizes))
    small, large = sizes[:-KEPT], sizes[-KEPT:]
    starts = np.linspace(0, len(small), KEPT, endpoint=False).astype(np.intp)
    times = np.diff(starts, append=len(small)).astype(np.float64)
    squares = np.add.reduceat(small**2, starts) / times
    return np.concatenate([np.sqrt(squares), large]), np.concatenate([times, np.ones(KEPT)])


def _tails(sizes: Array, times: Array, asked: Array, step: float) -> Array:
    """P(sum with random signs >= x) for each x asked for, by r* of Barndorff-Nielsen; sizes ``(n,)`` occur `times`.

    r* is taken at some saddlepoints t and interpolated: it is an odd and smooth function of x. All sizes are <= 1.
    """
    deviation, whole = float(np.sqrt(sizes**2 @ times)), float(sizes @ times)
    farthest = min(float(np.abs(asked).max()), 0.9999 * whole)
    last = 1 / deviation
    while last < FARTHEST and float((sizes * np.tanh(last * sizes)) @ times) < farthest:
        last *= 1.5
    t = np.geomspace(0.01 / deviation, last, SADDLEPOINTS)
    small = np.exp(-2 * t[:, None] * sizes)
    x = (sizes * (1 - small) / (1 + small)) @ times
    cumulant = t * whole + (np.log1p(small) - np.log(2)) @ times
    deviations = np.sqrt((4 * sizes**2 * small / (1 + small) ** 2) @ times)
    r = np.sqrt(2 * (t * x - cumulant))
    lattice = np.sinh(t * step) / step if step else t
    star = r + np.log(lattice * deviations / r) / r
    curve = CubicSpline(np.concatenate([-x[::-1], [0], x]), np.concatenate([-star[::-1], [0], star]))
    tails = ndtr(-curve(np.clip(asked, -x[-1], x[-1])))
    return np.asarray(np.where(np.abs(asked) > whole * (1 + 1e-9), asked < 0, tails))
