"""Binned comparisons of the observables: chi2 per degree of freedom, separation power, and the ratio for figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn, Observable
from qinn_bench.metrics._columns import estimate, missing, noted, observables, undefined, with_outliers
from qinn_bench.metrics._scales import Pair
from qinn_bench.statistics.estimates import degenerate_error, garwood
from qinn_bench.values import Array, Estimate


class Divergence(NamedTuple):
    """A binned distance: its value, what each row of both samples adds to it at first order, its variance under equal
    laws, and the share of generated rows outside the histogram (such rows are not compared).

    Example:
        >>> Divergence(0.01, (np.zeros(3), np.zeros(3)), null=0.0, outside=0.25).outside
        0.25
    """

    value: float
    influence: tuple[Array, Array]
    null: float
    outside: float


def chi2(evidence: Evidence) -> dict[str, Estimate]:
    """chi2 / ndf of the two histograms of every observable, and the mean over observables; about 1 for equal laws.

    chi2 = sum (W1 y2 - W2 y1)^2 / (W1^2 s2^2 + W2^2 s1^2) with totals W, counts y and s^2 = y, over bins where either
    has entries; ndf is their number less one (two-sample chi2 of weighted histograms, Gagunashvili,
    arXiv:physics/0605123).
    """
    return _every("chi2", evidence, chi2_per_ndf)


def separation(evidence: Evidence) -> dict[str, Estimate]:
    """Separation power sum (p - q)^2 / (p + q) / 2 of the two histograms of every observable, and the mean.

    Between 0 and 1 (triangular discriminator); two samples of one law have about bins / 4 (1 / N1 + 1 / N2), not 0.
    """
    return _every("sep", evidence, separation_power)


def chi2_per_ndf(truth: Array, generated: Array) -> tuple[float, Array, Array, float]:
    """chi2 / ndf of counts ``(bins,), (bins,)``, its derivatives by both sets of bin shares, its variance at null."""
    n1, n2 = truth.sum(), generated.sum()
    ndf = max(int(np.sum(truth + generated > 0)) - 1, 1)
    value, d1, d2 = _quadratic(truth / n1, generated / n2, 1 / n1, 1 / n2)
    return value / ndf, d1 / ndf, d2 / ndf, 2 / ndf


def separation_power(truth: Array, generated: Array) -> tuple[float, Array, Array, float]:
    """Separation power of counts ``(bins,), (bins,)``, its derivatives, and its variance at null."""
    n1, n2 = truth.sum(), generated.sum()
    ndf = max(int(np.sum(truth + generated > 0)) - 1, 1)
    value, d1, d2 = _quadratic(truth / n1, generated / n2, 2.0, 2.0)
    return value, d1, d2, 2 * ndf * ((1 / n1 + 1 / n2) / 4) ** 2


def ratio(truth_counts: Array, generated_counts: Array) -> tuple[Array, Array, Array]:
    """Generated over true share of each bin, ``(bins,) -> (bins,)`` three times: ratio, and lower and upper end.

    The ends are the 68 % Garwood interval of the generated count alone; draw the error of the truth as a band of its
    own, 1 / sqrt(count). NaN where the truth has no entries.
    """
    scale = np.full(len(truth_counts), np.nan)
    np.divide(truth_counts.sum() / max(generated_counts.sum(), 1), truth_counts, out=scale, where=truth_counts > 0)
    low, high = garwood(generated_counts)
    return generated_counts * scale, low * scale, high * scale


def counts(values: Array, plot: Observable) -> Array:
    """The histogram of an observable in the bins of its plot, ``(n,) -> (bins,)``; values outside are not counted."""
    return np.histogram(values, bins=plot.bins, range=(plot.low, plot.high))[0].astype(np.float64)


def _quadratic(p: Array, q: Array, a: float, b: float) -> tuple[float, Array, Array]:
    """sum (p - q)^2 / (a p + b q) over filled bins, and its derivatives by p and by q."""
    r = np.divide(p - q, a * p + b * q, out=np.zeros_like(p), where=p + q > 0)
    return float(np.sum(r * (p - q))), 2 * r - a * r**2, -2 * r - b * r**2


def _every(
    name: str, evidence: Evidence, distance: Callable[[Array, Array], tuple[float, Array, Array, float]]
) -> dict[str, Estimate]:
    pairs = observables(evidence)
    names = [f"{name}_{plot.name}" for plot in evidence.data.plots]
    if why := missing(*pairs.values(), outliers=True):
        return undefined([*names, f"{name}_mean"], "", "lower", why)
    placed, note = with_outliers(*pairs.values())
    pairs = dict(zip(pairs, placed, strict=True))
    found = [_compare(pairs[plot.name], plot, distance) for plot in evidence.data.plots]
    n = len(evidence.truth)
    columns = {column: _estimate(f, n, plot) for column, f, plot in zip(names, found, evidence.data.plots, strict=True)}
    columns |= {f"{name}_mean": _mean(found, n)}
    return {column: noted(one, note) for column, one in columns.items()}


def _compare(
    pair: Pair, plot: Observable, distance: Callable[[Array, Array], tuple[float, Array, Array, float]]
) -> Divergence | None:
    """The divergence in one observable; None where either histogram is empty."""
    filled = [counts(sample, plot) for sample in pair]
    if min(filled[0].sum(), filled[1].sum()) == 0:
        return None
    value, d1, d2, null = distance(*filled)
    influence = _influence(pair[0], filled[0], d1, plot), _influence(pair[1], filled[1], d2, plot)
    return Divergence(value, influence, null, 1 - float(filled[1].sum()) / len(pair[1]))


def _influence(values: Array, filled: Array, slope: Array, plot: Observable) -> Array:
    """What each row adds to the divergence at first order, ``(n,)``: zero outside the histogram."""
    share = filled / filled.sum()
    inside = (values >= plot.low) & (values <= plot.high)
    place = np.searchsorted(np.linspace(plot.low, plot.high, plot.bins + 1), values, side="right") - 1
    effect = (slope - share @ slope) / filled.sum()
    return np.where(inside, effect[np.clip(place, 0, plot.bins - 1)], 0.0)


def _estimate(found: Divergence | None, n: int, plot: Observable) -> Estimate:
    if found is None:
        why = f"no entries between {plot.low:g} and {plot.high:g} {plot.unit}".rstrip()
        return Estimate(value=None, better="lower", note=why)
    variance = float(sum(np.sum(side**2) for side in found.influence))
    note = f"{found.outside:.1%} of the generated rows outside the histogram" if found.outside >= 0.0005 else ""
    return estimate(found.value, degenerate_error(variance, found.null), n, better="lower", note=note)


def _mean(found: list[Divergence | None], n: int) -> Estimate:
    """The mean over observables; the error knows that they come from the same rows."""
    defined = [f for f in found if f is not None]
    if not defined or len(defined) < len(found):
        return Estimate(value=None, better="lower", note=f"{len(found) - len(defined)} observables have no entries")
    sides = [np.mean([f.influence[side] for f in defined], axis=0) for side in (0, 1)]
    variance = float(sum(np.sum(side**2) for side in sides))
    null = float(sum(f.null for f in defined)) / len(defined) ** 2
    value = float(np.mean([f.value for f in defined]))
    return estimate(value, degenerate_error(variance, null), n, better="lower")


METRICS: tuple[Metric, ...] = (
    Metric(
        "chi2",
        "chi2 per degree of freedom of histograms",
        "samples",
        chi2,
        better="lower",
        columns=(
            MetricColumn("chi2_mean", "⟨χ²/n⟩", "mean over observables of chi-squared per degree of freedom"),
            MetricColumn("chi2_*", "χ²/n *", "chi-squared per degree of freedom of that observable", shown=False),
        ),
    ),
    Metric(
        "sep",
        "separation power of histograms",
        "samples",
        separation,
        better="lower",
        columns=(
            MetricColumn(
                "sep_mean",
                "⟨sep⟩",
                "mean over observables of the separation power of histograms, 0 (equal) to 1 (disjoint)",
            ),
            MetricColumn("sep_*", "sep *", "separation power of histograms of that observable", shown=False),
        ),
    ),
)
