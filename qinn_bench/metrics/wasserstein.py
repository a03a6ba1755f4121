"""Wasserstein-1 distances: of every observable, and sliced over random directions of the features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import bootstrapped, features, missing, observables, undefined
from qinn_bench.metrics._scales import Pair, centred, deviation, shifted, standardised, without_spread
from qinn_bench.statistics.estimates import resampling_counts
from qinn_bench.values import Array, Estimate

DIRECTIONS = 200
REPLICATES = 50
UNIT = "sd"
LEAST_VARIANCE = 1e-12
"""Share of the truth's variance below which a bootstrap sample of it is told from a constant by rounding only."""


def w1(evidence: Evidence) -> dict[str, Estimate]:
    """W1 = integral |F - G| of every observable in units of the truth's standard deviation, and the mean over them.

    Errors are bootstraps of whole rows, so that the error of the mean knows how observables go together. W1 of
    two finite samples of one law is not zero but about 0.8 sd / sqrt(n): compare with a floor. An observable that is
    the same in all true rows has no such unit, and no value; the mean is over the others, and its note names it.
    """
    pairs = observables(evidence)
    names = [f"w1_{name}" for name in pairs]
    if why := missing(*pairs.values()):
        return undefined([*names, "w1_mean"], UNIT, "lower", why)
    flat = [name for name, (truth, _) in pairs.items() if without_spread(truth)]
    spread = {f"w1_{name}": standardised(*pair) for name, pair in pairs.items() if name not in flat}
    why = "all true rows have the same value, so that there is no standard deviation to measure in"
    found = undefined([f"w1_{name}" for name in flat], UNIT, "lower", why)
    if not spread:
        return found | undefined(("w1_mean",), UNIT, "lower", why)
    values, replicates = _resampled(list(spread.values()), evidence, scaled=True)
    n = len(evidence.truth)
    found |= {name: bootstrapped(v, r, n, UNIT, "lower") for name, v, r in zip(spread, values, replicates, strict=True)}
    with np.errstate(over="ignore"):
        mean = bootstrapped(values.mean(), replicates.mean(0), n, UNIT, "lower")
    if flat:
        note = f"without {', '.join(flat)}, of which all true rows have the same value"
        mean = mean.model_copy(update={"note": "; ".join(filter(None, (note, mean.note)))})
    return {name: found[name] for name in names} | {"w1_mean": mean}


def swd(evidence: Evidence) -> dict[str, Estimate]:
    """Sliced W1: the mean over 200 random directions of the W1 of projected, standardised features.

    Source: Bonneel et al., J. Math. Imaging Vis. 51, 22 (2015). In units of a feature (its standard deviation is about
    one). The error is the bootstrap of rows and, in quadrature, the scatter over directions.
    """
    truth, generated = features(evidence)
    if why := missing((truth, generated)):
        return undefined(("swd",), UNIT, "lower", why)
    truth, generated, exponent = centred(truth, generated)
    directions = evidence.rng.normal(size=(truth.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    lines = list(zip((truth @ directions).T, (generated @ directions).T, strict=True))
    values, replicates = (shifted(part, exponent) for part in _resampled(lines, evidence, scaled=False))
    with np.errstate(over="ignore"):
        rows = bootstrapped(values.mean(), replicates.mean(0), len(truth), UNIT, "lower")
    if rows.error is None:
        return {"swd": rows}
    return {"swd": rows.model_copy(update={"error": float(np.hypot(rows.error, deviation(values) / DIRECTIONS**0.5))})}


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
    difference = np.cumsum(weights[order], axis=0)[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.diff(pooled[order])
        return np.asarray(gaps @ np.abs(difference, out=difference))


METRICS: tuple[Metric, ...] = (
    Metric(
        "w1",
        "Wasserstein-1 distance of observables",
        "samples",
        w1,
        better="lower",
        columns=(
            MetricColumn(
                "w1_mean",
                "⟨W₁⟩",
                "mean over observables of the Wasserstein-1 distance, in standard deviations (sd) of the truth",
            ),
            MetricColumn(
                "w1_*",
                "W₁ *",
                "Wasserstein-1 distance of that observable, in standard deviations (sd) of the truth",
                shown=False,
            ),
        ),
    ),
    Metric(
        "swd",
        "sliced Wasserstein-1 distance of features",
        "samples",
        swd,
        better="lower",
        short="sliced W₁",
        meaning="mean Wasserstein-1 distance along directions in feature space",
    ),
)
