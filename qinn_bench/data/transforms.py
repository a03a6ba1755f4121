"""Invertible maps from physical rows to features, with their exact log-Jacobians; they compose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit, ndtr, ndtri

from qinn_bench.dataset import Transform
from qinn_bench.values import Array

# Exponents are cut off here on the way back, so that finite features always give finite rows; e^100 is far outside.
LIMIT = 100.0
LOG_SQRT_2PI = 0.5 * float(np.log(2 * np.pi))


class Map(Protocol):
    """An increasing or decreasing function of one real variable, applied elementwise."""

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and log |dy/dx|; NaN or infinite outside the domain."""

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: x."""


@dataclass(frozen=True)
class Identity:
    """y = x.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> Identity().forward(x)[1].tolist()
        [0.0, 0.0]
    """

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: x and zeros."""
        return x, np.zeros_like(x)

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: y."""
        return y


@dataclass(frozen=True)
class Affine:
    """y = (x - shift) / scale.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> Affine(shift=0.25, scale=0.5).forward(x)[0].tolist()
        [0.0, 0.5]
    """

    shift: float
    scale: float

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and -log |scale|."""
        return (x - self.shift) / self.scale, np.full_like(x, -np.log(abs(self.scale)))

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: shift + scale y."""
        return self.shift + self.scale * y


@dataclass(frozen=True)
class LogShift:
    """y = log(x - low) on x > low, in the unit of x.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> y, slope = LogShift(low=-1.0).forward(x)
        >>> LogShift(low=-1.0).inverse(y).tolist()
        [0.25, 0.5]
    """

    low: float = 0.0

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and -y."""
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.log(x - self.low)
        return y, -y

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: low + e^y."""
        return self.low + np.exp(np.clip(y, -LIMIT, LIMIT))


@dataclass(frozen=True)
class Logit:
    """y = log((x - low) / (high - x)) on low < x < high.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> Logit(0.0, 1.0).forward(x)[0].round(3).tolist()
        [-1.099, 0.0]
    """

    low: float
    high: float

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and the log of dy/dx = (high - low) / ((x - low) (high - x))."""
        with np.errstate(divide="ignore", invalid="ignore"):
            below, above = np.log(x - self.low), np.log(self.high - x)
        return below - above, np.log(self.high - self.low) - below - above

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: x, measured from the nearer end so that both tails keep their precision."""
        from_end = (self.high - self.low) * expit(-np.abs(y))
        return np.asarray(np.where(y > 0, self.high - from_end, self.low + from_end))


@dataclass(frozen=True)
class Probit:
    """y = Phi^-1((x - low) / (high - low)): a standard normal if x is uniform on low < x < high.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> Probit(0.0, 1.0).forward(x)[0].round(3).tolist()
        [-0.674, 0.0]
    """

    low: float
    high: float

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and the log of dy/dx = 1 / ((high - low) N(y; 0, 1))."""
        from_end = np.minimum(x - self.low, self.high - x) / (self.high - self.low)
        y = np.copysign(ndtri(from_end), x - 0.5 * (self.low + self.high))
        return y, 0.5 * y**2 + LOG_SQRT_2PI - np.log(self.high - self.low)

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: x, measured from the nearer end so that both tails keep their precision."""
        from_end = (self.high - self.low) * ndtr(-np.abs(y))
        return np.asarray(np.where(y > 0, self.high - from_end, self.low + from_end))


@dataclass(frozen=True)
class Arcsinh:
    """y = arcsinh(x): x near zero, and the logarithm of 2 |x| with the sign of x far from it.

    Example:
        >>> x = np.array([0.25, 0.5])
        >>> Arcsinh().inverse(Arcsinh().forward(x)[0]).round(6).tolist()
        [0.25, 0.5]
    """

    def forward(self, x: Array) -> tuple[Array, Array]:
        """``(n,) -> (n,), (n,)``: y and -log(1 + x^2) / 2."""
        return np.arcsinh(x), -np.log(np.hypot(1.0, x))

    def inverse(self, y: Array) -> Array:
        """``(n,) -> (n,)``: sinh(y)."""
        return np.asarray(np.sinh(np.clip(y, -LIMIT, LIMIT)))


@dataclass(frozen=True)
class Columnwise:
    """One map a column.

    Example:
        >>> rows = np.array([[0.5, 3.0]])
        >>> Columnwise((Logit(0.0, 1.0), Affine(1.0, 2.0))).forward(rows)[0].tolist()
        [[0.0, 1.0]]
    """

    maps: tuple[Map, ...]

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features and the sum of the columns' log-derivatives."""
        parts = [one.forward(column) for one, column in zip(self.maps, rows.T, strict=True)]
        return np.column_stack([y for y, _ in parts]), np.sum([slope for _, slope in parts], axis=0)

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the rows."""
        return np.column_stack([one.inverse(y) for one, y in zip(self.maps, features.T, strict=True)])


@dataclass(frozen=True)
class AsTheyAre:
    """Features are the rows, whatever their shape.

    Example:
        >>> AsTheyAre().forward(np.ones((2, 1, 3, 3)))[1].tolist()
        [0.0, 0.0]
    """

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, *shape) -> (n, *shape), (n,)``: the rows and zeros."""
        return rows, np.zeros(len(rows))

    def inverse(self, features: Array) -> Array:
        """``(n, *shape) -> (n, *shape)``: the features."""
        return features


@dataclass(frozen=True)
class FixedRange:
    """Each column from its range, which was fixed before any row was seen, to [0, top].

    Example:
        >>> FixedRange(lows=(0.0, -1.0), highs=(10.0, 1.0), top=2.0).forward(np.array([[5.0, 1.0]]))[0].tolist()
        [[1.0, 2.0]]
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    top: float

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features and the sum of the logarithms of the scales."""
        low, high = np.array(self.lows), np.array(self.highs)
        scale = self.top / (high - low)
        return (rows - low) * scale, np.full(len(rows), np.log(scale).sum())

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the rows."""
        low, high = np.array(self.lows), np.array(self.highs)
        return np.asarray(features * ((high - low) / self.top) + low)


@dataclass(frozen=True)
class Chain:
    """Transforms one after the other, the first one first.

    Example:
        >>> rows = np.array([[1.0], [3.0]])
        >>> chain = Chain((Columnwise((LogShift(),)), Columnwise((Affine(0.0, 2.0),))))
        >>> bool(np.allclose(chain.inverse(chain.forward(rows)[0]), rows))
        True
    """

    steps: tuple[Transform, ...]

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features after the last step and the sum of the log-Jacobians."""
        logdet = np.zeros(len(rows))
        for step in self.steps:
            rows, one = step.forward(rows)
            logdet = logdet + one
        return rows, logdet

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the rows before the first step."""
        for step in reversed(self.steps):
            features = step.inverse(features)
        return features


def standardise(features: Array) -> Columnwise:
    """The affine map that gives these features ``(n, dim)`` mean 0 and standard deviation 1 column by column."""
    return Columnwise(tuple(Affine(float(column.mean()), float(column.std())) for column in features.T))


def fitted(steps: Sequence[Transform], train: Array) -> Chain:
    """The steps one after the other, and then the standardisation that fits training rows ``(n, dim)``."""
    chain = Chain(tuple(steps))
    return Chain((*chain.steps, standardise(chain.forward(train)[0])))
