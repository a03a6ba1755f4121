"""Two half circles convolved with a Gaussian, with their exact density."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from qinn_bench.data.toy import log_normal_density, plane_toy
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array

SIGMA = 0.1
NODES = 80
CHUNK = 4096


class Moons:
    """A uniform angle t in (0, pi) on (cos t, sin t) or (1 - cos t, 1/2 - sin t) at equal chances, plus N(0, 0.1^2).

    Example:
        >>> rows = Moons().sample(4, np.random.default_rng(0))
        >>> rows.shape, bool(np.isfinite(Moons().log_density(rows)).all())
        ((4, 2), True)
    """

    entropy = 1.007585
    """By quadrature over the plane, in nats."""

    def __init__(self) -> None:
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        angle = 0.5 * np.pi * (nodes + 1)
        self._points = np.concatenate([arc(angle, 0), arc(angle, 1)])
        self._log_weights = np.log(np.tile(weights, 2) / 4)

    def log_density(self, rows: Array) -> Array:
        """``(n, 2) -> (n,)``: the integral over the angle by Gauss-Legendre quadrature.

        Nodes are less than two thirds of a standard deviation apart, where the quadrature is exact to rounding.
        """
        parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return np.concatenate([self._block(part) for part in parts]) if parts else np.zeros(0)

    def _block(self, rows: Array) -> Array:
        spread = log_normal_density(rows[:, None, :], self._points, SIGMA).sum(axis=2)
        return np.asarray(logsumexp(spread + self._log_weights, axis=1))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent points, ``(n, 2)``."""
        lower = rng.integers(2, size=n).astype(bool)
        angle = rng.uniform(0.0, np.pi, n)
        points = np.where(lower[:, None], arc(angle, 1), arc(angle, 0))
        return np.asarray(points + SIGMA * rng.normal(size=(n, 2)))


def arc(angle: Array, which: int) -> Array:
    """Points ``(n, 2)`` of the upper (0) or the lower (1) half circle."""
    if which == 0:
        return np.column_stack([np.cos(angle), np.sin(angle)])
    return np.column_stack([1 - np.cos(angle), 0.5 - np.sin(angle)])


def load(*, events: int = 40_000) -> Dataset:
    """Draw the moons."""
    return plane_toy("moons", Moons(), events, (-1.5, 2.5, -1.0, 1.5), "two half circles with Gaussian noise of 0.1")
