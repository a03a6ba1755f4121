"""What the families share: samples as features or observables, and the estimate of a number that is not there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qinn_bench.dataset import Evidence
from qinn_bench.values import Array, Direction, Estimate

FEWEST = 20
Pair = tuple[Array, Array]


def features(evidence: Evidence) -> Pair:
    """The truth and the generated rows as standardised features, each ``(n, dim)``."""
    forward = evidence.data.transform.forward
    return forward(evidence.truth)[0], forward(evidence.generated)[0]


def observables(evidence: Evidence) -> dict[str, Pair]:
    """The truth and the generated values of every observable of the data set, each ``(n,)``."""
    truth, generated = evidence.data.observables(evidence.truth), evidence.data.observables(evidence.generated)
    return {plot.name: (truth[plot.name], generated[plot.name]) for plot in evidence.data.plots}


def missing(*pairs: Pair) -> str:
    """Why these samples cannot be compared: too few rows, or rows that are not finite; empty if they can."""
    rows = min(len(sample) for pair in pairs for sample in pair)
    if rows < FEWEST:
        return f"only {rows} rows, at least {FEWEST} are needed"
    for side, name in enumerate(("true", "generated")):
        bad = np.any([~np.isfinite(pair[side]).reshape(len(pair[side]), -1).all(1) for pair in pairs], axis=0)
        if bad.any():
            return f"{int(bad.sum())} of {len(bad)} {name} rows are not finite"
    return ""


def undefined(names: Iterable[str], unit: str, better: Direction, why: str) -> dict[str, Estimate]:
    """Columns without a value, each with the reason."""
    return {name: Estimate(value=None, unit=unit, better=better, note=why) for name in names}
