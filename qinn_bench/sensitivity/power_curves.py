"""What metrics can see: alarms, power curves under planted deformations, and the smallest strength that is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._take import attempt
from qinn_bench.seeds import numpy_rng
from qinn_bench.sensitivity.deformations import DEFORMATIONS, NONE, Deformation, Pool, draw, marginal
from qinn_bench.sensitivity.licence import ALARMS, POWER, Sight
from qinn_bench.statistics.direction import competes, loss
from qinn_bench.values import Array, Direction, Estimate

NULLS = 5
"""Undeformed samples for one deformed one of a strength: the alarm is shared by all deformations."""
FRESH = 1_000_000
"""Repeats from this one on are drawn for no licence."""
COARSE = 8
STEPS = 16
STEEP = 3.0, 0.7
"""Prior of the slope of a power curve in the logarithm of the strength: its median, and the spread of its logarithm.

A value that grows linearly above normal noise has 2.3, one that grows with the square 4.7.
"""


class Sample(NamedTuple):
    """Values and errors ``(repeats,)`` of repeated samples, NaN where there are none, and which way is better.

    Example:
        >>> Sample(np.array([0.1, 0.2]), np.array([0.01, 0.01]), "lower").better
        'lower'
    """

    values: Array
    errors: Array
    better: Direction


class Crossing(NamedTuple):
    """Where a power curve crosses the wanted power: the strength and its 95 % interval.

    Example:
        >>> Crossing(strength=0.07, low=0.05, high=0.09).strength
        0.07
    """

    strength: float
    low: float
    high: float


def sights(
    metric: Metric,
    source: Pool,
    n: int,
    repeats: int,
    planted: Sequence[Deformation] = DEFORMATIONS,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[Sight]:
    """What every column of a metric sees with samples of `n` rows; empty where the metric has nothing to look at.

    A column of one observable is licensed on that observable alone, every other one on whole rows.
    """
    if metric.needs == "density" and source.data.density is None:
        return []
    seen = []
    for subject, columns in _subjects(metric, source, n).items():
        part = marginal(source, subject) if subject else source
        null = simulate(metric, part, n, NONE, 0.0, range(NULLS * repeats))
        for deformation in planted:
            if deformation.needs <= part.dim and _applies(metric, part, n, deformation):
                on_step(f"{metric.name} {subject} {deformation.name}, {n} rows".replace("  ", " "))
                curve = _Curve(metric, part, n, deformation)
                seen += [_sight(curve, column, null[column], repeats) for column in columns]
    return seen


def kept(metric: Metric, source: Pool, sight: Sight, repeats: int) -> tuple[float, float]:
    """The shares of alarms in fresh samples without the deformation of a sight and at its smallest strength seen.

    `source` is what the sight was found on; the licence keeps its word if these are about 5 % and 95 %.
    """
    fresh, deformation = range(FRESH, FRESH + repeats), next(d for d in DEFORMATIONS if d.name == sight.deformation)
    null = simulate(metric, source, sight.samples, NONE, 0.0, range(sight.null))[sight.column]
    edge, strength = threshold(alarm(null)), sight.epsilon or sight.top
    plain = simulate(metric, source, sight.samples, NONE, 0.0, fresh)[sight.column]
    flawed = simulate(metric, source, sight.samples, deformation, strength, fresh)[sight.column]
    return float(np.mean(excess(plain, null) > edge)), float(np.mean(excess(flawed, null) > edge))


def _subjects(metric: Metric, source: Pool, n: int) -> dict[str, list[str]]:
    """The columns of a metric by the observable that each is of; "" for those of whole rows."""
    columns = simulate(metric, source, n, NONE, 0.0, range(1))
    names = {f"{metric.name}_{plot.name}": plot.name for plot in source.data.plots}
    columns_of: dict[str, list[str]] = {}
    for column in columns:
        columns_of.setdefault(names.get(column, ""), []).append(column)
    return columns_of


def _applies(metric: Metric, source: Pool, n: int, deformation: Deformation) -> bool:
    """Whether the density of the deformed rows is known where the metric looks at it."""
    if metric.needs == "samples":
        return True
    rng = numpy_rng("licence", "probe")
    return deformation.plant(source, draw(source, n, rng), 0.1, rng).log_prob is not None


def simulate(
    metric: Metric, source: Pool, n: int, deformation: Deformation, strength: float, repeats: Sequence[int]
) -> dict[str, Sample]:
    """Every column of a metric on true samples against deformed ones, of `n` rows each and without a row in common."""
    drawn = [_once(metric, source, n, deformation, strength, i) for i in repeats]
    return {
        column: Sample(
            np.array([_number(one[column].value) for one in drawn]),
            np.array([_number(one[column].error) for one in drawn]),
            first.better,
        )
        for column, first in drawn[0].items()
    }


def _once(
    metric: Metric, source: Pool, n: int, deformation: Deformation, strength: float, repeat: int
) -> dict[str, Estimate]:
    subject = ",".join(column.name for column in source.data.columns)
    names = (source.data.name, subject, metric.name, n, deformation.name, f"{strength:.6g}", repeat)
    rng = numpy_rng("licence", *names)
    drawn = draw(source, n, rng)
    planted = deformation.plant(source, drawn, strength, rng)
    truth = source.rows[drawn.truth]
    return attempt(
        metric,
        Evidence(
            data=replace(source.data, test=truth),
            truth=truth,
            generated=planted.rows,
            log_prob=planted.log_prob,
            mass=Estimate(value=1.0, error=0.0),
            rng=rng,
            errors=False,
        ),
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def excess(sample: Sample, null: Sample) -> Array:
    """How far values are on the side of the worse, ``(k,)``, on the scale on which the alarm of `null` is set.

    Where all true samples have one and the same value, as a likelihood has that is compared with the truth row by row,
    the scale is that of the error of each value.
    """
    away = distance(sample.values, sample.better, null.values)
    if not _constant(null):
        return away
    gap = away - distance(null.values[:1], null.better, null.values)
    return np.divide(gap, sample.errors, out=gap, where=sample.errors > 0)


def alarm(null: Sample) -> Array:
    """The excess ``(k,)`` of true samples; normal quantiles where these all have one and the same value."""
    k = len(null.values)
    return ndtri((np.arange(k) + 0.5) / k) if _constant(null) else excess(null, null)


def _constant(null: Sample) -> bool:
    return bool(np.all(null.values == null.values[0]))


def distance(values: Array, better: Direction, null: Array) -> Array:
    """How far values are on the side of the worse, ``(k,) -> (k,)``; a value that does not exist is infinitely far."""
    middle = np.nanmedian(null) if np.isfinite(null).any() else 0.0
    away = loss(values, better) if competes(better) else np.abs(values - middle)
    return np.where(np.isnan(values), np.inf, away)


def threshold(null: Array, alarms: float = ALARMS) -> float:
    """The distance that a true sample exceeds with chance `alarms` at most, from distances ``(k,)`` of true samples.

    It is the order statistic j of k whose mean exceedance (k + 1 - j) / (k + 1) is at most `alarms`.
    """
    j = int(np.ceil((1 - alarms) * (len(null) + 1)))
    return float(np.sort(null)[min(j, len(null)) - 1])


class _Curve:
    """The power curve of a metric under one deformation, simulated where it is asked for and remembered."""

    def __init__(self, metric: Metric, source: Pool, n: int, deformation: Deformation) -> None:
        self.metric, self.source, self.n, self.deformation = metric, source, n, deformation
        self.strengths = deformation.top * 2.0 ** (-np.arange(STEPS, -1, -1) / 2)
        self._known: dict[int, dict[str, Sample]] = {}

    def at(self, step: int, column: str, repeats: int) -> Sample:
        """At least `repeats` values of a column at one strength."""
        known = self._known.get(step, {})
        done = len(known[column].values) if known else 0
        if done < repeats:
            strength, left = float(self.strengths[step]), range(done, repeats)
            more = simulate(self.metric, self.source, self.n, self.deformation, strength, left)
            self._known[step] = {c: _joined(known[c], new) if known else new for c, new in more.items()}
        return self._known[step][column]

    def known(self, column: str) -> Iterator[tuple[float, Sample]]:
        """Strengths and the values of a column there."""
        for step, samples in sorted(self._known.items()):
            yield float(self.strengths[step]), samples[column]


def _joined(first: Sample, second: Sample) -> Sample:
    return Sample(np.append(first.values, second.values), np.append(first.errors, second.errors), first.better)


def _sight(curve: _Curve, column: str, null: Sample, repeats: int) -> Sight:
    undeformed = alarm(null)
    edge = threshold(undeformed)
    _explore(curve, column, lambda sample: float(np.mean(excess(sample, null) > edge)), repeats)
    crossing = _crossing([(strength, excess(sample, null)) for strength, sample in curve.known(column)], undeformed)
    seen = crossing.strength <= curve.deformation.top
    return Sight(
        metric=curve.metric.name,
        column=column,
        samples=curve.n,
        deformation=curve.deformation.name,
        epsilon=crossing.strength if seen else None,
        low=crossing.low if seen else None,
        high=crossing.high if seen else None,
        top=curve.deformation.top,
        repeats=repeats,
        null=len(undeformed),
    )


def _explore(curve: _Curve, column: str, rate: Callable[[Sample], float], repeats: int) -> None:
    """Bisect for the strength where three of four samples raise the alarm, and sample more around and above it."""
    low, high = -1, STEPS + 1
    while high - low > 1:
        middle = (low + high) // 2
        seen = rate(curve.at(middle, column, min(COARSE, repeats))) >= 0.75
        low, high = (low, middle) if seen else (middle, high)
    for step in (low, high, high + 1):
        if 0 <= step <= STEPS:
            curve.at(step, column, repeats)


def _crossing(distances: Sequence[tuple[float, Array]], undeformed: Array) -> Crossing:
    """The crossing of the power curve, its interval widened by what is not known of the alarm."""

    def at(alarms: float) -> Crossing:
        edge = threshold(undeformed, alarms)
        counts = np.array([(s, np.sum(d > edge), len(d)) for s, d in distances], dtype=np.float64)
        return crossing(counts[:, 0], counts[:, 1], counts[:, 2])

    spread = float(np.sqrt(ALARMS * (1 - ALARMS) / len(undeformed)))
    at_alarms, off = at(ALARMS), np.log(at(ALARMS - spread).strength / at(ALARMS + spread).strength) / 2
    low, high = (_widened(end, at_alarms.strength, off) for end in (at_alarms.low, at_alarms.high))
    return Crossing(at_alarms.strength, low, high)


def _widened(end: float, middle: float, off: float) -> float:
    """An end of an interval with the uncertainty of the alarm, one standard deviation `off` of the logarithm, added."""
    away = np.log(end / middle)
    return float(middle * np.exp(np.copysign(np.hypot(away, ndtri(0.975) * off), away)))


def crossing(strengths: Array, alarms: Array, trials: Array, power: float = POWER, floor: float = ALARMS) -> Crossing:
    """Where the chance of an alarm reaches `power`, from counts ``(k,)`` of alarms in trials at strengths ``(k,)``.

    The curve is floor + (1 - floor) Phi(slope (log s - log s0)); the counts are binomial; the posterior of s0 has a
    flat prior in log s0 and that of `STEEP` on the slope, and is summed on a grid. Its median and its central 95 %.
    """
    x, most = np.log(strengths), np.log(strengths.max())
    grid = np.linspace(x.min() - 2.0, most + 2.0, 801)
    slopes = STEEP[0] * np.exp(STEEP[1] * np.linspace(-3, 3, 61))
    at = ndtri((power - floor) / (1 - floor))
    chance = floor + (1 - floor) * ndtr(slopes[:, None, None] * (x - grid[:, None]) + at)
    log_posterior = np.sum(
        alarms * np.log(chance) + (trials - alarms) * np.log1p(-np.minimum(chance, 1 - 1e-12)), axis=2
    )
    log_posterior -= 0.5 * (np.log(slopes / STEEP[0]) / STEEP[1])[:, None] ** 2
    weight = np.exp(log_posterior - log_posterior.max()).sum(0)
    low, middle, high = np.interp([0.025, 0.5, 0.975], np.cumsum(weight) / weight.sum(), grid)
    return Crossing(*(float(np.exp(end)) for end in (middle, low, high)))
