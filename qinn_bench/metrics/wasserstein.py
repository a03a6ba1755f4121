"""Wasserstein-1 distances of observables, and sliced over directions of the features: raw, and clipped to the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import FEWEST, bootstrapped, features, missing, noted, observables, undefined
from qinn_bench.metrics._scales import Pair, centred, deviation, exponent, shifted, standardised, without_spread
from qinn_bench.statistics.estimates import resampling_counts
from qinn_bench.values import Array, Estimate

DIRECTIONS = 200
REPLICATES = 50
LINE = 32
"""Values whose running sums are taken side by side with those of other lines."""
UNIT = "sd"
TAIL = 0.001
"""Share of true rows below the range that clipped distances look at, and as many above it."""
LEAST_VARIANCE = 1e-12
"""Share of the truth's variance below which a bootstrap sample of it is told from a constant by rounding only."""


def w1(evidence: Evidence) -> dict[str, Estimate]:
    """W1 = integral |F - G| of every observable in units of the truth's standard deviation, and the mean over them.

    Errors are bootstraps of whole rows, so that the error of the mean knows how observables go together. W1 of
    two finite samples of one law is not zero but about 0.8 sd / sqrt(n): compare with a floor. An observable that is
    the same in all true rows has no such unit, and no value; the mean is over the others, and its note names it.

    Of a generated law with a tail of 1 / x^2 or heavier, as flows easily have, it has no finite mean: two samples of
    the same weights give any two numbers. `clipped_w1` has.
    """
    pairs = observables(evidence)
    if why := missing(*pairs.values()):
        return undefined(_names("w1", pairs), UNIT, "lower", why)
    return _of_observables("w1", pairs, evidence)


def clipped_w1(evidence: Evidence) -> dict[str, Estimate]:
    """W1 of every observable in the core of the truth: of selected rows, clipped to its 0.1 to 99.9 % range [a, b].

    Clipping leaves the distribution functions between the ends as they are, so that this is the integral of |F - G|
    from a to b, in standard deviations of the clipped truth: bounded, and its mean exists for every law. Generated rows
    outside of the selection of the data set are left out (`out` counts them); one that is not finite is an outlier of
    the worst rank, at the end that lies farther from the median. Else as `w1`.
    """
    pairs = observables(evidence)
    names = _names("clipped_w1", pairs)
    if why := missing(*pairs.values(), outliers=True):
        return undefined(names, UNIT, "lower", why)
    keep = selected(evidence)
    if keep.sum() < FEWEST:
        return undefined(names, UNIT, "lower", _too_few(keep))
    core = {name: clipped(truth, generated[keep]) for name, (truth, generated) in pairs.items()}
    return _of_observables("clipped_w1", core, evidence)


def clipped(truth: Array, generated: Array) -> Pair:
    """Both samples ``(n,), (m,)`` clipped to the 0.1 to 99.9 % range of the truth; NaN lies at the farther end."""
    by = exponent(truth)
    low, middle, high = shifted(np.quantile(shifted(truth, -by), [TAIL, 0.5, 1 - TAIL]), by)
    farther = high if high / 2 + low / 2 >= middle else low
    placed = np.where(np.isnan(generated), farther, generated)
    return np.clip(truth, low, high), np.clip(placed, low, high)


def selected(evidence: Evidence) -> NDArray[np.bool_]:
    """Which generated rows ``(m,)`` lie in the selection, those that are not finite with them."""
    finite = np.isfinite(evidence.generated).reshape(len(evidence.generated), -1).all(1)
    with np.errstate(all="ignore"):
        return np.asarray(evidence.data.support(evidence.generated) | ~finite)


def _too_few(keep: NDArray[np.bool_]) -> str:
    return f"only {int(keep.sum())} of {len(keep)} generated rows lie in the selection, at least {FEWEST} are needed"


def _names(metric: str, pairs: Mapping[str, Pair]) -> list[str]:
    return [*(f"{metric}_{name}" for name in pairs), f"{metric}_mean"]


def _of_observables(metric: str, pairs: Mapping[str, Pair], evidence: Evidence) -> dict[str, Estimate]:
    """W1 of each of these pairs ``(n,), (m,)`` in standard deviations of its truth, and the mean over them."""
    flat = [name for name, (truth, _) in pairs.items() if without_spread(truth)]
    spread = {f"{metric}_{name}": standardised(*pair) for name, pair in pairs.items() if name not in flat}
    why = "all true rows have the same value, so that there is no standard deviation to measure in"
    found = undefined([f"{metric}_{name}" for name in flat], UNIT, "lower", why)
    if not spread:
        return found | undefined((f"{metric}_mean",), UNIT, "lower", why)
    values, replicates = _resampled(list(spread.values()), evidence, scaled=True)
    n = len(evidence.truth)
    found |= {name: bootstrapped(v, r, n, UNIT, "lower") for name, v, r in zip(spread, values, replicates, strict=True)}
    with np.errstate(over="ignore"):
        mean = bootstrapped(values.mean(), replicates.mean(0), n, UNIT, "lower")
    if flat:
        mean = noted(mean, f"without {', '.join(flat)}, of which all true rows have the same value")
    return {name: (found | {f"{metric}_mean": mean})[name] for name in _names(metric, pairs)}


def swd(evidence: Evidence) -> dict[str, Estimate]:
    """Sliced W1: the mean over 200 random directions of the W1 of projected, standardised features.

    Source: Bonneel et al., J. Math. Imaging Vis. 51, 22 (2015). In units of a feature (its standard deviation is about
    one). The error is the bootstrap of rows and, in quadrature, the scatter over directions.
    """
    truth, generated = features(evidence)
    if why := missing((truth, generated)):
        return undefined(("swd",), UNIT, "lower", why)
    truth, generated, exponent = centred(truth, generated)
    return {"swd": _sliced(projected(truth, generated, evidence), evidence, exponent)}


def clipped_swd(evidence: Evidence) -> dict[str, Estimate]:
    """Sliced W1 in the core of the truth: of selected rows, clipped to its 0.1 to 99.9 % range in every direction.

    Its mean exists for every law; rows outside of the selection and rows that are not finite are those of `clipped_w1`.
    Else as `swd`.
    """
    with np.errstate(all="ignore"):
        truth, generated = features(evidence)
    if why := missing((truth, generated), outliers=True):
        return undefined(("clipped_swd",), UNIT, "lower", why)
    keep = selected(evidence)
    if keep.sum() < FEWEST:
        return undefined(("clipped_swd",), UNIT, "lower", _too_few(keep))
    generated = generated[keep]
    unknown = np.asarray(~np.isfinite(generated).all(1))
    truth, generated, exponent = centred(truth, np.where(unknown[:, None], 0.0, generated))
    lines = projected(truth, generated, evidence)
    core = [clipped(true, np.where(unknown, np.nan, drawn)) for true, drawn in lines]
    return {"clipped_swd": _sliced(core, evidence, exponent)}


def projected(truth: Array, generated: Array, evidence: Evidence) -> list[Pair]:
    """Both samples ``(n, dim), (m, dim)`` along each of the random directions, ``(n,), (m,)``."""
    directions = evidence.rng.normal(size=(truth.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return list(zip((truth @ directions).T, (generated @ directions).T, strict=True))


def _sliced(lines: Sequence[Pair], evidence: Evidence, exponent: int) -> Estimate:
    """The mean W1 over directions, times two to the exponent."""
    values, replicates = (shifted(part, exponent) for part in _resampled(lines, evidence, scaled=False))
    with np.errstate(over="ignore"):
        rows = bootstrapped(values.mean(), replicates.mean(0), len(lines[0][0]), UNIT, "lower")
    if rows.error is None:
        return rows
    return rows.model_copy(update={"error": float(np.hypot(rows.error, deviation(values) / DIRECTIONS**0.5))})


def _resampled(lines: Sequence[Pair], evidence: Evidence, *, scaled: bool) -> tuple[Array, Array]:
    """W1 of each pair ``(n,), (m,)`` of k: values ``(k,)`` and bootstrap replicates ``(k, REPLICATES)``.

    With `scaled`, the truth has mean 0 and standard deviation 1, and a replicate is in units of its own truth's; NaN
    where that has lost all spread. Without errors there are no replicates, ``(k, 0)``.
    """
    n, m = (len(side) for side in lines[0])
    weights = np.empty((n + m, 1 + (REPLICATES if evidence.errors else 0)))
    weights[:n, 0], weights[n:, 0] = 1 / n, -1 / m
    if evidence.errors:
        weights[:n, 1:] = resampling_counts(n, REPLICATES, evidence.rng).T / n
        weights[n:, 1:] = -resampling_counts(m, REPLICATES, evidence.rng).T / m
    found = np.stack([distances(np.concatenate(line), weights) for line in lines])
    if scaled:
        truth = np.stack([line[0] for line in lines])
        variance = truth**2 @ weights[:n] - (truth @ weights[:n]) ** 2
        found /= np.sqrt(np.where(variance > LEAST_VARIANCE, variance, np.nan))
    return found[:, 0], found[:, 1:]


def distances(pooled: Array, weights: Array) -> Array:
    """W1 between the positive and the negative weights ``(n, k) -> (k,)`` of pooled values ``(n,)``."""
    order = np.argsort(pooled)
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.diff(pooled[order])
        return _areas(order, gaps, weights)


def _areas(order: NDArray[np.intp], gaps: Array, weights: Array) -> Array:
    """The sum of gap times |weight up to there| over values in this order, ``(n,), (n - 1,), (n, k) -> (k,)``.

    Sums run in lines of `LINE` values side by side, since a running sum of many columns is the slowest thing here.
    """
    n, k = weights.shape
    lines = -(-n // LINE)
    at, steps = np.full(lines * LINE, order[-1]), np.zeros(lines * LINE)
    at[:n], steps[: n - 1] = order, gaps
    sums = np.take(weights, at.reshape(lines, LINE).T, axis=0)
    for before, here in pairwise(sums):
        here += before
    sums[:, 1:] += np.cumsum(sums[-1, :-1], axis=0)
    np.abs(sums, out=sums)
    return np.asarray(steps.reshape(lines, LINE).T.ravel() @ sums.reshape(-1, k))


def clipped_distances(pooled: Array, weights: Array, low: Array, high: Array) -> Array:
    """The same between values that are clipped to a range of each column, ``(k,)`` its ends."""
    order = np.argsort(pooled)
    values = pooled[order]
    first, last = np.searchsorted(values, low.max()), np.searchsorted(values, high.min(), side="right") - 1
    if first >= last:
        first, last = 0, 0
    gaps = np.diff(values)
    gaps[:first], gaps[last:] = 0.0, 0.0
    found = _areas(order, gaps, weights)
    upto = np.cumsum(weights[order[:first]], axis=0)
    # Weights sum to zero, so that those from here on are those up to here with the other sign.
    beyond = np.cumsum(weights[order[:last:-1]], axis=0)[::-1]
    for part, sums in ((values[: first + 1], upto), (values[last:], beyond)):
        found += np.einsum("ik,ik->k", np.diff(np.clip(part[:, None], low, high), axis=0), np.abs(sums))
    return np.asarray(found)


METRICS: tuple[Metric, ...] = (
    Metric(
        "w1",
        "Wasserstein-1 distance of observables, tails included",
        "samples",
        w1,
        better="lower",
        columns=(
            MetricColumn(
                "w1_mean",
                "raw ⟨W₁⟩",
                "mean over observables of the Wasserstein-1 distance of all rows, in standard deviations (sd) of the "
                "truth",
                shown=False,
            ),
            MetricColumn(
                "w1_*",
                "raw W₁ *",
                "Wasserstein-1 distance of that observable, of all rows, in standard deviations (sd) of the truth; one "
                "far row can make it anything",
                shown=False,
            ),
        ),
    ),
    Metric(
        "clipped_w1",
        "Wasserstein-1 distance of observables within the truth's 0.1 to 99.9 % range",
        "samples",
        clipped_w1,
        better="lower",
        columns=(
            MetricColumn(
                "clipped_w1_mean",
                "⟨W₁⟩",
                "mean over observables of the Wasserstein-1 distance of selected rows, clipped to the 0.1 to 99.9 % "
                "range of the truth, in standard deviations (sd) of the truth there",
            ),
            MetricColumn(
                "clipped_w1_*",
                "W₁ *",
                "Wasserstein-1 distance of that observable, of selected rows, clipped to the 0.1 to 99.9 % range of "
                "the truth, in standard deviations (sd) of the truth there",
                shown=False,
            ),
        ),
    ),
    Metric(
        "swd",
        "sliced Wasserstein-1 distance of features, tails included",
        "samples",
        swd,
        better="lower",
        columns=(
            MetricColumn(
                "swd",
                "raw sliced W₁",
                "mean Wasserstein-1 distance along directions in feature space, of all rows",
                shown=False,
            ),
        ),
    ),
    Metric(
        "clipped_swd",
        "sliced Wasserstein-1 distance of features within the truth's 0.1 to 99.9 % range",
        "samples",
        clipped_swd,
        better="lower",
        short="sliced W₁",
        meaning="mean Wasserstein-1 distance along directions in feature space, of selected rows, clipped to the 0.1 "
        "to 99.9 % range of the truth",
    ),
)
