"""Showers by histogram, as in the CaloChallenge: separation power, the zeros that it does not see, and chi2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import estimate, undefined
from qinn_bench.metrics._showers import ShowerHistogram, ShowerPair, shower_histograms, showers_of
from qinn_bench.metrics.histograms import chi2_per_ndf, separation_power
from qinn_bench.statistics.estimates import degenerate_error
from qinn_bench.values import Array, Estimate

RESPONSE_BINS, TOTAL_BINS = 30, 50
SMALL = 1e-6
"""What keeps the denominators of `chi2_of_counts` from being zero."""


class Separation(NamedTuple):
    """Separation power of a histogram, what each row of both samples adds to it at first order, and its variance under
    equal laws.

    Example:
        >>> Separation(0.01, (np.zeros(3), np.zeros(3)), 0.0).value
        0.01
    """

    value: float
    influence: tuple[Array, Array]
    null: float


def shower_separation(evidence: Evidence) -> dict[str, Estimate]:
    """Separation power sum (p - q)^2 / (p + q) / 2 of every histogram of the challenge, and the mean over them.

    p and q are normalised to the entries inside of the range, so that showers with an empty layer, and empty voxels,
    are not seen: `shower_zeros` sees them. A histogram without any generated entry counts as disjoint, 1. Responses at
    one of several energies are not in the mean. Files of the challenge call this number chi2.
    """
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return undefined(("shower_separation_mean",), "", "lower", pair)
    found = {one.name: separation(one) for one in shower_histograms(pair)}
    known = {name: one for name, one in found.items() if one is not None}
    columns = {
        f"shower_separation_{name}": _estimate([one] if one else [], pair.rows, "no entries in its range")
        for name, one in found.items()
    }
    whole = [one for one in known.values() if len(one.influence[0]) == len(pair.truth.voxels)]
    columns["shower_separation_mean"] = _estimate(whole, pair.rows, "no histogram has entries")
    return columns


def separation(of: ShowerHistogram) -> Separation | None:
    """The separation power of a histogram; None where the truth has no entry in its range, 1 where the other side has
    none."""
    filled = of.counts
    if filled[0].sum() == 0:
        return None
    if filled[1].sum() == 0:
        return Separation(1.0, (np.zeros(len(of.truth)), np.zeros(len(of.generated))), 0.0)
    value, first, second, null = separation_power(*filled)
    sides = zip((of.truth, of.generated), filled, (first, second), strict=True)
    truth, generated = (_influence(values, counts, slope, of.edges) for values, counts, slope in sides)
    return Separation(value, (truth, generated), null)


def _influence(values: Array, filled: Array, slope: Array, edges: Array) -> Array:
    """What each shower adds to the separation power at first order, with all of its entries ``(n, m) -> (n,)``."""
    effect = (slope - slope @ filled / filled.sum()) / filled.sum()
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(effect) - 1)
    inside = (values >= edges[0]) & (values <= edges[-1])
    return np.asarray(np.where(inside, effect[places], 0.0).sum(axis=1))


def _estimate(found: list[Separation], n: int, why: str) -> Estimate:
    """The mean of several separation powers of the same rows, with its error."""
    if not found:
        return Estimate(value=None, better="lower", note=why)
    sides = [np.mean([one.influence[side] for one in found], axis=0) for side in (0, 1)]
    variance = float(sum(np.sum(side**2) for side in sides))
    null = sum(one.null for one in found) / len(found) ** 2
    value = float(np.mean([one.value for one in found]))
    return estimate(value, degenerate_error(variance, null), n, better="lower")


def shower_zeros(evidence: Evidence) -> dict[str, Estimate]:
    """By how much the share of showers with an empty layer, and of empty voxels, differs from that of the truth.

    Empty is what lies below the cut. The columns of layers and voxels are differences, generated less true; the mean is
    that of their sizes.
    """
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return undefined(("shower_zeros_mean",), "", "lower", pair)
    values = {
        f"layer_{number}": [side.features.layers[:, i, None] == 0 for side in (pair.truth, pair.generated)]
        for i, number in enumerate(pair.calorimeter.numbers)
    }
    if pair.calorimeter.voxels > len(pair.calorimeter.layers):
        values["voxel"] = [side.voxels == 0 for side in (pair.truth, pair.generated)]
    columns, sizes = {}, []
    for name, (truth, generated) in values.items():
        of_rows = truth.mean(axis=1), generated.mean(axis=1)
        off = float(of_rows[1].mean() - of_rows[0].mean())
        error = float(np.sqrt(sum(np.var(side, ddof=1) / len(side) for side in of_rows)))
        columns[f"shower_zeros_{name}"] = estimate(off, error, pair.rows, better="zero")
        sizes.append((abs(off), error))
    mean = float(np.mean([size for size, _ in sizes]))
    # Layers of one shower are empty together at worst, for which errors add.
    columns["shower_zeros_mean"] = estimate(mean, float(np.mean([e for _, e in sizes])), pair.rows, better="lower")
    return columns


def shower_chi2(evidence: Evidence) -> dict[str, Estimate]:
    """chi2 of the energy in all voxels, in the three ways that FastCaloQ and the challenge's participants take it.

    `weighted`: the two-sample chi2 per degree of freedom of arXiv:physics/0605123, of 30 bins of the response between
    the 0.1 and 99.9 % quantiles of the truth, averaged over incident energies; what lies beyond counts to the end bins,
    so that a model that is far off has a number too; `shares`: the sum of (p - q)^2 / (n1 /
    N1^2 + n2 / N2^2) over filled bins, per bin, of the same histogram; `counts`: the mean over 50 bins of (generated -
    true)^2 / (true + 1e-6), of both samples' range, with generated counts scaled to as many showers.
    """
    names = ("shower_chi2_weighted", "shower_chi2_shares", "shower_chi2_counts")
    pair = showers_of(evidence)
    if isinstance(pair, str):
        return undefined(names, "", "lower", pair)
    usable = [_of_response(*sides) for sides in _by_energy(pair)]
    if not usable:
        return undefined(names, "", "lower", "no generated shower has an incident energy of the truth")
    values = (
        float(np.mean([chi2_per_ndf(a, b)[0] for a, b in usable])),
        float(np.mean([chi2_of_shares(a, b) for a, b in usable])),
        chi2_of_counts(pair.truth.features.total, pair.generated.features.total),
    )
    return {name: estimate(value, None, pair.rows, better="lower") for name, value in zip(names, values, strict=True)}


def _by_energy(pair: ShowerPair) -> list[tuple[Array, Array]]:
    """The responses of both samples at each incident energy, or at all where it is continuous."""
    incident = [side.features.incident for side in (pair.truth, pair.generated)]
    responses = [side.features.total / side.features.incident for side in (pair.truth, pair.generated)]
    steps = np.unique(incident[0].round(3))
    if len(steps) > RESPONSE_BINS:
        return [(responses[0], responses[1])]
    every = [[of[np.abs(at - step) < 1] for of, at in zip(responses, incident, strict=True)] for step in steps]
    return [(truth, generated) for truth, generated in every if len(truth) and len(generated)]


def _of_response(truth: Array, generated: Array) -> tuple[Array, Array]:
    low, high = np.quantile(truth, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1, RESPONSE_BINS + 1)
    first, second = (
        np.histogram(np.clip(side, edges[0], edges[-1]), bins=edges)[0].astype(np.float64)
        for side in (truth, generated)
    )
    return first, second


def chi2_of_shares(truth: Array, generated: Array) -> float:
    """Sum of (p - q)^2 / (n1 / N1^2 + n2 / N2^2) over bins with entries, over their number.

    Example:
        >>> round(chi2_of_shares(np.array([2.0, 2.0]), np.array([4.0, 0.0])), 3)
        1.333
    """
    n1, n2 = truth.sum(), generated.sum()
    variance = truth / n1**2 + generated / n2**2
    filled = variance > 0
    return float(np.mean((truth / n1 - generated / n2)[filled] ** 2 / variance[filled]))


def chi2_of_counts(truth: Array, generated: Array) -> float:
    """Mean over 50 bins of (generated - true)^2 / (true + 1e-6), of values ``(n,)`` and ``(m,)`` in their common range.

    Example:
        >>> chi2_of_counts(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
        0.0
    """
    both = np.concatenate([truth, generated])
    edges = np.linspace(both.min(), both.max() if np.ptp(both) else both.min() + 1, TOTAL_BINS + 1)
    true, made = (np.histogram(side, bins=edges)[0].astype(np.float64) for side in (truth, generated))
    made = made * (len(truth) / len(generated))
    return float(np.mean((made - true) ** 2 / (true + SMALL)))


METRICS: tuple[Metric, ...] = (
    Metric(
        "shower_separation",
        "separation power of the CaloChallenge's histograms",
        "samples",
        shower_separation,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn(
                "shower_separation_mean",
                "⟨S⟩",
                "mean separation power of the CaloChallenge's histograms, 0 (equal) to 1 (disjoint); blind to zeros",
            ),
            MetricColumn("shower_separation_*", "S *", "separation power of that histogram", shown=False),
        ),
    ),
    Metric(
        "shower_zeros",
        "share of empty layers and voxels, against that of the truth",
        "samples",
        shower_zeros,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn(
                "shower_zeros_mean",
                "⟨Δzeros⟩",
                "mean difference of the share of empty layers and voxels, which separation power does not see",
            ),
            MetricColumn(
                "shower_zeros_*",
                "Δzeros *",
                "share of showers with that layer empty, or of empty voxels, less that of the truth",
                shown=False,
                better="zero",
            ),
        ),
    ),
    Metric(
        "shower_chi2",
        "chi2 of the energy in all voxels",
        "samples",
        shower_chi2,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn(
                "shower_chi2_weighted", "χ²/n E", "two-sample chi2 per degree of freedom of the response in 30 bins"
            ),
            MetricColumn(
                "shower_chi2_shares", "χ² shares", "chi2 per bin of the normalised histograms of it", shown=False
            ),
            MetricColumn(
                "shower_chi2_counts",
                "χ² counts",
                "mean over 50 bins of the squared difference of counts over the true count, which empty bins of the "
                "truth blow up",
                shown=False,
            ),
        ),
    ),
)
