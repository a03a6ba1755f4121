"""Whether the rows of a claim had finished learning, as far as their records tell."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.values import Record
from qinn_bench.verdicts.row_pairs import seeds_of


def not_converged(records: Sequence[Record], row: str, margin: float) -> str:
    """Why a row cannot be said to have converged: its loss would fall by more than the margin, or nothing tells.

    `records` are those of the row. What has nothing to train has converged.

    Example:
        >>> not_converged([], "qinn", 0.1)
        ''
    """
    trained = [one for one in records if one.status == "ok" and one.training and one.training.steps]
    gains = [(one, one.training.gain) for one in trained if one.training]
    falling = [(one, gain.value) for one, gain in gains if gain and gain.value is not None and gain.value > margin]
    if falling:
        seeds = seeds_of([(str(one.cell.data), one.cell.seed) for one, _ in falling])
        most = max(value for _, value in falling)
        return f"not converged: the loss of '{row}' would still fall by {most:.2g} at {seeds}, {margin:g} is allowed"
    unknown = [one for one, gain in gains if gain is None or gain.value is None]
    if unknown:
        seeds = seeds_of([(str(one.cell.data), one.cell.seed) for one in unknown])
        return f"not converged: nothing tells how far the loss of '{row}' would still fall at {seeds}"
    return ""
