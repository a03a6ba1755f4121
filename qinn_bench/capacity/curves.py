"""Quality against size: a power law and a monotone curve of a family."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import isotonic_regression, least_squares

from qinn_bench.statistics.estimates import jackknife_variance
from qinn_bench.values import Array

STEEPEST = 5.0


class PowerLaw(NamedTuple):
    """loss(p) = floor + amplitude (p / p_0)^-exponent with p_0 the geometric mean of the sizes; chi2 of the means.

    Example:
        >>> law = PowerLaw(floor=1.0, amplitude=2.0, exponent=0.5, centre=100.0, chi2=0.0)
        >>> law(np.array([100.0, 400.0])).tolist()
        [1.0369411057174171e+21, 5.1847055285870756e+20]
    """

    floor: float
    amplitude: float
    exponent: float
    centre: float
    chi2: float

    def __call__(self, sizes: Array) -> Array:
        """The losses ``(n,)`` at these sizes."""
        return np.asarray(self.floor + self.amplitude * np.exp(-self.exponent * (np.log(sizes) - self.centre)))


def power_law(sizes: Array, losses: Array) -> PowerLaw:
    """The power law through the means over seeds, weighted by their pooled error, with a loss that bounds outliers.

    `sizes` is ``(n,)`` with n >= 3, `losses` ``(n, seeds)``, less being better. Amplitude and exponent are not
    negative.
    """
    means = losses.mean(1)
    error = standard_error(losses)
    centre = float(np.log(sizes).mean())
    x = np.log(sizes) - centre
    span = max(float(np.ptp(means)), 1e-9)

    def misfit(free: Array) -> Array:
        return np.asarray((free[0] + free[1] * np.exp(-free[2] * x) - means) / error)

    fitted = min(
        (
            least_squares(
                misfit,
                [means.min() - span / 2, span, start],
                bounds=([-np.inf, 0, 0], [np.inf, np.inf, STEEPEST]),
                x_scale=[span, span, 0.3],
                loss="soft_l1",
            )
            for start in (0.1, 0.5, 1.5)
        ),
        key=lambda fit: float(fit.cost),
    )
    floor, amplitude, exponent = (float(x) for x in fitted.x)
    return PowerLaw(floor, amplitude, exponent, centre, float(np.sum(misfit(fitted.x) ** 2)))


def standard_error(losses: Array) -> float:
    """The error of a mean over seeds, pooled over the sizes ``(n, seeds)``; tiny but not zero where seeds agree."""
    pooled = float(np.sqrt(losses.var(1, ddof=1).mean() / losses.shape[1])) if losses.shape[1] > 1 else 0.0
    return max(pooled, 1e-6 * max(float(np.abs(losses).max()), 1.0))


def jackknife(sizes: Array, losses: Array) -> PowerLaw:
    """The standard errors of floor, amplitude and exponent from leaving out each seed in turn (Efron and Stein 1981).

    A seed is left out of all sizes at once, because it means the same batches at each of them. `chi2` is 0.
    """
    n = losses.shape[1]
    fits = np.array([power_law(sizes, np.delete(losses, k, axis=1))[:3] for k in range(n)])
    errors = np.sqrt(jackknife_variance(fits))
    floor, amplitude, exponent = (float(x) for x in errors)
    return PowerLaw(floor, amplitude, exponent, 0.0, 0.0)


def monotone(sizes: Array, losses: Array) -> CubicHermiteSpline:
    """A curve of log size that never rises: isotonic regression of the means, joined by monotone cubics.

    The slope at a size is that of the cubics through the four sizes around it, held to three times the flatter of the
    two chords that meet there, which keeps the curve monotone (Fritsch and Carlson, SIAM J. Numer. Anal. 17, 238
    (1980); Hyman, SIAM J. Sci. Stat. Comput. 4, 645 (1983)). Slopes from three sizes
    meet a power law less closely.

    Example:
        >>> sizes = np.array([100.0, 200.0, 400.0, 800.0])
        >>> losses = np.array([[4.0, 4.2], [3.0, 3.2], [3.1, 3.3], [2.0, 2.2]])  # the third mean lies above the second
        >>> monotone(sizes, losses)(np.log([100.0, 200.0, 400.0])).round(2).tolist()
        [4.1, 3.15, 3.15]
    """
    x = np.log(sizes)
    level = np.asarray(isotonic_regression(losses.mean(1), increasing=False).x)
    chords = np.diff(level) / np.diff(x)
    flatter = np.maximum(np.concatenate([chords[:1], chords]), np.concatenate([chords, chords[-1:]]))
    slopes = np.clip(_slope_weights(tuple(map(float, x))) @ level, 3 * flatter, 0)
    return CubicHermiteSpline(x, level, slopes, extrapolate=False)


@cache
def _slope_weights(x: tuple[float, ...]) -> Array:
    """``(n, n)``: the slope at each of n places of the cubics through the (at most) four around it, as weights of the
    values there; inside, the mean of the two cubics that it has as many neighbours of on one side as on the other."""
    at, n = np.array(x), len(x)
    width = min(4, n)
    weights = np.zeros((n, n))
    for j in range(n):
        starts = {int(np.clip(j - width // 2 + one, 0, n - width)) for one in (0, 1)}
        for start in starts:
            powers = np.vander(at[start : start + width] - at[j], increasing=True)
            weights[j, start : start + width] += np.linalg.inv(powers)[1] / len(starts)
    return weights
