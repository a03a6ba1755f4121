"""Mixtures of normal distributions fitted by EM, in matrix products over all components at once.

The steps are those of `sklearn.mixture.GaussianMixture` from clusters of k-means, in a third of the time. What is
fitted only proposes draws, so that a mixture need not be converged; its density is what is evaluated.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from qinn_bench.values import Array

STEPS, GAIN = 60, 1e-3
"""Steps of EM at most, and the gain of the mean log-likelihood in nats below which there is no further one."""
FLOOR = 1e-6
"""Added to every variance, so that a component may stand on a single point."""
NEGLIGIBLE = 1e-12
"""Chance below which a row is left out of the spread of a component, which is then the same to nine digits."""
PART = 1024
"""Rows that are evaluated together: what is between stays in the cache."""


class FittedMixture(NamedTuple):
    """Shares ``(k,)`` that sum to one, centres ``(k, dim)`` and lower Cholesky factors ``(k, dim, dim)``.

    Example:
        >>> FittedMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None]).factor.shape
        (1, 2, 2)
    """

    share: Array
    centre: Array
    factor: Array


def fit_mixture(rows: Array, components: int, seed: int) -> FittedMixture:
    """A mixture of so many components fitted to rows ``(n, dim)``, from the clusters of k-means.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(500, 2)) + np.repeat([[0.0], [9.0]], 250, axis=0)
        >>> np.sort(fit_mixture(rows, 2, seed=0).centre[:, 0]).round().astype(int).tolist()
        [0, 9]
    """
    mean = rows.mean(0)
    centred = rows - mean
    with warnings.catch_warnings():
        # Rows that come many times make fewer clusters than were asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(components, n_init=1, random_state=seed).fit(centred)
    found, before = _maximised(centred, np.eye(components)[clusters.labels_]), -np.inf
    for _ in range(STEPS):
        chance, now = _expected(centred, found)
        found = _maximised(centred, chance)
        if now - before < GAIN:
            break
        before = now
    return found._replace(centre=found.centre + mean)


def _maximised(rows: Array, chance: Array) -> FittedMixture:
    """The mixture of the greatest likelihood for rows that belong to components with these chances ``(n, k)``."""
    weight = chance.sum(0) + 10 * np.finfo(np.float64).eps
    centre = (chance.T @ rows) / weight[:, None]
    spread = np.stack([_spread(rows, c, by) for c, by in zip(centre, np.ascontiguousarray(chance.T), strict=True)])
    variance = spread / weight[:, None, None] + FLOOR * np.eye(rows.shape[1])
    return FittedMixture(weight / weight.sum(), centre, np.linalg.cholesky(variance))


def _spread(rows: Array, centre: Array, chance: Array) -> Array:
    near = np.flatnonzero(chance > NEGLIGIBLE)
    away = rows[near] - centre
    return np.asarray((away * chance[near, None]).T @ away)


def _expected(rows: Array, mixture: FittedMixture) -> tuple[Array, float]:
    """The chances ``(n, k)`` that rows belong to components, and the mean log-likelihood of rows in nats."""
    constant = np.log(mixture.share) - log_volume(mixture.factor) - 0.5 * rows.shape[1] * np.log(2 * np.pi)
    joint = constant - 0.5 * squared_distances(rows, mixture.centre, mixture.factor)
    highest = joint.max(1, keepdims=True)
    np.exp(joint - highest, out=joint)
    total = joint.sum(1, keepdims=True)
    return joint / total, float(np.mean(highest + np.log(total)))


def log_volume(factor: Array) -> Array:
    """The logarithm of the determinant of each of the lower triangles ``(k, dim, dim) -> (k,)``."""
    return np.asarray(np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1))


def squared_distances(rows: Array, centre: Array, factor: Array) -> Array:
    """``(n, dim) -> (n, k)``: the squared length of L^-1 (x - c) for each centre c and lower triangle L.

    Example:
        >>> squared_distances(np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.eye(2)[None]).tolist()
        [[25.0]]
    """
    inverse = np.linalg.inv(factor)
    # One matrix product for each coordinate of all components; the last line takes the centres away.
    shift = -np.einsum("kij,kj->ik", inverse, centre)
    turns = np.concatenate([inverse.transpose(1, 2, 0), shift[:, None]], axis=1)
    found = np.empty((len(rows), len(centre)))
    for start in range(0, len(rows), PART):
        part = np.column_stack([rows[start : start + PART], np.ones(len(rows[start : start + PART]))])
        total = found[start : start + PART]
        np.square(part @ turns[0], out=total)
        for turn in turns[1:]:
            away = part @ turn
            total += np.square(away, out=away)
    return found
