"""Maximum mean discrepancy: a mixture of Gaussians on features, and a Breit-Wigner kernel on the resonance."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import estimate, features, missing, noted, observables, undefined, with_outliers
from qinn_bench.metrics._scales import exponent, shifted
from qinn_bench.statistics.estimates import degenerate_error, jackknife_variance, permutation_p
from qinn_bench.statistics.ties import tied_to
from qinn_bench.values import Array, Estimate

MOST = 2000
PERMUTATIONS = 200
BLOCK = 64
"""Rows of a kernel matrix that are filled together: what is between stays in the cache."""
WIDTHS = (4.0, 2.0, 1.0, 0.5, 0.25)
Kernel = Callable[[Array], Array]


class Discrepancy(NamedTuple):
    """Unbiased MMD^2 of two equally large samples, its standard error, and its values under random relabelling.

    Without relabelling the error is not known.

    Example:
        >>> Discrepancy(3e-4, None, null=np.zeros(0)).value
        0.0003
    """

    value: float
    error: float | None
    null: Array


def mmd(evidence: Evidence) -> dict[str, Estimate]:
    """Unbiased MMD^2 (negative values are possible and not clipped) on at most 2000 + 2000 rows.

    `mmd` has a mean of five Gaussian kernels on the standardised features, of widths 1/4 to 4 times the median distance
    of true rows that differ; `mmd_bw` has the kernel 1 / (1 + 4 d^2 / a^2) on the resonance observable, a being the
    resonance width (arXiv:1907.03764). The note holds the p-value of a permutation test and the 95 % quantile of its
    null.
    """
    rng, resonance = evidence.rng, evidence.data.resonance
    truth, generated = features(evidence)
    if why := missing((truth, generated), outliers=True):
        return undefined(["mmd"] + ["mmd_bw"] * (resonance is not None), "", "zero", why)
    [(truth, generated)], outliers = with_outliers((truth, generated))
    n = min(len(truth), len(generated), MOST)
    keep_true, keep_generated = rng.permutation(len(truth))[:n], rng.permutation(len(generated))[:n]
    truth, generated = truth[keep_true], generated[keep_generated]
    permutations = PERMUTATIONS if evidence.errors else 0
    by = -exponent(shifted(truth, -1) - shifted(truth[0], -1))
    truth, generated = shifted(truth, by), shifted(generated, by)
    if width := median_width(truth):
        found = {"mmd": _estimate(discrepancy(truth, generated, gaussians(width), rng, permutations), n, outliers)}
    else:
        why = "all true rows are the same, so that no distance between them sets the width of the kernel"
        found = undefined(("mmd",), "", "zero", why)
    if resonance is not None:
        values = observables(evidence)[resonance.observable]
        if why := missing(values, outliers=True):
            return found | undefined(("mmd_bw",), "", "zero", why)
        [values], outliers = with_outliers(values)
        by = -exponent(np.array([resonance.width]))
        kernel = breit_wigner(float(shifted(np.array(resonance.width), by)))
        truth, generated = shifted(values[0][keep_true], by), shifted(values[1][keep_generated], by)
        apart = discrepancy(truth[:, None], generated[:, None], kernel, rng, permutations)
        found["mmd_bw"] = _estimate(apart, n, outliers)
    return found


def median_width(rows: Array) -> float:
    """The kernel width sigma with 2 sigma^2 = median squared distance between rows that differ; 0 where none do.

    The median heuristic in the form of the published code of Gretton et al. (JMLR 13, 723 (2012)), which leaves out
    distances of zero: where more than half of the pairs are equal, the median of all is zero and no width.
    """
    distances = pdist(rows[:1000], "sqeuclidean")
    distances = distances[distances > 0]
    return float(np.sqrt(np.median(distances) / 2)) if len(distances) else 0.0


def gaussians(width: float) -> Kernel:
    """The mean of exp(-d^2 / (2 s^2)) over s = width x (4, 2, 1, 1/2, 1/4), as a function of d^2."""

    def kernel(d2: Array) -> Array:
        # Halving a Gaussian's width raises it to the fourth power, so one exponential serves all five.
        narrower = np.exp(d2 / (-2 * (WIDTHS[0] * width) ** 2))
        total = narrower.copy()
        for _ in WIDTHS[1:]:
            np.square(narrower, out=narrower)
            np.square(narrower, out=narrower)
            total += narrower
        return np.asarray(total / len(WIDTHS))

    return kernel


def breit_wigner(width: float) -> Kernel:
    """1 / (1 + 4 d^2 / width^2) as a function of d^2: `width` is the full width at half maximum."""
    return lambda d2: np.asarray(1 / (1 + 4 * d2 / width**2))


def discrepancy(
    truth: Array, generated: Array, kernel: Kernel, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> Discrepancy:
    """MMD^2 as a U-statistic (Gretton et al., JMLR 13, 723 (2012), eq. 3), ``(n, dim), (n, dim)``.

    The error is the delete-one jackknife over pairs (x_i, y_i), less the part it counts twice near equal laws
    (`estimates.degenerate_error`). The kernel matrix is computed once; permutations only relabel its rows, and those
    that give the observed value on paper give it to the last digit (a kernel is 1 at most).
    """
    n = len(truth)
    pooled = np.concatenate([truth, generated])
    gram = _gram(pooled, kernel)
    np.fill_diagonal(gram, 0.0)
    value, jackknife = _jackknife(gram, n)
    if not permutations:
        return Discrepancy(value, None, np.zeros(0))
    null = tied_to(_relabelled(gram, n, rng, permutations), value, scale=1.0)
    return Discrepancy(value, degenerate_error(jackknife, float(np.var(null))), null)


def _gram(rows: Array, kernel: Kernel) -> Array:
    """The kernel between all rows ``(n, dim) -> (n, n)``; what lies below its diagonal is what lies above."""
    gram = np.empty((len(rows), len(rows)))
    with np.errstate(over="ignore"):
        for start in range(0, len(rows), BLOCK):
            end = min(start + BLOCK, len(rows))
            part = kernel(cdist(rows[start:end], rows[start:], "sqeuclidean"))
            gram[start:end, start:] = part
            gram[end:, start:end] = part[:, end - start :].T
    return gram


def _relabelled(gram: Array, n: int, rng: np.random.Generator, permutations: int) -> Array:
    """MMD^2 under random halves, ``(permutations,)``, from the row sums of the kernel matrix."""
    half = np.stack([rng.permutation(2 * n) < n for _ in range(permutations)], axis=1).astype(np.float64)
    within, sums, total = np.einsum("ip,ip->p", half, gram @ half), gram.sum(0) @ half, gram.sum()
    across = sums - within
    return np.asarray((total - 2 * across) / (n * (n - 1)) - 2 * across / n**2)


def _jackknife(gram: Array, n: int) -> tuple[float, float]:
    """MMD^2 and its variance from leaving out one pair of rows at a time."""
    xx, yy, xy = gram[:n, :n].sum(1), gram[n:, n:].sum(1), gram[:n, n:]
    cross = xy.sum(1) + xy.sum(0)
    value = (xx.sum() + yy.sum()) / (n * (n - 1)) - 2 * xy.sum() / n**2
    inside = (xx.sum() + yy.sum() - 2 * (xx + yy)) / ((n - 1) * (n - 2))
    without = inside - 2 * (xy.sum() - cross + np.diag(xy)) / (n - 1) ** 2
    return float(value), float(jackknife_variance(without))


def _estimate(found: Discrepancy, n: int, outliers: str) -> Estimate:
    if found.error is None or not np.isfinite(found.null).all():
        return estimate(found.value, found.error, n, better="zero", note=outliers)
    p, edge = permutation_p(found.value, found.null), float(np.quantile(found.null, 0.95))
    note = f"permutation p = {p:.3f}, 95 % of the null below {edge:.2e}"
    return noted(estimate(found.value, found.error, n, better="zero", note=note), outliers)


METRICS: tuple[Metric, ...] = (
    Metric(
        "mmd",
        "maximum mean discrepancy, squared",
        "samples",
        mmd,
        better="zero",
        unbiased_square=True,
        columns=(
            MetricColumn("mmd", "MMD²", "squared maximum mean discrepancy, unbiased, so that it may be negative"),
            MetricColumn(
                "mmd_bw", "MMD² BW", "the same of the resonance's observable with Breit-Wigner kernels", shown=False
            ),
        ),
    ),
)
