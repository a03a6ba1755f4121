"""Eight Gaussians on a circle, with their exact density."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from qinn_bench.data.toy import log_normal_density, plane_toy
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array

SIGMA = 0.2
ANGLES = np.arange(8) * np.pi / 4
CENTRES = 2.0 * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])


class Mixture:
    """N(c, 0.2^2) around eight centres c at equal chances, evenly spaced on the circle of radius 2.

    Example:
        >>> rows = Mixture().sample(4, np.random.default_rng(0))
        >>> rows.shape, bool(np.isfinite(Mixture().log_density(rows)).all())
        ((4, 2), True)
    """

    entropy = 1.698061
    """By quadrature over the plane, in nats."""

    def log_density(self, rows: Array) -> Array:
        """``(n, 2) -> (n,)``."""
        parts = log_normal_density(rows[:, None, :], CENTRES, SIGMA).sum(axis=2)
        return np.asarray(logsumexp(parts, axis=1) - np.log(len(CENTRES)))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent points, ``(n, 2)``."""
        return np.asarray(CENTRES[rng.integers(len(CENTRES), size=n)] + SIGMA * rng.normal(size=(n, 2)))


def load(*, events: int = 40_000) -> Dataset:
    """Draw the mixture."""
    return plane_toy("gmm8", Mixture(), events, (-3.0, 3.0, -3.0, 3.0), "8 Gaussians of width 0.2 at radius 2")
