"""How time or memory grows with the number of qubits: t(n) = a + b 2^(c n), with intervals and goodness of fit."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, isfinite, log

import numpy as np
from scipy.optimize import brentq, leastsq
from scipy.stats import f as f_distribution

from qinn_bench.values import Array, Value

FEWEST = 4
"""Points that a fit of three numbers needs to know its errors."""
FLOOR = 1e-9
"""Relative scatter below which data count as exact."""
STARTS = (0.5, 1.0, 1.7)
FAR = {"b": 60.0, "c": 8.0}
"""How far an end of an interval is looked for, in the logarithm of b and in c."""


class Interval(Value):
    """A fitted number with its interval; an end is None where the data do not bound it."""

    value: float
    low: float | None
    high: float | None


class GrowthFit(Value):
    """t(n) = a + b 2^(c n) with a >= 0 and b > 0; a and b are in the unit of t.

    `scatter` is the root mean square of the relative residuals (with m - 3 degrees of freedom), `r2` the share of the
    variance of log t that the curve explains, `points` the number of points m.
    """

    a: Interval
    b: Interval
    c: Interval
    scatter: float
    r2: float
    points: int

    def at(self, n: float) -> float:
        """The fitted t(n)."""
        return self.a.value + self.b.value * 2 ** (self.c.value * n)


def fit(n: Array, t: Array, errors: Array | None = None, level: float = 0.95) -> GrowthFit:
    """Fit t(n) = a + b 2^(c n) by least squares of log t, weighted by relative `errors` where given.

    The scale of the errors is taken from the residuals, so only their ratios matter. Intervals are those of the
    profile: all values of a number at which the best fit over the others is not worse than the F distribution with
    (1, m - 3) degrees of freedom allows (Bates and Watts, Nonlinear Regression Analysis, 1988, ch. 6).

    Raises:
        ValueError: fewer than four points, or times that are not positive.
    """
    curve = FittedShape(n, t, errors)
    best = curve.best()
    least = curve.misfit(best)
    allowed = allowance(least, len(curve.n), level)

    def excess(name: str) -> Callable[[float], float]:
        return lambda value: curve.profile(name, value, best) - allowed

    s, log_b, c = best
    low_b, high_b = (_from_log(end, curve.scale) for end in _ends(excess("b"), log_b, FAR["b"]))
    low_c, high_c = (_finite(end) for end in _ends(excess("c"), c, FAR["c"]))
    centred = curve.log_t - np.average(curve.log_t, weights=curve.weights**2)
    return GrowthFit(
        a=_offset(excess("a"), s**2, curve.scale),
        b=Interval(value=curve.scale * exp(log_b), low=low_b, high=high_b),
        c=Interval(value=c, low=low_c, high=high_c),
        scatter=float(np.sqrt(least / (len(curve.n) - 3))),
        r2=float(1 - least / max(np.sum((curve.weights * centred) ** 2), least, 1e-300)),
        points=len(curve.n),
    )


def allowance(least: float, points: int, level: float = 0.95) -> float:
    """The weighted misfit up to which a value belongs to its interval, `least` being that of the best fit."""
    free = points - 3
    least = max(least, points * FLOOR**2)
    return least * (1 + float(f_distribution.ppf(level, 1, free)) / free)


class FittedShape:
    """Points of a curve and their weights; its numbers are (sqrt(a), log b, c) with t in units of `scale`."""

    def __init__(self, n: Array, t: Array, errors: Array | None = None) -> None:
        n, t = np.asarray(n, dtype=np.float64), np.asarray(t, dtype=np.float64)
        if len(n) < FEWEST or len(n) != len(t):
            raise ValueError(f"a scaling fit needs at least {FEWEST} points, not {len(n)}")
        if not (np.all(np.isfinite(t)) and np.all(t > 0)):
            raise ValueError("a scaling fit needs finite positive numbers")
        self.n, self.scale = n, float(t.min())
        self.log_t = np.log(t / self.scale)
        weights = np.ones(len(t)) if errors is None else t / np.asarray(errors, dtype=np.float64)
        self.weights = weights / np.sqrt(np.mean(weights**2))

    def residuals(self, s: float, log_b: float, c: float) -> Array:
        """The weighted logarithms of curve over point, ``(m,)``."""
        growing = log_b + log(2) * c * self.n
        fixed = 2 * log(abs(s)) if s else -inf
        return np.asarray(self.weights * (np.logaddexp(fixed, growing) - self.log_t))

    def slopes(self, s: float, log_b: float, c: float) -> Array:
        """The derivatives of the residuals, ``(m, 3)``."""
        growing = log_b + log(2) * c * self.n
        total = np.logaddexp(2 * log(abs(s)) if s else -inf, growing)
        share = self.weights * np.exp(growing - total)
        return np.stack([self.weights * 2 * s * np.exp(-total), share, share * log(2) * self.n], 1)

    def misfit(self, numbers: Array) -> float:
        """The sum of squared residuals."""
        return float(np.sum(self.residuals(*numbers) ** 2))

    def best(self) -> Array:
        """The numbers of least misfit, from several starts."""
        candidates = []
        for c in STARTS:
            log_b = self.log_t.max() - log(2) * c * self.n.max()
            candidates.append(self._least(np.array([0.7, log_b, c]), (0, 1, 2)))
        return min(candidates, key=self.misfit)

    def profile(self, name: str, value: float, best: Array) -> float:
        """The least misfit with one number held: a (in units of `scale`), the logarithm of b, or c."""
        held = "abc".index(name)
        value = float(np.sqrt(value)) if name == "a" else value
        free = tuple(k for k in range(3) if k != held)
        starts = [best.copy()]
        for c in STARTS if name != "c" else (value,):
            log_b = value if name == "b" else self.log_t.max() - log(2) * c * self.n.max()
            starts.append(np.array([0.7, log_b, c]))
        for start in starts:
            start[held] = value
        return min(self.misfit(self._least(start, free)) for start in starts)

    def _least(self, start: Array, free: tuple[int, ...]) -> Array:
        places = list(free)

        def filled(x: Array) -> Array:
            numbers = start.copy()
            numbers[places] = x
            return np.clip(numbers, -300, 300)

        def residuals(x: Array) -> Array:
            return self.residuals(*filled(x))

        def slopes(x: Array) -> Array:
            return self.slopes(*filled(x))[:, places]

        # Where a tends to 0 the steps of its root never end; the misfit is flat there. Full output does not warn.
        with np.errstate(over="ignore", invalid="ignore"):
            return filled(leastsq(residuals, start[places], Dfun=slopes, maxfev=500, full_output=True)[0])


def _ends(excess: Callable[[float], float], middle: float, far: float) -> tuple[float, float]:
    """Where the excess turns positive below and above, or infinity where it does not within `far`."""
    return _end(excess, middle, -far), _end(excess, middle, far)


def _end(excess: Callable[[float], float], middle: float, far: float) -> float:
    inside, step = middle, far / 1024
    for _ in range(11):
        outside = middle + step
        if excess(outside) > 0:
            return float(brentq(excess, inside, outside, xtol=1e-9 * max(1.0, abs(middle))))
        inside, step = outside, 2 * step
    return inf if far > 0 else -inf


def _offset(excess: Callable[[float], float], a: float, scale: float) -> Interval:
    """The interval of a, which cannot be negative; its profile is looked at in units of `scale`."""
    a = a if a > FLOOR else 0.0
    low = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, a, xtol=1e-12))
    high = _end(excess, a, 1024 * max(a, 1.0))
    return Interval(value=scale * a, low=scale * low, high=_finite(scale * high))


def _from_log(end: float, scale: float) -> float | None:
    return _finite(scale * exp(end)) if end < inf else None


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
