"""Frechet and kernel physics distances of high-level features of showers (Kansal et al., arXiv:2211.10295)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import estimate, undefined
from qinn_bench.metrics._scales import Pair
from qinn_bench.metrics._showers import showers_of
from qinn_bench.values import Array, Estimate

SMALLEST, LARGEST, SIZES, DRAWS = 10_000, 50_000, 10, 20
"""Sizes of the samples that FPD is extrapolated from, how many sizes, and how many samples of each: those of the
CaloChallenge, whose smallest size is half of the default of JetNet."""
BATCHES, BATCH = 10, 10_000
DEGREE = 4
BLOCK = 1000
QUANTILES = (0.16275, 0.83725)
"""Half of the distance of these quantiles of the batches is the error of KPD."""


class FittedLine(NamedTuple):
    """The intercept of a line, its standard error, and its slope.

    Example:
        >>> FittedLine(0.1, 0.01, 2.0).intercept
        0.1
    """

    intercept: float
    error: float
    slope: float


def fpd(evidence: Evidence) -> dict[str, Estimate]:
    """Frechet distance of Gaussians with the moments of the features, extrapolated to samples of infinite size.

    Features are those of the CaloChallenge, each divided by its largest absolute value in the truth. Bootstrap samples
    of 10 sizes from 10 000 to 50 000, evenly spaced in 1 / N, 20 of each, are fitted by a line in 1 / N whose intercept
    and slope are not negative; its error is that of the fit. Samples are drawn with replacement from the rows that
    there are, so that n rows leave a bias of order 1 / n that no extrapolation sees: compare with the row `truth`.
    `fpd_plain` is the distance of all rows. Both are times 1000 in tables of the challenge.
    """
    pair = _features(evidence)
    if isinstance(pair, str):
        return undefined(("fpd", "fpd_plain"), "", "lower", pair)
    n = min(map(len, pair))
    sizes = (1 / np.linspace(1 / SMALLEST, 1 / LARGEST, SIZES)).astype(np.int64)
    means = [np.mean([_drawn_distance(pair, int(size), evidence.rng) for _ in range(DRAWS)]) for size in sizes]
    line = fitted_line(1 / sizes, np.array(means))
    return {
        "fpd": estimate(line.intercept, line.error, n, better="lower"),
        "fpd_plain": estimate(frechet_distance(*pair), None, n, better="lower"),
    }


def frechet_distance(truth: Array, generated: Array) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the means and covariances of ``(n, dim)`` and ``(m, dim)``.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 2))
        >>> round(frechet_distance(x, x + [3.0, 4.0]), 9)
        25.0
    """
    moments = [(side.mean(axis=0), np.atleast_2d(np.cov(side, rowvar=False))) for side in (truth, generated)]
    return of_moments(*moments[0], *moments[1])


def of_moments(mean1: Array, cov1: Array, mean2: Array, cov2: Array) -> float:
    """The same of means ``(dim,)`` and covariances ``(dim, dim)``; the trace is that of a symmetric square root."""
    values, vectors = np.linalg.eigh(cov1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ cov2 @ root)
    off = mean1 - mean2
    return float(off @ off + np.trace(cov1) + np.trace(cov2) - 2 * np.sqrt(np.maximum(middle, 0.0)).sum())


def _drawn_distance(pair: Pair, size: int, rng: np.random.Generator) -> float:
    """The distance of bootstrap samples, from how often each row stands in them."""
    moments = []
    for side in pair:
        often = np.bincount(rng.integers(len(side), size=size), minlength=len(side)) / size
        mean = often @ side
        off = side - mean
        moments.append((mean, (off.T * often) @ off * size / (size - 1)))
    return of_moments(*moments[0], *moments[1])


def fitted_line(x: Array, y: Array) -> FittedLine:
    """The line of least squares with an intercept and a slope that are not negative.

    Its error is that of an intercept without bounds, from the scatter about the line.

    Example:
        >>> line = fitted_line(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
        >>> round(line.intercept, 9), round(line.slope, 9)
        (1.0, 1.0)
    """
    off = x - x.mean()
    slope = float(off @ y / (off @ off))
    intercept = float(y.mean() - slope * x.mean())
    if slope < 0:
        intercept, slope = max(float(y.mean()), 0.0), 0.0
    elif intercept < 0:
        intercept, slope = 0.0, max(float(x @ y / (x @ x)), 0.0)
    scatter = float(np.sum((y - intercept - slope * x) ** 2)) / max(len(x) - 2, 1)
    return FittedLine(intercept, float(np.sqrt(scatter * (1 / len(x) + x.mean() ** 2 / (off @ off)))), slope)


def kpd(evidence: Evidence) -> dict[str, Estimate]:
    """Squared maximum mean discrepancy of the features with the kernel (x y / dim + 1)^4, unbiased.

    Features are those of `fpd`. The median of 10 batches of 10 000 rows, drawn with replacement; the error is half of
    the distance of their quantiles of 16.3 and 83.7 %. A row that is drawn twice is compared with itself, so that n
    rows leave a bias of order 1 / n. `kpd_plain`, of all rows once, has none, and may be negative.
    """
    pair = _features(evidence)
    if isinstance(pair, str):
        return undefined(("kpd", "kpd_plain"), "", "zero", pair)
    often = [_often(side, evidence.rng) for side in pair]
    values = discrepancies(*pair, *often)
    low, high = np.quantile(values[:-1], QUANTILES)
    n = min(map(len, pair))
    return {
        "kpd": estimate(float(np.median(values[:-1])), float(high - low) / 2, n, better="zero"),
        "kpd_plain": estimate(float(values[-1]), None, n, better="zero"),
    }


def _often(rows: Array, rng: np.random.Generator) -> Array:
    """How often each row stands in each batch, and once each in a last one, ``(n, batches + 1)``."""
    n = len(rows)
    drawn = [np.bincount(rng.integers(n, size=BATCH), minlength=n) for _ in range(BATCHES)]
    return np.stack([*drawn, np.ones(n)], axis=1).astype(np.float64)


def discrepancies(truth: Array, generated: Array, true_counts: Array, counts: Array) -> Array:
    """The unbiased discrepancy of each batch ``(k,)``, in which row i stands ``counts[i, k]`` times."""
    m, n = true_counts.sum(axis=0), counts.sum(axis=0)
    within = []
    for rows, often, size in ((truth, true_counts, m), (generated, counts, n)):
        own = _kernel((rows**2).sum(axis=1), rows.shape[1])
        within.append((_summed(rows, rows, often, often) - own @ often) / (size * (size - 1)))
    return np.asarray(within[0] + within[1] - 2 * _summed(truth, generated, true_counts, counts) / (m * n))


def _summed(first: Array, second: Array, often: Array, counts: Array) -> Array:
    """The kernel summed over all pairs of each batch, ``(k,)``."""
    total = np.zeros(often.shape[1])
    for start in range(0, len(first), BLOCK):
        part = slice(start, start + BLOCK)
        total += (often[part] * (_kernel(first[part] @ second.T, first.shape[1]) @ counts)).sum(axis=0)
    return total


def _kernel(products: Array, dim: int) -> Array:
    return np.asarray((products / dim + 1) ** DEGREE)


def _features(evidence: Evidence) -> Pair | str:
    """The features of both samples, each over its largest absolute value in the truth."""
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return pair
    truth, generated = pair.truth.features.vector(), pair.generated.features.vector()
    largest = np.abs(truth).max(axis=0)
    largest[largest == 0] = 1.0
    return truth / largest, generated / largest


METRICS: tuple[Metric, ...] = (
    Metric(
        "fpd",
        "Frechet physics distance of showers",
        "samples",
        fpd,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn("fpd", "FPD", "Frechet physics distance of high-level features, extrapolated to many showers"),
            MetricColumn("fpd_plain", "FPD plain", "the same of all showers, not extrapolated", shown=False),
        ),
    ),
    Metric(
        "kpd",
        "kernel physics distance of showers",
        "samples",
        kpd,
        better="zero",
        of_showers=True,
        columns=(
            MetricColumn("kpd", "KPD", "kernel physics distance of high-level features, the median of batches"),
            MetricColumn(
                "kpd_plain", "KPD plain", "the same of all showers once, unbiased, so that it may be negative"
            ),
        ),
    ),
)
