"""The compared rows of a study on several data sets as a table of scores, of which mean ranks are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench.report.study_columns import distance_of
from qinn_bench.report.study_rows import Group
from qinn_bench.statistics.findings import CompareTerms, Findings
from qinn_bench.verdicts.all_against_all import compared, terms_of
from qinn_bench.verdicts.outside_results import Results

LEAST_ROWS, LEAST_SETS = 3, 2
LOSS: CompareTerms = terms_of("lower")
"""Numbers of any direction become distances from the best there could be, of which less is better."""


def study_findings(groups: Sequence[Group], metric: str) -> Findings | None:
    """How the compared rows stand over the data sets of a study in a metric that competes; None where there are fewer
    than three rows that have it on each of two data sets or more.

    >>> study_findings([], "nll") is None
    True
    """
    results = study_scores(groups, metric)
    return None if results is None else compared(results, LOSS)


def study_scores(groups: Sequence[Group], metric: str) -> Results | None:
    """The distances ``(rows, replicates)`` of the rows that have the metric on every data set, at the seeds of all."""
    told: dict[str, dict[tuple[str, str], float]] = {}
    sets = list(dict.fromkeys(group.data for group in groups))
    for group in groups:
        if group.role != "model" or group.flags:
            continue
        for record in group.ok:
            loss = distance_of(metric, record.metrics[metric]) if metric in record.metrics else None
            if loss is not None:
                told.setdefault(group.row, {})[group.data, str(record.cell.seed)] = loss
    rows = [row for row, of in told.items() if {data for data, _ in of} == set(sets)]
    if len(rows) < LEAST_ROWS or len(sets) < LEAST_SETS:
        return None
    first = told[rows[0]]
    shared = [place for place in first if all(place in told[row] for row in rows)]
    if {data for data, _ in shared} != set(sets):
        return None
    scores = np.array([[told[row][place] for place in shared] for row in rows])
    return Results(tuple(rows), tuple(shared), scores)
