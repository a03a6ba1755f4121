"""Whether a row could win at all with the records that there are, and why not: it is tried with a planted advantage."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from qinn_bench.records.known import on_data
from qinn_bench.statistics import direction, paired
from qinn_bench.values import Estimate, Record
from qinn_bench.verdicts.judge import judge

FAR = 1e3
"""The planted advantage in units of the spread of all numbers of the metric."""


class CanWin(NamedTuple):
    """Whether a row can win, and why not.

    Example:
        >>> CanWin(False, "no controls").why_not
        'no controls'
    """

    can: bool
    why_not: str = ""


def planted(records: Sequence[Record], rows: Collection[str], metric: str, by: float) -> list[Record]:
    """The records with the numbers of these rows better by an amount, in the unit of the metric.

    A likelihood moves with its claimed one; what is best at an ideal is put there. Certificates, flags and failures
    stay as they are.

    Example:
        >>> planted([], {"qinn"}, "nll", 5.0)
        []
    """
    names = (metric, f"{metric}_claimed")

    def better(record: Record) -> Record:
        if record.row not in rows:
            return record
        moved = {name: _better(record.metrics[name], by) for name in names if name in record.metrics}
        return record.model_copy(update={"metrics": {**record.metrics, **moved}})

    return [better(record) for record in records]


def _better(estimate: Estimate, by: float) -> Estimate:
    if estimate.value is None or not direction.competes(estimate.better):
        return estimate
    ideal = direction.IDEAL.get(estimate.better)
    value = estimate.value - direction.sign_of(estimate.better) * by if ideal is None else ideal
    return estimate.model_copy(update={"value": value})


def equal_to(records: Sequence[Record], row: str, rival: str, metric: str) -> list[Record]:
    """The records with the numbers of a row put in the place of those of another, where that one has them.

    Example:
        >>> equal_to([], "qinn", "spline_inn", "nll")
        []
    """
    theirs = {_cell(one): one.metrics[metric].value for one in records if one.row == rival and metric in one.metrics}

    def same(record: Record) -> Record:
        value = theirs.get(_cell(record))
        if record.row != row or metric not in record.metrics or value is None:
            return record
        number = record.metrics[metric].model_copy(update={"value": value})
        return record.model_copy(update={"metrics": {**record.metrics, metric: number}})

    return [same(record) for record in records]


def _cell(record: Record) -> tuple[str, int, str]:
    return str(record.cell.data), record.cell.seed, record.cell.varies


def can_win(
    records: Sequence[Record],
    row: str,
    rival: str,
    metric: str,
    *,
    data: str = "",
    equal: float | None = None,
    level: float = 0.05,
    claims: int = 1,
    chances: int = 1,
    replicates: int = paired.LEAST,
    other_budgets: bool = False,
) -> CanWin:
    """Whether the first row would be said to be better than a rival if it were better by any amount.

    The advantage is planted in its records and judged as all else is, so that whatever stands in its way is found: too
    few seeds for a p-value that stands among so many `claims`, each of which takes so many `chances`, no controls or
    none that can be compared, a likelihood that is not certified, a flag, failed seeds, other data or another budget.
    With `equal` it is asked whether the two would be said to be equal within this margin if their numbers were the
    same.

    Example:
        >>> can_win([], "qinn", "spline_inn", "nll")
        CanWin(can=False, why_not="there is no record of 'qinn'")
    """
    here = [one for one in records if on_data(one, data) and one.cell.varies == "all"]
    estimates = [one.metrics[metric].value for one in here if metric in one.metrics]
    numbers = [value for value in estimates if value is not None]
    far = FAR * (max(numbers) - min(numbers) + 1) if numbers else 1.0
    best = planted(here, {row}, metric, far) if equal is None else equal_to(here, row, rival, metric)
    tried = judge(
        best,
        row,
        rival,
        metric,
        equal,
        rng=np.random.default_rng(0),
        data=data,
        level=level,
        replicates=replicates,
        other_budgets=other_budgets,
        arrays=False,
    )
    p = tried.p_better if equal is None else tried.p_equal
    if p is None or p > level:
        return CanWin(False, tried.reason)
    if p * claims * chances > level:
        return CanWin(False, too_few(tried.replicates, claims, level, chances))
    return CanWin(True)


def too_few(pairs: int, claims: int, level: float, chances: int = 1) -> str:
    """Why so few pairs of seeds decide nothing among so many claims, each of which takes so many `chances`.

    Example:
        >>> too_few(5, 5, 0.05)
        '5 pairs give no p below 0.031, which does not stand among 5 claims; 7 pairs could'
    """
    smallest, needed = 0.5**pairs, math.ceil(math.log2(claims * chances / level) - 1e-9)
    among = [f"{claims} claims"] * (claims > 1) + [f"{chances} chances of any"] * (chances > 1)
    stands = f"which does not stand among {' with '.join(among)}" if among else f"which is above {level:g}"
    return f"{pairs} pairs give no p below {smallest:.2g}, {stands}; {needed} pairs could"
