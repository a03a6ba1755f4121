"""What the families share: samples as features or observables, and numbers that may not be there as estimates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qinn_bench.dataset import Evidence
from qinn_bench.metrics._scales import Pair, deviation
from qinn_bench.values import Array, Direction, Estimate

FEWEST = 20
FAR = 1000.0
"""How many ranges of the truth beyond it a row lies that is not finite."""


def features(evidence: Evidence) -> Pair:
    """The truth and the generated rows as standardised features, each ``(n, dim)``."""
    forward = evidence.data.transform.forward
    return forward(evidence.truth)[0], forward(evidence.generated)[0]


def observables(evidence: Evidence) -> dict[str, Pair]:
    """The truth and the generated values of every observable of the data set, each ``(n,)``."""
    truth, generated = evidence.data.observables(evidence.truth), evidence.data.observables(evidence.generated)
    return {plot.name: (truth[plot.name], generated[plot.name]) for plot in evidence.data.plots}


def missing(*pairs: Pair, fewest: int = FEWEST, outliers: bool = False) -> str:
    """Why these samples cannot be compared: too few rows, or rows that are not finite; empty if they can.

    With `outliers` generated rows may be what they are: a metric that is bounded counts them `with_outliers`.
    """
    if not pairs:
        return "the data set has no observables"
    rows = min(len(sample) for pair in pairs for sample in pair)
    if rows < fewest:
        return f"only {rows} row{'s' * (rows != 1)}, at least {fewest} are needed"
    for side, name in enumerate(("true", "generated")):
        bad = _not_finite([pair[side] for pair in pairs])
        if bad.any() and not (outliers and side):
            return f"{int(bad.sum())} of {len(bad)} {name} rows are not finite"
    return ""


def with_outliers(*pairs: Pair) -> tuple[list[Pair], str]:
    """The same pairs with the generated values that are no numbers put far beyond all true ones, and a note of that.

    Such a row is an outlier of the worst rank: a metric that is bounded has a value all the same. Infinities keep their
    side, NaN goes above. The note counts the rows, and is empty where all are finite.
    """
    bad = _not_finite([generated for _, generated in pairs])
    if not bad.any():
        return list(pairs), ""
    note = f"{int(bad.sum())} of {len(bad)} generated rows are not finite and count as outliers"
    return [(truth, _far_out(truth, generated)) for truth, generated in pairs], note


def _not_finite(samples: Sequence[Array]) -> NDArray[np.bool_]:
    """Which rows ``(n,)`` are not finite in one of several samples of the same rows."""
    return np.asarray(np.any([~np.isfinite(sample).reshape(len(sample), -1).all(1) for sample in samples], axis=0))


def _far_out(truth: Array, generated: Array) -> Array:
    """Generated values ``(m, ...)`` with those that are not finite `FAR` ranges of the truth above or below it."""
    low, high = truth.min(0), truth.max(0)
    with np.errstate(over="ignore"):
        span = np.nan_to_num(FAR * np.where(high > low, high - low, 1.0))
        below, above = np.nan_to_num(low - span), np.nan_to_num(high + span)
    return np.where(np.isfinite(generated), generated, np.where(generated == -np.inf, below, above))


def estimate(
    value: float, error: float | None, n: int, unit: str = "", better: Direction = "none", note: str = ""
) -> Estimate:
    """A column; without a value, or without an error, where that is not a finite number, and the note says so."""
    if not np.isfinite(value):
        note = "the samples are too far apart, or too close, for a number"
        return Estimate(value=None, n=n, unit=unit, better=better, note=note)
    if error is not None and not np.isfinite(error):
        error, note = None, "; ".join(filter(None, (note, "its error is not a finite number")))
    return Estimate(
        value=float(value), error=None if error is None else float(error), n=n, unit=unit, better=better, note=note
    )


def bootstrapped(value: float, replicates: Array, n: int, unit: str = "", better: Direction = "none") -> Estimate:
    """A column whose error is the deviation of bootstrap replicates ``(k,)``; k = 0 where errors are not asked for.

    Replicates that all agree, or of which some are not defined (NaN), leave the error unknown: it is not zero.
    """
    if not len(replicates):
        return estimate(value, None, n, unit, better)
    undefined = int(np.sum(~np.isfinite(replicates)))
    if undefined:
        why = f"the error is not known: {undefined} of {len(replicates)} resamplings have no value"
        return estimate(value, None, n, unit, better, why)
    error = deviation(replicates)
    if error == 0:
        return estimate(value, None, n, unit, better, "the error is not known: every resampling gives the same value")
    return estimate(value, error, n, unit, better)


def noted(column: Estimate, note: str) -> Estimate:
    """A column with one more note before its own."""
    return column.model_copy(update={"note": "; ".join(filter(None, (note, column.note)))}) if note else column


def undefined(names: Iterable[str], unit: str, better: Direction, why: str) -> dict[str, Estimate]:
    """Columns without a value, each with the reason."""
    return {name: Estimate(value=None, unit=unit, better=better, note=why) for name in names}
