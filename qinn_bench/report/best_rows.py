"""The best row of a column, and every other one that is not worse than it at 5 %, by a paired test over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr, stdtr

from qinn_bench.report.study_rows import Group
from qinn_bench.statistics import direction
from qinn_bench.statistics.outlying import far_out
from qinn_bench.statistics.paired import LEAST
from qinn_bench.statistics.sign_flips import sign_flip_p
from qinn_bench.values import Array, Estimate

LEVEL = 0.05


def not_worse(name: str, groups: Mapping[int, Group], distances: Mapping[int, float], *, shared: bool) -> set[int]:
    """Which of these rows, by their places, are the best or not worse than it at 5 % in the column `name`.

    `distances` say how far the number of each row is from the best there could be. With `shared` rows are judged by
    the same test rows, whose errors are the same for all of them and cancel in differences.
    """
    if len(distances) < 2:
        return set()
    best = min(distances, key=lambda at: distances[at])
    ahead = _by_seed(name, groups[best])
    return {
        at
        for at, distance in distances.items()
        if distance == distances[best] or p_worse(ahead, _by_seed(name, groups[at]), shared=shared) > LEVEL
    }


def p_worse(best: Mapping[int, Estimate], other: Mapping[int, Estimate], *, shared: bool = False) -> float:
    """The one-sided p-value of "the other is worse", from the numbers of both at each seed that both have.

    From five seeds on it is the larger of that of sign flips and that of Student's t, with fewer that of Student's t,
    and of a single seed that of the two stated errors. The errors within seeds, unless `shared`, belong to the
    difference as those over seeds do, since all seeds are judged on one sample of the truth. Where a seed of one side
    is `far_out`, errors mean nothing, and sign flips decide alone. 0 without a common seed.
    """
    seeds = sorted(best.keys() & other.keys())
    if not seeds:
        return 0.0
    sides = [[side[seed] for seed in seeds] for side in (best, other)]
    losses = [np.array([direction.loss(one.value or 0.0, one.better) for one in side]) for side in sides]
    behind = losses[1] - losses[0]
    within = 0.0 if shared and len(seeds) > 1 else float(np.hypot(_mean_error(sides[0]), _mean_error(sides[1])))
    if len(seeds) < LEAST:
        return _student(behind, within)
    flips = sign_flip_p(behind, np.abs(losses[0]) + np.abs(losses[1]))[0]
    return flips if any(map(_is_far_out, sides)) else max(flips, _student(behind, within))


def _by_seed(name: str, group: Group) -> dict[int, Estimate]:
    """The numbers of a row that there are, by seed."""
    numbers = {record.cell.seed: record.metrics[name] for record in group.ok if name in record.metrics}
    return {seed: one for seed, one in numbers.items() if one.value is not None}


def _is_far_out(side: list[Estimate]) -> bool:
    errors = [one.error for one in side if one.error is not None]
    return far_out(np.array([one.value for one in side], dtype=np.float64), np.array(errors, dtype=np.float64))


def _mean_error(side: list[Estimate]) -> float:
    errors = [one.error for one in side if one.error is not None]
    return float(np.mean(errors)) if errors else 0.0


def _student(behind: Array, within: float) -> float:
    """The p-value of "the mean is above zero", with an error within seeds beside their scatter."""
    n = len(behind)
    largest = float(np.max(np.abs(behind)))
    if largest == 0:
        return 1.0
    behind, within = behind / largest, within / largest
    between = float(np.std(behind, ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    error, mean = float(np.hypot(between, within)), float(behind.mean())
    if error == 0:
        return float(mean <= 0)
    if between == 0:
        return float(ndtr(-mean / error))
    return float(stdtr(n - 1, -mean / error))
