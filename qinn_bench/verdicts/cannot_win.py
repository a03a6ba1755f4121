"""Which quantum rows of a table could not be said to be better than a classical one, whatever their numbers were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from qinn_bench.records.known import on_data
from qinn_bench.records.store import data_names
from qinn_bench.statistics import direction
from qinn_bench.values import Record
from qinn_bench.verdicts.rulings.can_win import can_win
from qinn_bench.verdicts.strongest import strongest


def said(records: Sequence[Record], metrics: Iterable[str], *, tuned: bool = False) -> list[str]:
    """A note for each data set and metric on what stands in the way of quantum rows that have controls.

    Each is asked by the first of these metrics that it shares with a classical row of its size, against the strongest
    of these, or the best where no validation rows tell which that is. Of a study that is `tuned` each row has the
    learning rate and the schedule that its trials chose, so that budgets may differ.

    Example:
        >>> said([], ("nll",))
        []
    """
    asked, told = tuple(metrics), dict[tuple[str, str], list[str]]()
    controlled = {(one.control_of, str(one.cell.data)) for one in records if one.control_of}
    if not controlled:
        return []
    for data, shown in data_names(records).items():
        own = [one for one in records if on_data(one, data) and one.cell.varies == "all" and one.role == "model"]
        for row, size in {one.row: one.size for one in own if (one.row, data) in controlled}.items():
            rival, metric = _rival(own, row, size, asked)
            if rival and not (answer := can_win(records, row, rival, metric, data=data, other_budgets=tuned)).can:
                why = answer.why_not.partition(":")[0]
                told.setdefault((shown, metric), []).append(why if f"'{row}'" in why else f"'{row}': {why}")
    cannot = "Cannot be shown to be better than a classical row of its size"
    return [f"{cannot}, whatever its {metric} on {data}: {'; '.join(why)}." for (data, metric), why in told.items()]


def _rival(records: Sequence[Record], row: str, size: int, metrics: Sequence[str]) -> tuple[str, str]:
    """The classical row that a row has to beat, and the metric; both empty where there is none."""
    for metric in metrics:
        losses = _losses([one for one in records if one.row == row or one.cell.backend == "none"], size, metric)
        if losses.pop(row, None) is not None and losses:
            known = strongest(records, size)
            return (known if known in losses else min(losses, key=lambda name: losses[name])), metric
    return "", ""


def _losses(records: Sequence[Record], size: int, metric: str) -> dict[str, float]:
    """How bad each row of a size is by a metric that has a better side, in the mean over its seeds."""
    of_row: dict[str, list[float]] = {}
    for record in records:
        number = record.metrics.get(metric)
        if record.size == size and number and number.value is not None and direction.competes(number.better):
            of_row.setdefault(record.row, []).append(direction.loss(number.value, number.better))
    return {row: fmean(values) for row, values in of_row.items()}
