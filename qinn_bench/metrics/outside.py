"""How many generated rows are outliers: outside of the selection, far beyond the truth, or no numbers at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import features, missing, observables, undefined
from qinn_bench.statistics.estimates import ONE_SIGMA
from qinn_bench.values import Array, Estimate


def out(evidence: Evidence) -> dict[str, Estimate]:
    """The share of generated rows that lie outside, an outlier being one of these:

    * a row that is not finite, or has a feature or an observable that is not;
    * a row outside of the selection (the support) of the data set;
    * a row that in some feature or observable lies beyond twice the range of the true rows: with the smallest value a
      and the largest b among them, below a - (b - a) / 2 or above b + (b - a) / 2.

    The error is that of a share, sqrt(p (1 - p) / n); where no row is outside, or all are, it is the length of the
    68 % interval of Clopper and Pearson, Biometrika 26, 404 (1934), which is about 1.84 / n.
    """
    with np.errstate(all="ignore"):
        pairs = [features(evidence), *observables(evidence).values()]
        if why := missing(*pairs, fewest=1, outliers=True):
            return undefined(("out",), "", "lower", why)
        outside = ~evidence.data.support(evidence.generated)
        for truth, generated in pairs:
            outside |= far(truth, generated)
    n = len(outside)
    share = float(outside.mean())
    error = float(np.sqrt(share * (1 - share) / n)) or float(1 - ((1 - ONE_SIGMA) / 2) ** (1 / n))
    return {"out": Estimate(value=share, error=error, n=n, better="lower")}


def far(truth: Array, generated: Array) -> NDArray[np.bool_]:
    """Which generated rows ``(m, ...)`` are not finite or lie beyond twice the range of the true rows ``(n, ...)``."""
    truth, generated = (rows.reshape(len(rows), -1) for rows in (truth, generated))
    low, high = truth.min(0), truth.max(0)
    half = high / 2 - low / 2
    return np.asarray(~((generated >= low - half) & (generated <= high + half) & np.isfinite(generated)).all(1))


METRICS: tuple[Metric, ...] = (
    Metric(
        "out",
        "share of generated rows outside",
        "samples",
        out,
        better="lower",
        short="out",
        meaning="share of generated rows that are not finite, outside of the selection, or beyond twice the range of "
        "the truth in a feature or an observable",
    ),
)
