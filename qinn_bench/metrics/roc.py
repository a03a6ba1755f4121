"""How well scores tell signal from background: the area under the ROC curve, and points on the curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import estimate, noted, undefined
from qinn_bench.metrics._scores import Sides, sides_of
from qinn_bench.statistics.estimates import spread
from qinn_bench.statistics.roc_curves import REPLICATES, LabelledScores, RocCurve, area
from qinn_bench.values import Array, Estimate

INTERVAL = 1000
"""Bootstrap samples of the interval of the area."""
WORKING_POINTS = {"10_percent": 0.1, "1_percent": 0.01, "1_permille": 0.001}
"""Shares of background at which the signal efficiency is stated."""
EFFICIENCIES = {"30_percent": 0.3, "50_percent": 0.5}
"""Signal efficiencies at which the background rejection is stated."""
FEW = 10
"""Fewer background rows above a threshold are worth a note."""
LEAST = 25
"""Background rows above the threshold of the significance improvement at least: their number is known to 20 %."""


def auc(signal: Array, background: Array) -> Estimate:
    """Area under the ROC curve, P(signal > background) + P(tie) / 2, of scores ``(n,)`` and ``(m,)``, with DeLong's
    error.

    Both samples need at least 2 finite scores.
    """
    value, error = area(signal, background)
    return Estimate(value=value, error=error, n=min(len(signal), len(background)), unit="AUC", better="higher")


def roc_auc(evidence: Evidence) -> dict[str, Estimate]:
    """AUC of the scores of the test rows, signal against background: the chance that a signal row scores higher.

    Its error is DeLong's (`statistics.roc_curves.area`); the ends of the 95 % interval are percentiles of the areas of
    bootstrap samples, in which signal and background rows are drawn anew each by itself.
    """
    names = ("roc_auc", "roc_auc_low", "roc_auc_high")
    sides = sides_of(evidence)
    if isinstance(sides, str):
        found = undefined(names, "AUC", "none", sides)
        return found | undefined(("roc_auc",), "AUC", "higher", sides)
    found = {"roc_auc": auc(*sides)}
    if evidence.errors:
        curves = LabelledScores(*sides).resampled(INTERVAL, evidence.rng)
        ends = spread(np.array([curve.area for curve in curves]))
        found |= {
            name: estimate(end, None, found["roc_auc"].n, "AUC") for name, end in zip(names[1:], ends[1:], strict=True)
        }
    return found


def signal_efficiency(evidence: Evidence) -> dict[str, Estimate]:
    """Share of signal above the threshold that 10, 1 and 0.1 % of the background pass; errors by the bootstrap."""
    names = [f"signal_efficiency_at_{point}" for point in WORKING_POINTS]

    def read(curve: RocCurve) -> list[float]:
        return [curve.signal_at(share) for share in WORKING_POINTS.values()]

    def columns(sides: Sides, values: Sequence[float], errors: Array | None) -> list[Estimate]:
        above = [share * len(sides.background) for share in WORKING_POINTS.values()]
        notes = [f"only {count:.3g} background rows pass" if count < FEW else "" for count in above]
        found = _estimates(values, errors, sides, "")
        return [noted(one, note) for one, note in zip(found, notes, strict=True)]

    return _of_curve(evidence, names, "", read, columns)


def background_rejection(evidence: Evidence) -> dict[str, Estimate]:
    """One over the share of background above the threshold that 30 and 50 % of the signal pass.

    Its error is that of the share, by the bootstrap, times the rejection squared. Where no background row passes there
    is no number, but the note has a lower bound at 95 %, of Clopper and Pearson.
    """
    names = [f"background_rejection_at_{point}" for point in EFFICIENCIES]

    def read(curve: RocCurve) -> list[float]:
        return [curve.background_at(share) for share in EFFICIENCIES.values()]

    def columns(sides: Sides, values: Sequence[float], errors: Array | None) -> list[Estimate]:
        m = len(sides.background)
        found = []
        for at, passing in enumerate(values):
            if passing <= 0:
                bound = 1 / (1 - 0.05 ** (1 / m))
                why = f"no background row of {m} passes: the rejection is above {bound:.3g} at 95 %"
                found.append(Estimate(value=None, better="higher", note=why))
                continue
            error = None if errors is None else float(errors[at]) / passing**2
            few = f"only {passing * m:.3g} background rows pass" if passing * m < FEW else ""
            found.append(noted(estimate(1 / passing, error, sides.fewest, "", "higher"), few))
        return found

    return _of_curve(evidence, names, "", read, columns)


def significance_improvement(evidence: Evidence) -> dict[str, Estimate]:
    """The largest signal efficiency over the root of the background efficiency, over all thresholds.

    By so much a cut raises signal over the root of background. Thresholds that fewer than `LEAST` background rows pass
    are left out, as is usual (relative error of 20 %: arXiv:2001.04990); a maximum over noise is a little too large.
    """

    def columns(sides: Sides, values: Sequence[float], errors: Array | None) -> list[Estimate]:
        return _estimates(values, errors, sides, "")

    sides = sides_of(evidence)
    if not isinstance(sides, str) and len(sides.background) < LEAST:
        why = f"only {len(sides.background)} background rows, at least {LEAST} are needed"
        return undefined(("significance_improvement",), "", "higher", why)
    least = 1.0 if isinstance(sides, str) else LEAST / len(sides.background)
    return _of_curve(evidence, ["significance_improvement"], "", lambda curve: [curve.improvement(least)], columns)


def _of_curve(
    evidence: Evidence,
    names: Sequence[str],
    unit: str,
    read: Callable[[RocCurve], list[float]],
    columns: Callable[[Sides, Sequence[float], Array | None], list[Estimate]],
) -> dict[str, Estimate]:
    """Columns that are read off the curve, with the deviations over bootstrap samples as errors."""
    sides = sides_of(evidence)
    if isinstance(sides, str):
        return undefined(names, unit, "higher", sides)
    scores = LabelledScores(*sides)
    errors = None
    if evidence.errors:
        drawn = np.array([read(curve) for curve in scores.resampled(REPLICATES, evidence.rng)])
        errors = drawn.std(axis=0, ddof=1)
    return dict(zip(names, columns(sides, read(scores.curve()), errors), strict=True))


def _estimates(values: Sequence[float], errors: Array | None, sides: Sides, unit: str) -> list[Estimate]:
    stated = [None] * len(values) if errors is None else [float(error) for error in errors]
    return [estimate(v, e, sides.fewest, unit, "higher") for v, e in zip(values, stated, strict=True)]


METRICS: tuple[Metric, ...] = (
    Metric(
        "roc_auc",
        "area under the ROC curve",
        "scores",
        roc_auc,
        better="higher",
        row_loss="placements",
        columns=(
            MetricColumn(
                "roc_auc",
                "AUC",
                "area under the ROC curve of the score, signal against background; 0.5 if it cannot tell them apart",
            ),
            MetricColumn(
                "roc_auc_low",
                "AUC from",
                "lower end of the 95 % bootstrap interval of the AUC",
                shown=False,
                better="none",
            ),
            MetricColumn(
                "roc_auc_high",
                "AUC to",
                "upper end of the 95 % bootstrap interval of the AUC",
                shown=False,
                better="none",
            ),
        ),
    ),
    Metric(
        "signal_efficiency",
        "signal efficiency at fixed background efficiency",
        "scores",
        signal_efficiency,
        better="higher",
        columns=(
            MetricColumn(
                "signal_efficiency_at_10_percent",
                "ε_S(10 %)",
                "share of signal that passes with 10 % of the background",
            ),
            MetricColumn(
                "signal_efficiency_at_1_percent",
                "ε_S(1 %)",
                "share of signal that passes with 1 % of the background",
                shown=False,
            ),
            MetricColumn(
                "signal_efficiency_at_1_permille",
                "ε_S(0.1 %)",
                "share of signal that passes with 0.1 % of the background",
                shown=False,
            ),
        ),
    ),
    Metric(
        "background_rejection",
        "background rejection at fixed signal efficiency",
        "scores",
        background_rejection,
        better="higher",
        columns=(
            MetricColumn(
                "background_rejection_at_30_percent",
                "1/ε_B(30 %)",
                "one over the share of background that passes with 30 % of the signal",
                shown=False,
            ),
            MetricColumn(
                "background_rejection_at_50_percent",
                "1/ε_B(50 %)",
                "one over the share of background that passes with 50 % of the signal",
                shown=False,
            ),
        ),
    ),
    Metric(
        "significance_improvement",
        "maximal significance improvement",
        "scores",
        significance_improvement,
        better="higher",
        columns=(
            MetricColumn(
                "significance_improvement",
                "max. SI",
                "largest ratio of signal efficiency to the root of background efficiency",
                shown=False,
            ),
        ),
    ),
)
