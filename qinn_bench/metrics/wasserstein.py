"""Wasserstein-1 distances: of every observable, and sliced over random directions of the features."""

from __future__ import annotations

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import features, missing, observables, undefined
from qinn_bench.statistics import resampling_counts
from qinn_bench.values import Array, Estimate

DIRECTIONS = 200
REPLICATES = 50
UNIT = "sd"


def w1(evidence: Evidence) -> dict[str, Estimate]:
    """W1 = integral |F - G| of every observable in units of the truth's standard deviation, and the mean over them.

    Errors are bootstraps of whole rows, so that the error of the mean knows how observables go together. W1 of
    two finite samples of one law is not zero but about 0.8 sd / sqrt(n): compare with a floor.
    """
    pairs = observables(evidence)
    names = [f"w1_{name}" for name in pairs]
    if why := missing(*pairs.values()):
        return undefined([*names, "w1_mean"], UNIT, "lower", why)
    truth, generated = (np.stack([pair[side] for pair in pairs.values()]) for side in (0, 1))
    values, replicates = _resampled(truth, generated, evidence)
    n = len(evidence.truth)
    found = {name: _estimate(v, r, n) for name, v, r in zip(names, values, replicates, strict=True)}
    return found | {"w1_mean": _estimate(values.mean(), replicates.mean(0), n)}


def swd(evidence: Evidence) -> dict[str, Estimate]:
    """Sliced W1: the mean over 200 random directions of the W1 of projected, standardised features.

    Source: Bonneel et al., J. Math. Imaging Vis. 51, 22 (2015). In units of a feature (its standard deviation is about
    one). The error is the bootstrap of rows and, in quadrature, the scatter over directions.
    """
    truth, generated = features(evidence)
    if why := missing((truth, generated)):
        return undefined(("swd",), UNIT, "lower", why)
    directions = evidence.rng.normal(size=(truth.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    values, replicates = _resampled((truth @ directions).T, (generated @ directions).T, evidence, scaled=False)
    rows = _estimate(values.mean(), replicates.mean(0), len(truth))
    if rows.error is None:
        return {"swd": rows}
    error = np.hypot(rows.error, np.std(values, ddof=1) / np.sqrt(DIRECTIONS))
    return {"swd": rows.model_copy(update={"error": float(error)})}


def _resampled(truth: Array, generated: Array, evidence: Evidence, scaled: bool = True) -> tuple[Array, Array]:
    """W1 of each line of ``(k, n)`` and ``(k, m)``: values ``(k,)`` and bootstrap replicates ``(k, REPLICATES)``.

    Without errors there are no replicates, ``(k, 0)``.
    """
    n, m = truth.shape[1], generated.shape[1]
    weights = np.empty((n + m, 1 + (REPLICATES if evidence.errors else 0)))
    weights[:n, 0], weights[n:, 0] = 1 / n, -1 / m
    if evidence.errors:
        weights[:n, 1:] = resampling_counts(n, REPLICATES, evidence.rng).T / n
        weights[n:, 1:] = -resampling_counts(m, REPLICATES, evidence.rng).T / m
    lines = np.stack([distances(np.concatenate(pair), weights) for pair in zip(truth, generated, strict=True)])
    if scaled:
        lines /= np.sqrt(truth**2 @ weights[:n] - (truth @ weights[:n]) ** 2)
    return lines[:, 0], lines[:, 1:]


def distances(pooled: Array, weights: Array) -> Array:
    """W1 between the positive and the negative weights ``(n, k) -> (k,)`` of pooled values ``(n,)``."""
    order = np.argsort(pooled)
    gaps = np.diff(pooled[order])
    difference = np.cumsum(weights[order], axis=0)[:-1]
    return np.asarray(gaps @ np.abs(difference, out=difference))


def _estimate(value: float, replicates: Array, n: int) -> Estimate:
    error = float(np.std(replicates, ddof=1)) if len(replicates) else None
    return Estimate(value=float(value), error=error, n=n, unit=UNIT, better="lower")


METRICS: tuple[Metric, ...] = (
    Metric(
        "w1",
        "Wasserstein-1 distance of observables",
        "samples",
        w1,
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
        short="sliced W₁",
        meaning="mean Wasserstein-1 distance along directions in feature space",
    ),
)
