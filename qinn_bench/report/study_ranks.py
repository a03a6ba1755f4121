"""How the rows of a study rank over its data sets and sizes, with critical differences, as far as all have a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench.report.pareto import cost_points, sets_of
from qinn_bench.report.study_rows import Group
from qinn_bench.statistics.findings import CompareTerms, Findings
from qinn_bench.verdicts.all_against_all import compared
from qinn_bench.verdicts.outside_results import Results

FEWEST_ROWS, FEWEST_SETS = 3, 2
"""Rows and data sets without which there are no ranks to compare."""
RankPlace = tuple[str, int]
"""A data set, and a size of its rows: 0 where they have none."""


def study_ranks(groups: Sequence[Group], metric: str) -> tuple[Findings, list[RankPlace]] | None:
    """The ranks of families by a metric, and the data sets and sizes over which they are taken.

    A family is ranked at each size on each data set by its mean over seeds; flagged rows, controls and likelihoods
    without a certificate that passed are left out. Ranks need a number of each family in each place: of all choices of
    places that leave out those with the fewest families one by one, the one with the most numbers is taken.

    None where fewer than three families are left, or fewer than two data sets.
    """
    found = _losses(groups, metric)
    places, families = _complete(found)
    if len(families) < FEWEST_ROWS or len({data for data, _ in places}) < FEWEST_SETS:
        return None
    losses = np.array([[found[place][family] for place in places] for family in families])
    replicates = tuple((data if not size else f"{data} · {size}", "") for data, size in places)
    return compared(Results(tuple(families), replicates, losses), CompareTerms(better="lower")), places


def _losses(groups: Sequence[Group], metric: str) -> dict[RankPlace, dict[str, float]]:
    """How bad each family is in each place; of one in several budgets or on several backends the best."""
    found: dict[RankPlace, dict[str, float]] = {}
    for data in sets_of(groups):
        own = [group for group in groups if group.data == data]
        sizes = {group.row: group.records[0].size for group in own}
        for point in cost_points(own, metric, "parameters"):
            of_place = found.setdefault((data, sizes[point.row]), {})
            of_place[point.family] = min(point.loss, of_place.get(point.family, np.inf))
    return found


def _complete(found: dict[RankPlace, dict[str, float]]) -> tuple[list[RankPlace], list[str]]:
    """The places, and the families that have a number in each of them."""
    left = sorted(found, key=lambda place: len(found[place]))
    best: tuple[list[RankPlace], list[str]] = ([], [])
    while left:
        families = sorted(set.intersection(*(set(found[place]) for place in left)))
        if len(families) >= FEWEST_ROWS and len(families) * len(left) > len(best[0]) * len(best[1]):
            best = [place for place in found if place in left], families
        left = left[1:]
    return best
