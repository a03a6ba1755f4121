"""Classifier two-sample test: how well boosted trees tell generated rows from true ones."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import features, missing, observables, undefined, with_outliers
from qinn_bench.metrics.roc import auc
from qinn_bench.statistics.roc_curves import placements
from qinn_bench.values import Array, Estimate

LEAF = 20
"""Rows in the smallest leaf of a tree. With fewer than this in each half of each sample no tree has a branch."""


class JudgedHalf(NamedTuple):
    """Scores ``(m,)`` of true and of generated rows by trees that were grown on the others, and which true rows.

    Example:
        >>> JudgedHalf(np.array([0, 2]), np.array([-0.3, 0.1]), np.array([0.2, 0.4])).rows.tolist()
        [0, 2]
    """

    rows: NDArray[np.intp]
    truth: Array
    generated: Array


def c2st(evidence: Evidence) -> dict[str, Estimate]:
    """AUC of gradient-boosted trees on features and observables; 0.5 means that nothing was found to tell them apart.

    Two folds: each half is judged by trees grown on the other, and the two AUCs are averaged. Below 0.5 is noise and is
    not folded back (Lopez-Paz and Oquab, arXiv:1610.06545). Under equal laws both folds see one and the same
    fluctuation, so their errors are not taken to average down. Samples that are too small for the trees to tell even
    rows that are far apart have no value.
    """
    halves, note = judged_halves(evidence)
    if not halves:
        return undefined(("c2st",), "AUC", "lower", note)
    folds = [auc(half.generated, half.truth) for half in halves]
    value = np.mean([fold.value for fold in folds if fold.value is not None])
    error = np.mean([fold.error for fold in folds if fold.error is not None])
    n = min(len(evidence.truth), len(evidence.generated))
    return {"c2st": Estimate(value=float(value), error=float(error), n=n, unit="AUC", better="lower", note=note)}


def of_draws(evidence: Evidence, often: Array) -> dict[str, Array]:
    """The column of `c2st` where true row i counts ``often[i, k]`` times in draw k, by the trees of the true rows.

    Trees that are grown anew for every draw differ by their growth, which the models of a study do not share.
    """
    halves, _ = judged_halves(evidence)
    if not halves:
        return {}
    areas = [_weighted_area(half, often[half.rows]) for half in halves]
    return {"c2st": np.mean(areas, axis=0)}


def _weighted_area(half: JudgedHalf, often: Array) -> Array:
    """The area under the curve where true rows come so often ``(m, k) -> (k,)``."""
    return np.asarray(placements(half.generated, half.truth)[1] @ often / often.sum(0))


_LAST: dict[bytes, tuple[tuple[JudgedHalf, ...], str]] = {}
"""What was found of the samples that were asked for last, since a column and its draws are of the same trees."""


def judged_halves(evidence: Evidence) -> tuple[tuple[JudgedHalf, ...], str]:
    """Both halves of the samples, each judged by the other, and a note; no halves, and why, where there are none."""
    pairs = [features(evidence), *observables(evidence).values()]
    if why := missing(*pairs, fewest=2 * LEAF, outliers=True):
        return (), why
    pairs, note = with_outliers(*pairs)
    truth, generated = (np.column_stack([pair[side] for pair in pairs]) for side in (0, 1))
    n = min(len(truth), len(generated))
    orders = [evidence.rng.permutation(n) for _ in range(2)]
    seed = int(evidence.rng.integers(2**31))
    asked = _digest(truth[:n], generated[:n], *orders, np.array([seed]))
    if asked not in _LAST:
        halves = [(truth[orders[0][k::2]], generated[orders[1][k::2]]) for k in (0, 1)]
        found = tuple(JudgedHalf(orders[0][k::2], *_judged(halves[1 - k], halves[k], seed)) for k in (0, 1))
        _LAST.clear()
        _LAST[asked] = found, note
    return _LAST[asked]


def _digest(*arrays: NDArray[np.generic]) -> bytes:
    digest = hashlib.blake2b()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _judged(grow: tuple[Array, Array], judge: tuple[Array, Array], seed: int) -> tuple[Array, Array]:
    """Grow trees on (true, generated) rows and score other (true, generated) rows by them."""
    trees = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, min_samples_leaf=LEAF, early_stopping=False, random_state=seed
    )
    trees.fit(np.concatenate(grow), np.repeat([0, 1], [len(side) for side in grow]))
    truth, generated = (np.asarray(trees.decision_function(side)) for side in judge)
    return truth, generated


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
