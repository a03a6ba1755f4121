"""What tuning a family with so many trials, or so many CPU seconds, is worth, and the verdict between two at each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qinn_bench.records.trials import counts, cpu_seconds, is_final, is_stated, score
from qinn_bench.seeds import numpy_rng
from qinn_bench.statistics import corrections, direction
from qinn_bench.statistics.budget_curves import expected_chosen, expected_error, permutation_p
from qinn_bench.values import Array, Estimate, Record, Refused

LEVEL = 0.05
EVERY = 8
"""Numbers of trials up to which each is a budget of its own."""


class FamilyTrials(NamedTuple):
    """The trials of a family at one size on one data set: the `records` of all, and what is known of those with drawn
    settings.

    `scores` ``(n,)`` are those of validation rows, by which a trial is chosen, and `losses` ``(n,)`` those of the
    metric on test rows, less being better in both; of a trial that failed both are those of the worst that did not.

    Example:
        >>> numbers = np.array([1.0, 2.0, 3.0])
        >>> of_one = FamilyTrials("moons", "a", 100, False, (), numbers, numbers, failed=0, cpu_s=9.0, sign=1, unit="")
        >>> of_one.best_of(1).value, of_one.best_of(3).value
        (2.0, 1.0)
    """

    data: str
    family: str
    size: int
    quantum: bool
    records: tuple[Record, ...]
    scores: Array
    losses: Array
    failed: int
    cpu_s: float
    sign: int
    unit: str
    stated: Estimate = Estimate(value=None)

    @property
    def of(self) -> tuple[str, int]:
        """What it is compared within: the data set and the size."""
        return self.data, self.size

    def best_of(self, k: int) -> Estimate:
        """The metric that the best of k trials is expected to have."""
        value = expected_chosen(self.scores, self.losses, k, higher=False)
        error = expected_error(self.scores, k, higher=False, result=self.losses)
        return Estimate(value=self.sign * value, error=error, n=len(self.scores), unit=self.unit)


class BudgetVerdict(NamedTuple):
    """Two families under one budget: how many trials each has, and by how much the first is ahead.

    `better` is the family that is, empty where that is open; `p` is two-sided, `p_corrected` over all pairs that are
    compared under this budget (Holm).

    Example:
        >>> BudgetVerdict("8", (8, 8), ahead=0.2, p=0.001, p_corrected=0.003, better="a").better
        'a'
    """

    budget: str
    trials: tuple[int, int]
    ahead: float
    p: float
    p_corrected: float
    better: str


class TunedPair(NamedTuple):
    """Two families of one data set and size under every budget.

    Example:
        >>> numbers = np.array([1.0, 2.0])
        >>> first = FamilyTrials("moons", "a", 100, True, (), numbers, numbers, failed=0, cpu_s=9.0, sign=1, unit="")
        >>> TunedPair(first, first._replace(family="b"), ()).flips
        False
    """

    first: FamilyTrials
    second: FamilyTrials
    verdicts: tuple[BudgetVerdict, ...]

    @property
    def flips(self) -> bool:
        """Whether one family is better under one budget and the other under another."""
        return len({one.better for one in self.verdicts if one.better}) > 1


def families(records: Sequence[Record], metric: str) -> list[FamilyTrials]:
    """The trials of each family, size and data set, in the order of the records; those without any that counts are
    left out.

    Raises:
        Refused: the metric has no direction.
    """
    groups: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    for record in records:
        groups[str(record.cell.data), record.family, record.size].append(record)
    found = [_family(of, group, metric) for of, group in groups.items()]
    return [one for one in found if one is not None]


def _family(of: tuple[str, str, int], every: Sequence[Record], metric: str) -> FamilyTrials | None:
    first = [record for record in every if not is_final(record)]
    records = [record for record in first if not is_stated(record)]
    stated = [record.metrics[metric] for record in first if is_stated(record) and metric in record.metrics]
    good = [record for record in records if counts(record) and _value(record, metric) is not None]
    if not good:
        return None
    better = good[0].metrics[metric].better
    if not direction.competes(better):
        raise Refused(f"of '{metric}' neither more nor less is better; name a metric that has a direction")
    sign = -1 if better == "higher" else 1
    scores = {record.key: score(record) or 0.0 for record in good}
    losses = {record.key: sign * (_value(record, metric) or 0.0) for record in good}
    worst_score, worst_loss = max(scores.values()), max(losses.values())
    return FamilyTrials(
        data=of[0],
        family=of[1],
        size=of[2],
        quantum=any(record.cell.backend != "none" for record in records),
        records=tuple(every),
        scores=np.array([scores.get(record.key, worst_score) for record in records]),
        losses=np.array([losses.get(record.key, worst_loss) for record in records]),
        failed=len(records) - len(good),
        cpu_s=sum(map(cpu_seconds, records)),
        sign=sign,
        unit=good[0].metrics[metric].unit,
        stated=stated[0] if stated else Estimate(value=None),
    )


def _value(record: Record, metric: str) -> float | None:
    estimate = record.metrics.get(metric)
    return estimate.value if estimate else None


def budgets_of(found: Sequence[FamilyTrials]) -> list[int]:
    """The numbers of trials at which families are compared: each up to `EVERY`, then powers of two, and all there are.

    Example:
        >>> budgets_of([])
        []
    """
    most = max((len(one.scores) for one in found), default=0)
    powers = [2**k for k in range(most.bit_length()) if EVERY < 2**k < most]
    return sorted({*range(1, min(EVERY, most) + 1), *powers, *[most] * bool(most)})


def verdicts(found: Sequence[FamilyTrials], metric: str, level: float = LEVEL) -> list[TunedPair]:
    """Every quantum family against every classical one of its data set and size, all against all where there is no
    quantum one, under equal numbers of trials and under equal CPU seconds.

    Where the trials of one family take longer, it has fewer of them in the CPU seconds that all of the other's take.
    """
    pairs = _pairs(found)
    plans: dict[str, list[tuple[int, int]]] = {
        str(k): [(min(k, len(a.scores)), min(k, len(b.scores))) for a, b in pairs] for k in budgets_of(found)
    }
    plans["equal CPU"] = [_in_equal_time(a, b) for a, b in pairs]
    judged: list[list[BudgetVerdict]] = [[] for _ in pairs]
    for budget, trials in plans.items():
        raw = [_p(a, b, both, metric) for (a, b), both in zip(pairs, trials, strict=True)]
        for own, (a, b), both, p, corrected in zip(judged, pairs, trials, raw, corrections.holm(raw), strict=True):
            ahead = _expected(b, both[1]) - _expected(a, both[0])
            better = (a.family if ahead > 0 else b.family) if corrected <= level else ""
            own.append(BudgetVerdict(budget, both, ahead, p, corrected, better))
    return [TunedPair(a, b, tuple(own)) for (a, b), own in zip(pairs, judged, strict=True)]


def _pairs(found: Sequence[FamilyTrials]) -> list[tuple[FamilyTrials, FamilyTrials]]:
    every = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if a.of == b.of]
    if not any(one.quantum for one in found):
        return every
    return [(a, b) if a.quantum else (b, a) for a, b in every if a.quantum != b.quantum]


def _in_equal_time(a: FamilyTrials, b: FamilyTrials) -> tuple[int, int]:
    """How many trials each has in the CPU seconds of the cheaper one; at least one."""
    seconds = min(a.cpu_s, b.cpu_s)
    return tuple(  # type: ignore[return-value]
        max(1, min(len(one.scores), int(seconds / one.cpu_s * len(one.scores) + 1e-9)))
        if one.cpu_s
        else len(one.scores)
        for one in (a, b)
    )


def _expected(one: FamilyTrials, k: int) -> float:
    return expected_chosen(one.scores, one.losses, k, higher=False)


def _p(a: FamilyTrials, b: FamilyTrials, trials: tuple[int, int], metric: str) -> float:
    # The names in their order, so that the same two families give the same number whichever comes first.
    names = sorted([a.family, b.family])
    rng = numpy_rng("tuned budgets", metric, a.data, a.size, *names, *trials)
    return permutation_p((a.scores, b.scores), (a.losses, b.losses), trials, rng)
