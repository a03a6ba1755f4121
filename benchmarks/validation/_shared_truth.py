"""Sample metrics of rows that are compared on the same true rows: what a verdict on two of them is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from qinn_bench.metrics._truth_rows import about, picks
from qinn_bench.statistics.paired import compare
from qinn_bench.values import Array, Direction


class Kind(NamedTuple):
    """A kind of sample metric as a function of generated and true values ``(n,)``, its direction, and the flaws of both
    rows, in standard deviations of the truth."""

    metric: Callable[[Array, Array], float]
    better: Direction = "lower"
    flaws: tuple[float, float] = (0.1, -0.1)


def w1(generated: Array, truth: Array) -> float:
    """Wasserstein-1 distance in standard deviations of the truth."""
    return float(np.abs(np.sort(generated) - np.sort(truth)).mean() / truth.std())


def binned(generated: Array, truth: Array) -> tuple[Array, Array]:
    """Counts of both in 30 bins; those of bins where either has some."""
    counts = [np.histogram(values, np.linspace(-3, 3, 31))[0] for values in (generated, truth)]
    filled = counts[0] + counts[1] > 0
    return counts[0][filled], counts[1][filled]


def chi2(generated: Array, truth: Array) -> float:
    """chi2 of two histograms per bin."""
    a, b = binned(generated, truth)
    return float(np.mean((a - b) ** 2 / (a + b)))


def mmd(generated: Array, truth: Array) -> float:
    """Unbiased squared maximum mean discrepancy with a Gaussian kernel of width 1, by random features."""
    n = len(truth)
    angles = np.outer(np.concatenate([generated, truth]), FREQUENCIES)
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(len(FREQUENCIES))
    a, b = waves[:n].sum(0), waves[n:].sum(0)
    return float((a @ a - n) / (n * (n - 1)) + (b @ b - n) / (n * (n - 1)) - 2 * a @ b / n**2)


def auc(generated: Array, truth: Array) -> float:
    """Area under the ROC curve of the distance from zero, which tells rows that scatter more."""
    ranks = rankdata(np.concatenate([np.abs(generated), np.abs(truth)]))
    n = len(generated)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(truth)))


FREQUENCIES = np.random.default_rng(0).normal(size=12)
KINDS = {
    "W1": Kind(w1),
    "W1, equal laws": Kind(w1, flaws=(0.0, 0.0)),
    "W1, large flaws": Kind(w1, flaws=(0.3, -0.3)),
    "chi2": Kind(chi2, flaws=(0.2, -0.2)),
    "MMD2": Kind(mmd, "zero", (0.2, -0.2)),
    "AUC of a classifier": Kind(auc, flaws=(0.2, -0.2)),
}
"""Rows that are equally far from the truth on either side of it, so that the true rows that there are favour one of the
two; what two rows of one law share of the truth falls out of their difference."""
TRUE_ROWS, TRAINED = 300, 0.02


def shared_truth(kind: Kind, n: int, rng: np.random.Generator, lead: float = 0.0) -> tuple[bool, bool, bool, bool]:
    """Two rows of n seeds, equally far from the truth: called better, worse, covered; decided without the true rows.

    With a `lead` the flaw of the first is smaller by so much.
    """
    truth = rng.normal(size=TRUE_ROWS)
    rows = picks(str(rng.integers(2**62)), TRUE_ROWS)
    values, drawn = [], []
    for flaw in (kind.flaws[0] - lead, kind.flaws[1]):
        samples = rng.normal(size=(n, TRUE_ROWS)) + flaw + TRAINED * rng.normal(size=(n, 1))
        values.append(np.array([kind.metric(sample, truth) for sample in samples]))
        on_others = [[kind.metric(sample, truth[one]) for one in rows] for sample in samples]
        drawn.append(np.stack([about(value, np.array(of)) for value, of in zip(values[-1], on_others, strict=True)]))
    found = compare(*values, better=kind.better, truth=(drawn[0], drawn[1]))
    low, high = found.interval or (np.nan, np.nan)
    without = compare(*values, better=kind.better).outcome in ("better", "worse")
    return found.outcome == "better", found.outcome == "worse", low <= 0 <= high, without
