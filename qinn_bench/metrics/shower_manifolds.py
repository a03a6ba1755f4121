"""Precision, density, recall and coverage of showers, and correlations between layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import bootstrapped, estimate, undefined
from qinn_bench.metrics._scales import ROUNDING
from qinn_bench.metrics._showers import ShowerSample, showers_of
from qinn_bench.statistics.estimates import resampling_counts
from qinn_bench.values import Array, Direction, Estimate

NEIGHBOURS = 5
EMPTY = 0.1
"""MeV that stands for an empty voxel before the logarithm is taken."""
MOST, BLOCK = 5000, 500
NAMES = ("prdc_precision", "prdc_recall", "prdc_density", "prdc_coverage")
REPLICATES = 50


class Manifolds(NamedTuple):
    """What each row is worth, whose means are the four numbers: ``(m,)`` of precision and density, which are of
    generated rows, ``(n,)`` of recall and coverage.

    Example:
        >>> Manifolds(np.ones(3), np.zeros(2), np.ones(3), np.ones(2)).coverage.tolist()
        [1.0, 1.0]
    """

    precision: Array
    recall: Array
    density: Array
    coverage: Array


def prdc(evidence: Evidence) -> dict[str, Estimate]:
    """Precision, recall, density and coverage (arXiv:2002.09797) with 5 neighbours, on logarithms of all voxels.

    Voxels below the cut count as 0.1 MeV. Precision is the share of generated showers within the 5th neighbour's
    distance of some true one, recall the same the other way round, density how many true showers a generated one is so
    near to, over 5, coverage the share of true showers with a generated one within their 5th neighbour's distance. Of
    the first 5000 of each at most. Density is best at one.
    """
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return {name: one for name in NAMES for one in [undefined((name,), "", _better(name), pair)[name]]}
    truth, generated = (
        np.log10(np.where(side.voxels > 0, side.voxels, EMPTY))[:MOST] for side in (pair.truth, pair.generated)
    )
    found = manifolds(truth, generated)
    values = zip(NAMES, found, strict=True)
    return {
        name: estimate(float(of.mean()), float(of.std(ddof=1) / np.sqrt(len(of))), len(of), better=_better(name))
        for name, of in values
    }


def _better(name: str) -> Direction:
    return "one" if name == "prdc_density" else "higher"


def manifolds(truth: Array, generated: Array, neighbours: int = NEIGHBOURS) -> Manifolds:
    """What each row of ``(n, dim)`` and ``(m, dim)`` is worth, with the distance to this neighbour as radius."""
    centre = truth.mean(axis=0)
    truth, generated = truth - centre, generated - centre
    radii, own_radii = _radii(truth, neighbours), _radii(generated, neighbours)
    inside, nearest, recall = np.zeros(len(generated)), np.full(len(truth), np.inf), np.zeros(len(truth), dtype=bool)
    for start in range(0, len(truth), BLOCK):
        part = slice(start, start + BLOCK)
        distances = _squared(truth[part], generated)
        inside += (distances < radii[part, None]).sum(axis=0)
        nearest[part] = distances.min(axis=1)
        recall[part] = (distances < own_radii).any(axis=1)
    return Manifolds(
        precision=(inside > 0).astype(np.float64),
        recall=recall.astype(np.float64),
        density=inside / neighbours,
        coverage=(nearest < radii).astype(np.float64),
    )


def _radii(rows: Array, neighbours: int) -> Array:
    """The squared distance of each row to so many-th nearest other one, ``(n,)``."""
    found = [
        np.partition(_squared(rows[start : start + BLOCK], rows), neighbours, axis=1)[:, neighbours]
        for start in range(0, len(rows), BLOCK)
    ]
    return np.concatenate(found)


def _squared(first: Array, second: Array) -> Array:
    products = first @ second.T
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * products
    return np.asarray(np.maximum(squares, 0.0))


def layer_correlation(evidence: Evidence) -> dict[str, Estimate]:
    """By how much correlations between the energies of layers differ: the mean and the largest size of the difference.

    Pearson's correlations of the energies over the incident energy, of each pair of layers; a layer without spread has
    a correlation of 0. Errors are bootstraps of whole showers.
    """
    names = ("layer_correlation_mean", "layer_correlation_max")
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return undefined(names, "", "lower", pair)
    if len(pair.calorimeter.layers) < 2:
        return undefined(names, "", "lower", "the calorimeter has one layer alone")
    sides = [_shares(side) for side in (pair.truth, pair.generated)]
    weights = [
        np.vstack([np.ones(len(side)), resampling_counts(len(side), REPLICATES * evidence.errors, evidence.rng)])
        if evidence.errors
        else np.ones((1, len(side)))
        for side in sides
    ]
    matrices = [_correlations(side, often) for side, often in zip(sides, weights, strict=True)]
    off = np.abs(matrices[0] - matrices[1])[:, *np.triu_indices(len(pair.calorimeter.layers), 1)]
    columns = off.mean(axis=1), off.max(axis=1)
    return {
        name: bootstrapped(float(of[0]), of[1:], pair.rows, "", "lower")
        for name, of in zip(names, columns, strict=True)
    }


def _shares(side: ShowerSample) -> Array:
    return np.asarray(side.features.layers / side.features.incident[:, None])


def correlations(shares: Array) -> Array:
    """Pearson's correlations of the columns of ``(n, layers)``; 0 of a column without spread.

    Example:
        >>> correlations(np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0]])).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return np.asarray(_correlations(shares, np.ones((1, len(shares))))[0])


def _correlations(shares: Array, often: Array) -> Array:
    """The same for rows that count ``often[k, i]`` times, ``(k, layers, layers)``."""
    found = []
    for weights in often / often.sum(axis=1, keepdims=True):
        off = shares - weights @ shares
        covariance = (off.T * weights) @ off
        width = np.sqrt(np.diag(covariance))
        flat = width <= ROUNDING * np.abs(shares).max(axis=0)
        scale = np.where(flat, np.inf, width)
        matrix = covariance / np.outer(scale, scale)
        np.fill_diagonal(matrix, 1.0)
        found.append(matrix)
    return np.stack(found)


METRICS: tuple[Metric, ...] = (
    Metric(
        "prdc",
        "precision, recall, density and coverage of showers",
        "samples",
        prdc,
        better="higher",
        of_showers=True,
        columns=(
            MetricColumn(
                "prdc_precision", "precision", "share of generated showers that lie among true ones", shown=False
            ),
            MetricColumn("prdc_recall", "recall", "share of true showers that lie among generated ones", shown=False),
            MetricColumn(
                "prdc_density", "density", "how many true showers a generated one is near to, over 5", better="one"
            ),
            MetricColumn("prdc_coverage", "coverage", "share of true showers with a generated one near to them"),
        ),
    ),
    Metric(
        "layer_correlation",
        "correlations between the energies of layers",
        "samples",
        layer_correlation,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn(
                "layer_correlation_mean", "⟨Δρ⟩", "mean difference of the correlations between energies of layers"
            ),
            MetricColumn("layer_correlation_max", "max Δρ", "largest difference of these correlations", shown=False),
        ),
    ),
)
