"""Which rows are not shown to tell signal from background better than the best single number of a row does."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.best_rows import p_worse
from qinn_bench.report.study_rows import Group
from qinn_bench.statistics.estimates import combine
from qinn_bench.values import Estimate

AUC = "roc_auc"
LEVEL, CHANCE = 0.05, 0.5
BELOW = "▽"
"""The mark of such a row."""


def below_floors(groups: Sequence[Group]) -> dict[tuple[str, str], str]:
    """(data set, row) of every model whose area under the ROC curve is not shown to be above that of the best floor.

    The test is one-sided, at 5 %, over the common seeds (`best_rows.p_worse`), with the errors of both rows within
    seeds, which all seeds share; that both are judged by the same test rows would make it a little sharper. A number
    whose area is below one half counts with its sign turned. The values say which floor it is, with both areas. Data
    sets without a floor that scores give nothing.
    """
    found: dict[tuple[str, str], str] = {}
    for data in dict.fromkeys(group.data for group in groups):
        here = [(group, areas) for group in groups if group.data == data and (areas := _areas(group))]
        floors = [_ahead(group.row, areas) for group, areas in here if group.role == "floor"]
        if not floors:
            continue
        name, best = max(floors, key=lambda one: _mean(one[1]))
        for group, areas in here:
            if group.role == "model" and not p_worse(areas, best) <= LEVEL:
                found[data, group.row] = f"AUC {_mean(areas):.3f}, and {_mean(best):.3f} by {name} alone"
    return found


def below_notes(below: dict[tuple[str, str], str]) -> list[str]:
    """What the mark says, and of each row that has it by which number alone it is not beaten."""
    notes = [f"{row} on {data}: {said}." for (data, row), said in below.items()]
    return [f"{BELOW} not shown to beat the best single number (a floor) at 5 %:", *notes] if notes else []


def _ahead(name: str, areas: dict[int, Estimate]) -> tuple[str, dict[int, Estimate]]:
    """A floor with its sign turned where signal lies on the lower side of background."""
    if _mean(areas) >= CHANCE:
        return name, areas
    turned = {seed: one.model_copy(update={"value": 1 - (one.value or 0.0)}) for seed, one in areas.items()}
    return f"{name} (turned)", turned


def _areas(group: Group) -> dict[int, Estimate]:
    """The areas of a row by seed."""
    numbers = {record.cell.seed: record.metrics[AUC] for record in group.ok if AUC in record.metrics}
    return {seed: one for seed, one in numbers.items() if one.value is not None}


def _mean(areas: dict[int, Estimate]) -> float:
    return combine(list(areas.values())).value or 0.0
