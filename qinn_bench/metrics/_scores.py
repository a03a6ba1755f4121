"""The scores of the test rows by what the rows are, or why there are none that could be compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.dataset import Evidence
from qinn_bench.values import Array

FEWEST = 2


class Sides(NamedTuple):
    """Scores of signal ``(n,)`` and of background ``(m,)``, all finite.

    Example:
        >>> Sides(np.zeros(3), np.zeros(5)).fewest
        3
    """

    signal: Array
    background: Array

    @property
    def fewest(self) -> int:
        """The number of rows of the smaller side."""
        return min(len(self.signal), len(self.background))


def sides_of(evidence: Evidence) -> Sides | str:
    """The scores of both classes, or why they cannot be compared."""
    scores, labels = evidence.scores, evidence.labels
    if labels is None:
        return "the data set has no labels"
    if why := odd_scores(scores):
        return why
    assert scores is not None
    sides = Sides(scores[labels == 1], scores[labels == 0])
    return sides if sides.fewest >= FEWEST else "at least 2 test rows of signal and of background are needed"


def odd_scores(scores: Array | None) -> str:
    """Why there are no scores of all test rows; empty where there are."""
    if scores is None:
        return "the model gives no scores"
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite"
    return ""
