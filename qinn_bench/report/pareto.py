"""Which rows are on the front of quality against cost: no other is at least as good and as cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qinn_bench.records.certified import is_likelihood
from qinn_bench.records.store import data_names
from qinn_bench.report.study_columns import COUNTS, SECONDS, SPENT, distance_of
from qinn_bench.report.study_rows import Group
from qinn_bench.report.study_table import count_cell
from qinn_bench.statistics.outlying import summary
from qinn_bench.values import Estimate

COSTS = ("parameters", "rank", "train_s", "circuits", "flops")
"""Columns of cost that a front is asked of, the rows that have none of it left out."""


@dataclass(frozen=True)
class CostPoint:
    """A row with its cost and its quality: `loss` is how far it is from the best there could be, up to a constant.

    Example:
        >>> CostPoint("a", "a", 370.0, 17.5, 0.1, 17.5).cost
        370.0
    """

    row: str
    family: str
    cost: float
    value: float
    error: float
    loss: float


def pareto_front(costs: Sequence[float], losses: Sequence[float]) -> list[int]:
    """The places of the points that no other dominates: at most as dear and at most as far off, and one of them less.

    They come in the order of their cost; of equal points all are on the front.

    >>> pareto_front([1, 2, 3, 2], [5, 3, 4, 3])
    [0, 1, 3]
    """
    order = sorted(range(len(costs)), key=lambda at: (costs[at], losses[at]))
    front: list[int] = []
    for at in order:
        last = front[-1] if front else None
        if last is None or losses[at] < losses[last] or (costs[at], losses[at]) == (costs[last], losses[last]):
            front.append(at)
    return front


def cost_points(groups: Sequence[Group], metric: str, cost: str) -> list[CostPoint]:
    """The compared rows with a mean of a metric that competes and a cost above zero.

    A flagged row is left out, and so is one whose likelihood has no certificate that passed.
    """
    made = []
    for group in groups:
        estimates = [record.metrics[metric] for record in group.ok if metric in record.metrics]
        believed = group.verdict == "pass" or not is_likelihood(metric, group.verdict or "")
        if group.role != "model" or group.flags or not estimates or not believed:
            continue
        mean, spent = summary(estimates), _cost(group, cost)
        loss = distance_of(metric, mean)
        if mean.value is None or loss is None or not spent:
            continue
        family = group.records[0].family or group.row
        made.append(CostPoint(group.row, family, spent, mean.value, mean.error or 0.0, loss))
    return made


def _cost(group: Group, cost: str) -> float | None:
    """What a row costs; None where that is not known."""
    if cost in SECONDS:
        seconds = [record.cost[SECONDS[cost]] for record in group.ok if SECONDS[cost] in record.cost]
        return sum(seconds) / len(seconds) if seconds else None
    cell = count_cell(cost, group) if cost in {*COUNTS, *SPENT} else None
    known = (
        cell.value
        if isinstance(cell, Estimate)
        else None
        if cell is None
        else cell.plain.get("", cell.plain.get("_at_least"))
    )
    return float(known) if isinstance(known, int | float) else None


def sets_of(groups: Sequence[Group]) -> list[str]:
    """The data sets of rows, by the names that tables have for them."""
    names = data_names([record for group in groups for record in group.records])
    return list(dict.fromkeys(names[str(group.records[0].cell.data)] for group in groups))
