"""The rows of a study trained until convergence whose loss would still fall: their mark and the notes on them."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.study_rows import Group
from qinn_bench.training.cycles import Z95, converged
from qinn_bench.values import Estimate

FALLING = "↓"


def still_falling(groups: Sequence[Group]) -> dict[tuple[str, str], str]:
    """The rows, by data set and name, of which some seed is not shown to have converged, as training itself asks:
    the gain of another cycle, with its error at 95 %, is not below the margin of the budget.

    Only rows whose budget asks for convergence are told of: of others no margin is known. The values say at how many
    seeds, and the largest of these bounds. What has nothing to train has converged.

    Example:
        >>> still_falling([])
        {}
    """
    return {(group.data, group.row): said for group in groups if (said := _told(group))}


def falling_notes(falling: dict[tuple[str, str], str]) -> list[str]:
    """What the mark means, and what is said of each row that has it.

    Example:
        >>> falling_notes({("moons", "qinn"): "2 of 5 seeds"})[1]
        'qinn on moons: 2 of 5 seeds.'
    """
    meaning = (
        f"{FALLING} not converged: another cycle, three times as long as the last, would lower the validation loss:"
    )
    notes = [f"{row} on {data}: {said}." for (data, row), said in falling.items()]
    return [meaning, *notes] if notes else []


def gains_of(group: Group) -> list[Estimate]:
    """What another cycle would bring to each seed of which that is known."""
    return [one.training.gain for one in group.ok if one.training and one.training.gain]


def _told(group: Group) -> str:
    asked = [one for one in group.ok if one.cell.budget.until == "converged" and one.training and one.training.steps]
    falls = [one.training.gain for one in asked if one.training]
    falling = [gain for one, gain in zip(asked, falls, strict=True) if not converged(gain, one.cell.budget.margin)]
    if not falling:
        return ""
    most = max(
        (gain.value + Z95 * (gain.error or 0.0) for gain in falling if gain and gain.value is not None), default=0
    )
    told = f"by up to {most:.2g}" if most else "nothing tells by how much"
    return f"{len(falling)} of {group.seeds} seeds, {told}; the study's margin is {asked[0].cell.budget.margin:g}"
