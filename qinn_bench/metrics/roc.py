"""How well scores tell signal from background: the area under the ROC curve."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import undefined
from qinn_bench.statistics.estimates import ONE_SIGMA
from qinn_bench.values import Array, Estimate

NO_SCATTER = 1e-12


def auc(signal: Array, background: Array) -> Estimate:
    """Area under the ROC curve, P(signal > background) + P(tie) / 2, of scores ``(n,)`` and ``(m,)``.

    The error is that of DeLong, DeLong and Clarke-Pearson, Biometrics 44, 837 (1988), from mid-ranks. It is zero where
    all pairs are ordered alike, which says nothing of pairs that were not drawn; the error is then the length of the
    68 % interval of Clopper and Pearson, Biometrika 26, 404 (1934), after min(n, m) independent pairs without an
    exception: 1 - 0.159^(1 / min(n, m)), which is about 1.84 / min(n, m) where there are many.

    Both samples need at least 2 finite scores.
    """
    n, m = len(signal), len(background)
    pooled = rankdata(np.concatenate([signal, background]))
    above = (pooled[:n] - rankdata(signal)) / m
    below = 1 - (pooled[n:] - rankdata(background)) / n
    error = float(np.sqrt(np.var(above, ddof=1) / n + np.var(below, ddof=1) / m))
    if error < NO_SCATTER:
        error = float(1 - ((1 - ONE_SIGMA) / 2) ** (1 / min(n, m)))
    return Estimate(value=float(above.mean()), error=error, n=min(n, m), unit="AUC", better="higher")


def roc_auc(evidence: Evidence) -> dict[str, Estimate]:
    """AUC of the scores of the test rows, signal against background: the chance that a signal row scores higher."""
    scores, labels = evidence.scores, evidence.labels
    why = ""
    if labels is None:
        why = "the data set has no labels"
    elif scores is None:
        why = "the model gives no scores"
    elif not np.isfinite(scores).all():
        why = f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite"
    elif min(np.sum(labels == 0), np.sum(labels == 1)) < 2:
        why = "at least 2 test rows of signal and of background are needed"
    if why or scores is None or labels is None:
        return undefined(("roc_auc",), "AUC", "higher", why)
    return {"roc_auc": auc(scores[labels == 1], scores[labels == 0])}


METRICS: tuple[Metric, ...] = (
    Metric(
        "roc_auc",
        "area under the ROC curve",
        "scores",
        roc_auc,
        better="higher",
        short="AUC",
        meaning="area under the ROC curve of the score, signal against background; 0.5 if it cannot tell them apart",
    ),
)
