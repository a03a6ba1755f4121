"""What scores go with: occupancy and observables of background rows, by ranks and by distance correlation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import FEWEST, estimate, undefined
from qinn_bench.metrics._scales import without_spread
from qinn_bench.metrics._scores import odd_scores
from qinn_bench.statistics.dependence import distance_correlation
from qinn_bench.values import Array, Estimate

BLOCK, BLOCKS = 250, 20
"""Rows of a block that a distance correlation is taken in, and blocks at most."""


def score_correlation(evidence: Evidence) -> dict[str, Estimate]:
    """Spearman's rank correlation of the score with the occupancy and with each observable, over background rows.

    It is that of Pearson of mid-ranks, which a monotone map of the score leaves alone, as it leaves the AUC alone. A
    score that goes with the occupancy (the share of numbers of a row that are not zero) measures complexity; one that
    goes with the mass sculpts its spectrum. Without labels all test rows count. The error is that of Bonett and Wright,
    Psychometrika 65, 23 (2000): (1 - r^2) sqrt((1 + r^2 / 2) / (n - 3)). Rows without any zero have no occupancy.
    """
    found: dict[str, Estimate] = {}
    for name, scores, beside, why in _pairs(evidence):
        column = f"score_correlation_{name}"
        if why:
            found |= undefined((column,), "", "none", why)
            continue
        r, n = float(np.corrcoef(rankdata(scores), rankdata(beside))[0, 1]), len(scores)
        found[column] = estimate(r, float((1 - r**2) * np.sqrt((1 + r**2 / 2) / (n - 3))), n)
    return found


def score_distance_correlation(evidence: Evidence) -> dict[str, Estimate]:
    """Squared distance correlation of the ranks of the score with the occupancy and each observable, of background.

    It vanishes for independent numbers only, so that it sees what ranks alone do not, such as scores that are high at
    both ends of a mass spectrum (DisCo, arXiv:2001.05310). It is estimated without bias (Szekely and Rizzo, J.
    Multivar. Anal. 117, 193 (2013)), and so can be below zero, in at most 20 blocks of 250 rows; the error is that of
    their mean.
    """
    found: dict[str, Estimate] = {}
    for name, scores, beside, why in _pairs(evidence):
        column = f"score_distance_correlation_{name}"
        blocks = min(BLOCKS, max(1, len(scores) // BLOCK))
        if why:
            found |= undefined((column,), "", "none", why)
            continue
        ranks = rankdata(scores), rankdata(beside)
        parts = np.array(
            [distance_correlation(*(side[at : at + BLOCK] for side in ranks)) for at in range(0, blocks * BLOCK, BLOCK)]
        )
        error = float(parts.std(ddof=1) / np.sqrt(blocks)) if blocks > 1 else None
        found[column] = estimate(float(parts.mean()), error, min(len(scores), blocks * BLOCK))
    return found


def _pairs(evidence: Evidence) -> Iterator[tuple[str, Array, Array, str]]:
    """Occupancy and every observable: its name, the scores and its values ``(n,)``, or why there is no number."""
    scores, rows = evidence.scores, evidence.data.test
    labels = evidence.labels
    kept = np.ones(len(rows), dtype=bool) if labels is None else labels == 0
    why = odd_scores(scores)
    if not why and kept.sum() < FEWEST:
        why = f"only {int(kept.sum())} background rows, at least {FEWEST} are needed"
    names = [plot.name for plot in evidence.data.plots]
    has_empty = not rows.all()
    if why or scores is None:
        yield from ((name, np.zeros(0), np.zeros(0), why) for name in [*["occupancy"] * has_empty, *names])
        return
    observed = evidence.data.observables(rows[kept])
    beside = {"occupancy": (rows[kept] != 0).reshape(int(kept.sum()), -1).mean(1)} if has_empty else {}
    for name, values in (beside | {name: observed[name] for name in names}).items():
        odd = "it is the same in all rows" if without_spread(values) else ""
        yield name, scores[kept], values, odd or ("the scores are all the same" if without_spread(scores[kept]) else "")


METRICS: tuple[Metric, ...] = (
    Metric(
        "score_correlation",
        "rank correlation of the score with occupancy and observables",
        "scores",
        score_correlation,
        columns=(
            MetricColumn(
                "score_correlation_*",
                "ρ(score, *)",
                "Spearman's rank correlation of the score with that observable, over background rows",
                shown=False,
            ),
        ),
    ),
    Metric(
        "score_distance_correlation",
        "distance correlation of the score with occupancy and observables",
        "scores",
        score_distance_correlation,
        columns=(
            MetricColumn(
                "score_distance_correlation_*",
                "dCor²(score, *)",
                "squared distance correlation of the ranks of the score and of that observable, over background rows; "
                "0 if they are independent",
                shown=False,
            ),
        ),
    ),
)
