"""Classifier two-sample test: how well boosted trees tell generated rows from true ones."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import features, missing, observables, undefined, with_outliers
from qinn_bench.metrics.roc import auc
from qinn_bench.values import Array, Estimate

LEAF = 20
"""Rows in the smallest leaf of a tree. With fewer than this in each half of each sample no tree has a branch."""


def c2st(evidence: Evidence) -> dict[str, Estimate]:
    """AUC of gradient-boosted trees on features and observables; 0.5 means that nothing was found to tell them apart.

    Two folds: each half is judged by trees grown on the other, and the two AUCs are averaged. Below 0.5 is noise and is
    not folded back (Lopez-Paz and Oquab, arXiv:1610.06545). Under equal laws both folds see one and the same
    fluctuation, so their errors are not taken to average down. Samples that are too small for the trees to tell even
    rows that are far apart have no value.
    """
    pairs = [features(evidence), *observables(evidence).values()]
    if why := missing(*pairs, fewest=2 * LEAF, outliers=True):
        return undefined(("c2st",), "AUC", "lower", why)
    pairs, note = with_outliers(*pairs)
    truth, generated = (np.column_stack([pair[side] for pair in pairs]) for side in (0, 1))
    n = min(len(truth), len(generated))
    halves = _halves(truth[:n], evidence.rng), _halves(generated[:n], evidence.rng)
    seed = int(evidence.rng.integers(2**31))
    folds = [_fold([h[1 - k] for h in halves], [h[k] for h in halves], seed) for k in (0, 1)]
    value = np.mean([fold.value for fold in folds if fold.value is not None])
    error = np.mean([fold.error for fold in folds if fold.error is not None])
    return {"c2st": Estimate(value=float(value), error=float(error), n=n, unit="AUC", better="lower", note=note)}


def _halves(rows: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    order = rng.permutation(len(rows))
    return rows[order[::2]], rows[order[1::2]]


def _fold(grow: list[Array], judge: list[Array], seed: int) -> Estimate:
    """Grow trees on (true, generated) rows and take the AUC on other (true, generated) rows."""
    trees = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, min_samples_leaf=LEAF, early_stopping=False, random_state=seed
    )
    trees.fit(np.concatenate(grow), np.repeat([0, 1], [len(side) for side in grow]))
    truth, generated = (np.asarray(trees.decision_function(side)) for side in judge)
    return auc(generated, truth)


METRICS: tuple[Metric, ...] = (
    Metric(
        "c2st",
        "classifier two-sample test",
        "samples",
        c2st,
        better="lower",
        short="C2ST AUC",
        meaning="area under the ROC curve of a classifier of true against generated rows, 0.5 if it cannot tell them "
        "apart",
    ),
)
