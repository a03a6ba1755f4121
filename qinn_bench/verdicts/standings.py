"""How each row of a table of results stands: means, ranks, groups, and where its scores say less than they seem to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from qinn_bench.statistics import ties
from qinn_bench.statistics.direction import goodness, loss
from qinn_bench.statistics.findings import Alike, CompareTerms, RowStanding
from qinn_bench.statistics.paired import LEAST
from qinn_bench.statistics.rankings import control_difference, critical_difference, friedman, groups, interquartile_mean
from qinn_bench.values import Array
from qinn_bench.verdicts.outside_results import SHOWN, Results

ALONE = 1000.0
"""How many times larger than all others together a deviation is said to make a mean by itself."""


def standings(results: Results, means: Array, terms: CompareTerms) -> tuple[RowStanding, ...]:
    """Each row in the order of the table; `means` are its scores ``(n_rows, n_columns)`` on the data sets."""
    oriented = loss(means, terms.better)
    ranks = ties.ranks(oriented.T).mean(0)
    blocks = results.by_column()
    of_rows = []
    for at, row in enumerate(results.rows):
        middle, interval = _middle([block[at] for block in blocks], means[at])
        of_rows.append(
            RowStanding(row=row, mean=ties.mean(means[at]), rank=float(ranks[at]), middle=middle, interval=interval)
        )
    return tuple(of_rows)


def _middle(blocks: Sequence[Array], means: Array) -> tuple[float, tuple[float, float] | None]:
    """The interquartile mean of all scores; its interval is over the seeds of each data set, or else over data sets."""
    strata = list(blocks) if max(map(len, blocks)) > 1 else [means]
    if len(np.concatenate(strata)) < 2:
        return float(means[0]), None
    known = min(map(len, strata)) >= LEAST
    value, spread = interquartile_mean(sorted(strata, key=lambda own: sorted(own.tolist())))
    return value, (spread.low, spread.high) if known and spread.error else None


def alike(rows: Sequence[str], means: Array, terms: CompareTerms) -> Alike | None:
    """Whether the rows rank alike, and which do not; None with fewer than three rows or two data sets."""
    k, n = means.shape
    if k < 3 or n < 2:
        return None
    ranked = friedman(goodness(means, terms.better).T, terms.level)
    difference = control_difference if terms.control else critical_difference
    critical = difference(n, k, terms.level)
    looked_at = [
        (rows[i], rows[j], abs(ranked.mean_ranks[i] - ranked.mean_ranks[j])) for i, j in combinations(range(k), 2)
    ]
    return Alike(
        columns=n,
        least=int((difference(1, k, terms.level) / (k - 1)) ** 2) + 1,
        chi2=ranked.chi2,
        p_chi2=ranked.p_chi2,
        f=ranked.f if np.isfinite(ranked.f) else None,
        freedom=ranked.freedom,
        p_f=ranked.p_f,
        critical=critical,
        apart=tuple((a, b) for a, b, gap in looked_at if gap > critical + ties.TIE and terms.control in ("", a, b)),
        groups=()
        if terms.control
        else tuple(tuple(rows[at] for at in one) for one in groups(ranked.mean_ranks, critical)),
    )


def remarks(results: Results, means: Array, terms: CompareTerms) -> tuple[str, ...]:
    """What a reader should know of the scores: cells without spread, ceilings, and means that one score makes."""
    return tuple(filter(None, [_still(results), _ceiling(results, means, terms), _alone(results, means)]))


def _still(results: Results) -> str:
    """Cells of several runs that are all one value."""
    cells = [(row, column) for row in results.rows for column in results.columns]
    if results.sds is not None:
        still = (results.sds <= ties.TIE * np.abs(results.scores)).ravel()
    else:
        blocks = results.by_column()
        if max(block.shape[1] for block in blocks) < 2:
            return ""
        spreads = [np.ptp(ties.snapped(block), axis=1) for block in blocks]
        several = np.array([block.shape[1] > 1 for block in blocks])
        still = ((np.stack(spreads, axis=1) == 0) & several).ravel()
    if not still.any():
        return ""
    named = [f"'{row}' on '{column}'" for (row, column), so in zip(cells, still, strict=True) if so]
    cells_of = f"{len(named)} of {len(cells)} cells"
    return f"No spread over the runs of {cells_of}: {_some(named)}. That is no evidence of precision."


def _ceiling(results: Results, means: Array, terms: CompareTerms) -> str:
    """Data sets on which several rows have the best score that there is in the table."""
    best = float(means.flat[loss(means, terms.better).argmin()])
    reached = np.abs(means - best) <= ties.TIE * np.maximum(np.abs(means), abs(best))
    shared = reached.sum(0) >= 2
    if not shared.any():
        return ""
    named = [
        f"'{column}' ({count} rows)" for column, count in zip(results.columns, reached.sum(0), strict=True) if count > 1
    ]
    on = f"{len(named)} of {len(results.columns)} data sets" if len(results.columns) > 1 else "the data set"
    return (
        f"On {on} several rows share the best score of the table, {best:.6g}: {_some(named)}. "
        "What saturates cannot tell them apart."
    )


def _alone(results: Results, means: Array) -> str:
    """Rows of which one score deviates by more than all others together, by far."""
    if means.shape[1] < LEAST:
        return ""
    apart = np.abs(means - np.median(means, axis=1, keepdims=True))
    at, largest = apart.argmax(1), apart.max(1)
    usual = float(np.median(np.abs(means)))
    made = (largest > ALONE * (apart.sum(1) - largest)) & (largest > ALONE * usual) & (usual > 0)
    if not made.any():
        return ""
    named = [f"'{results.rows[i]}' on '{results.columns[at[i]]}' ({means[i, at[i]]:.3g})" for i in np.flatnonzero(made)]
    return (
        f"A single score makes the mean of a row: {_some(named)}. Ranks, medians and Wilcoxon's test do not rest on it."
    )


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more
