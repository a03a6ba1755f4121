"""Three concentric rings in the plane, with their exact density."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from qinn_bench.data.toy import log_normal_density, plane_toy
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array

RADII = np.array([1.0, 2.0, 3.0])
SIGMA = 0.1


class Rings:
    """r = |N(R, 0.1^2)| with R = 1, 2 or 3 at equal chances, and a uniform angle.

    Example:
        >>> rows = Rings().sample(4, np.random.default_rng(0))
        >>> rows.shape, bool(np.isfinite(Rings().log_density(rows)).all())
        ((4, 2), True)
    """

    entropy = 2.647799
    """By quadrature over the radius, in nats."""

    def log_density(self, rows: Array) -> Array:
        """``(n, 2) -> (n,)``: the density of the radius, shared out over the circle of length 2 pi r."""
        radius = np.hypot(rows[:, 0], rows[:, 1])[:, None]
        signed = np.concatenate([radius, -radius], axis=1)[:, :, None]
        rings = logsumexp(log_normal_density(signed, RADII, SIGMA), axis=(1, 2)) - np.log(len(RADII))
        return np.asarray(rings - np.log(2 * np.pi * radius[:, 0]))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent points, ``(n, 2)``."""
        radius = np.abs(rng.choice(RADII, n) + SIGMA * rng.normal(size=n))
        angle = rng.uniform(-np.pi, np.pi, n)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def load(*, events: int = 40_000) -> Dataset:
    """Draw the rings."""
    return plane_toy("rings3", Rings(), events, (-3.5, 3.5, -3.5, 3.5), "rings of radius 1, 2, 3, each 0.1 wide")
