"""ROC curves of scores: area with its error by DeLong, points of operation, and bootstrap samples of both classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from qinn_bench.statistics.estimates import ONE_SIGMA
from qinn_bench.values import Array

NO_SCATTER = 1e-12
REPLICATES = 200


def placements(signal: Array, background: Array) -> tuple[Array, Array]:
    """For each signal row ``(n,)`` the share of background below it, for each background row ``(m,)`` that of signal
    above it; ties count half.

    The mean of either is the area under the curve. Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 837
    (1988), by the mid-ranks of Sun and Xu, IEEE Signal Process. Lett. 21, 1389 (2014).

    Example:
        >>> placements(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
        (array([0.75, 1.  ]), array([1.  , 0.75]))
    """
    n, m = len(signal), len(background)
    pooled = rankdata(np.concatenate([signal, background]))
    return (pooled[:n] - rankdata(signal)) / m, 1 - (pooled[n:] - rankdata(background)) / n


def row_values(scores: Array, labels: Array) -> Array:
    """What each row adds to the area: values ``(n,)`` whose mean is the area, and whose standard error is DeLong's.

    Differences of two scores of the same rows have the standard error of DeLong's covariance. Labels are 0 for
    background and 1 for signal.

    Example:
        >>> values = row_values(np.array([0.0, 1.0, 1.0, 3.0]), np.array([0, 0, 1, 1]))
        >>> float(values.mean())
        0.875
    """
    is_signal = labels == 1
    above, below = placements(scores[is_signal], scores[~is_signal])
    area, n = above.mean(), len(scores)
    values = np.empty(n)
    for rows, of in ((is_signal, above), (~is_signal, below)):
        values[rows] = area + (of - area) * n / len(of)
    return values


def area(signal: Array, background: Array) -> tuple[float, float]:
    """The area under the curve and its standard error by DeLong.

    The error is zero where all pairs are ordered alike, which says nothing of pairs that were not drawn; it is then the
    length of the 68 % interval of Clopper and Pearson, Biometrika 26, 404 (1934), after min(n, m) independent pairs
    without an exception: 1 - 0.159^(1 / min(n, m)), about 1.84 / min(n, m) where there are many.

    Example:
        >>> area(np.array([2.0, 3.0]), np.array([0.0, 1.0]))[0]
        1.0
    """
    n, m = len(signal), len(background)
    above, below = placements(signal, background)
    error = float(np.sqrt(np.var(above, ddof=1) / n + np.var(below, ddof=1) / m))
    if error < NO_SCATTER:
        error = float(1 - ((1 - ONE_SIGMA) / 2) ** (1 / min(n, m)))
    return float(above.mean()), error


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve from (0, 0) to (1, 1): shares of background and of signal at or above falling thresholds, ``(k,)``.

    Rows with equal scores pass a threshold together, so that the curve between two points is a line; the area below it
    counts ties half.

    Example:
        >>> curve = curve_of(np.array([2.0, 3.0]), np.array([0.0, 1.0, 2.0, 2.5]))
        >>> curve.background.tolist(), curve.signal.tolist()
        ([0.0, 0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0, 1.0])
        >>> curve.signal_at(0.25), curve.background_at(0.5), curve.area
        (0.5, 0.0, 0.8125)
    """

    background: Array
    signal: Array

    @property
    def area(self) -> float:
        """The area under the curve."""
        return float(np.sum(np.diff(self.background) * (self.signal[1:] + self.signal[:-1]) / 2))

    def signal_at(self, background: float) -> float:
        """The largest share of signal that passes with this share of background."""
        at = int(np.searchsorted(self.background, background, side="right")) - 1
        if at == len(self.background) - 1:
            return 1.0
        share = (background - self.background[at]) / (self.background[at + 1] - self.background[at])
        return float(self.signal[at] + share * (self.signal[at + 1] - self.signal[at]))

    def background_at(self, signal: float) -> float:
        """The smallest share of background that passes with this share of signal."""
        at = int(np.searchsorted(self.signal, signal, side="left"))
        if at == 0:
            return 0.0
        share = (signal - self.signal[at - 1]) / (self.signal[at] - self.signal[at - 1])
        return float(self.background[at - 1] + share * (self.background[at] - self.background[at - 1]))

    def improvement(self, least: float) -> float:
        """The largest signal share over the root of the background share, of points with `least` background share."""
        kept = self.background >= least
        return float(np.max(self.signal[kept] / np.sqrt(self.background[kept])))


class LabelledScores:
    """Scores of signal ``(n,)`` and of background ``(m,)``, sorted once, for curves of them and of bootstrap samples.

    Example:
        >>> scores = LabelledScores(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
        >>> scores.curve().area, len(scores.resampled(3, np.random.default_rng(0)))
        (1.0, 3)
    """

    def __init__(self, signal: Array, background: Array) -> None:
        _, places = np.unique(-np.concatenate([signal, background]), return_inverse=True)
        self.length = int(places.max()) + 1
        self.signal, self.background = places[: len(signal)], places[len(signal) :]

    def curve(self) -> RocCurve:
        """The curve of all rows."""
        return RocCurve(self._passing(self.background), self._passing(self.signal))

    def resampled(self, replicates: int, rng: np.random.Generator) -> list[RocCurve]:
        """Curves of bootstrap samples, in which signal and background are drawn anew each by itself."""
        return [RocCurve(self._drawn(self.background, rng), self._drawn(self.signal, rng)) for _ in range(replicates)]

    def _drawn(self, places: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return self._passing(places[rng.integers(len(places), size=len(places))])

    def _passing(self, places: NDArray[np.intp]) -> Array:
        counts = np.cumsum(np.bincount(places, minlength=self.length))
        return np.concatenate([[0.0], counts / len(places)])


def curve_of(signal: Array, background: Array) -> RocCurve:
    """The ROC curve of scores of signal ``(n,)`` and background ``(m,)``."""
    return LabelledScores(signal, background).curve()
