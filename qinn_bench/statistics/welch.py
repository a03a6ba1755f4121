"""Two rows of which only means, standard deviations and numbers of runs are known: Welch's test, on any data sets."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from qinn_bench.statistics import paired
from qinn_bench.statistics.direction import goodness
from qinn_bench.statistics.findings import CompareTerms
from qinn_bench.statistics.paired import half_width, ruling
from qinn_bench.statistics.sign_flips import LEAST
from qinn_bench.statistics.ties import TIE, mean
from qinn_bench.values import Array, Comparison, Estimate

STILL = "neither mean has a spread, so that nothing is known of the error"


def welch(means: Array, sds: Array, sizes: Array, terms: CompareTerms) -> Comparison:
    """Two rows from means, standard deviations and numbers of runs, ``(2, n_columns)`` each.

    The mean over the columns of the differences is a Student's t with Satterthwaite's degrees of freedom; for one
    column that is Welch's test (Welch, Biometrika 34, 28 (1947)). Nothing is decided where a mean is of fewer than five
    runs, nor on a column where neither mean has a spread: such columns are left out. Both means are taken to be of
    independent runs: where they share their test rows, the error is too large.
    """
    spread = (sds > TIE * np.abs(means)).any(0)
    n_columns = means.shape[1]
    kept = spread if spread.any() else np.ones_like(spread)
    means, sds, sizes = means[:, kept], sds[:, kept], sizes[:, kept]
    difference = means[0] - means[1]
    difference = np.where(np.abs(difference) <= TIE * np.abs(means).sum(0), 0.0, difference)
    effect = goodness(mean(difference), terms.better)
    least = int(sizes.min())
    estimate = Estimate(value=effect, n=least, better="higher")
    remarks = () if spread.all() else (f"left out {int(np.sum(~spread))} of {n_columns} data sets, where {STILL}",)
    if not spread.any():
        return Comparison(outcome="undecided", reason=STILL, effect=estimate, replicates=least)
    error, freedom = error_of(sds, sizes)
    estimate = estimate.model_copy(update={"error": error})
    if least < paired.LEAST:
        reason = "; ".join([f"means of {least} runs, at least {paired.LEAST} are needed", *remarks])
        return Comparison(outcome="undecided", reason=reason, effect=estimate, replicates=least, remarks=remarks)
    half = half_width(error, freedom)
    inside = [] if terms.margin is None else [terms.margin + effect, terms.margin - effect]
    p = [max(float(stdtr(freedom, -side / error)), LEAST) for side in (effect, -effect, *inside)]
    equal = max(p[2:]) if inside else None
    outcome, reason = ruling(p[0], p[1], equal, terms.level)
    return Comparison(
        outcome=outcome,
        reason="; ".join([reason, *remarks]),
        remarks=remarks,
        effect=estimate,
        interval=(effect - half, effect + half),
        p_better=p[0],
        p_worse=p[1],
        p_equal=equal,
        margin=terms.margin,
        replicates=least,
        method="Welch's t" if n_columns == 1 else "mean over the data sets of Welch's differences",
    )


def error_of(sds: Array, sizes: Array) -> tuple[float, float]:
    """The standard error of the mean of the differences, and its degrees of freedom (Satterthwaite).

    `sds` and `sizes`, ``(2, n_columns)``, are standard deviations and numbers of replicates; not all are zero. Source:
    Welch, Biometrika 34, 28 (1947).
    """
    unit = float(sds.max())
    parts = (sds / unit) ** 2 / sizes
    total = float(parts.sum(0).sum())
    freedom = total**2 / float((parts**2 / (sizes - 1)).sum(0).sum())
    return unit * float(np.sqrt(total)) / sds.shape[1], freedom
