"""Every row of a table of results against every other: ranks, paired tests, Welch tests, corrected verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import get_args, get_type_hints

import numpy as np

from qinn_bench.statistics import ties
from qinn_bench.statistics.corrections import holm
from qinn_bench.statistics.direction import goodness, loss
from qinn_bench.statistics.findings import OVERALL, CompareTerms, Findings, RowPair
from qinn_bench.statistics.paired import LEAST, compare, ruling
from qinn_bench.statistics.sign_flips import wilcoxon_p
from qinn_bench.statistics.welch import welch
from qinn_bench.values import Array, Comparison, Refused
from qinn_bench.verdicts.outside_results import LARGEST, Results, plain_number
from qinn_bench.verdicts.standings import alike, remarks, standings


def compared(results: Results, terms: CompareTerms) -> Findings:
    """Standings of all rows and verdicts on all pairs of rows, or of each row with the control.

    Single runs are paired by (column, seed) (`paired.compare`). Means with a standard deviation have lost their
    pairing: on each data set they are compared by Welch's test. Over five data sets or more the mean differences are
    flipped in sign, which asks whether a row is better on data sets like these and is blind to how many runs each mean
    is of; over fewer, the differences are averaged with Welch's errors, which answers for these data sets only.

    p-values are corrected (Holm) over the pairs of all rows, and those of single data sets over pairs and data sets.
    No digit depends on the names of rows and data sets, nor on their order.

    Raises:
        Refused: a control that is no row.
    """
    if terms.control and terms.control not in results.rows:
        near = get_close_matches(terms.control, results.rows, cutoff=0.3) or results.rows[:3]
        raise Refused(f"no row is called '{terms.control}' (--control); the nearest are: {', '.join(near)}")
    results, means = _by_rank(results, terms)
    overall = _over_runs(results, means, terms) if results.sds is None else _over_means(results, terms)
    single: list[RowPair] = []
    if results.sds is not None:
        single = [pair for at in range(len(results.columns)) for pair in _welch_pairs(results, [at], terms)]
        overall = overall if len(results.columns) > 1 else []
    return Findings(
        better=terms.better,
        level=terms.level,
        margin=terms.margin,
        control=terms.control,
        columns=len(results.columns),
        replicates=_words(results, terms),
        standings=standings(results, means, terms),
        alike=alike(results.rows, means, terms),
        pairs=(*_corrected(overall, terms), *_corrected(single, terms)),
        remarks=remarks(results, means, terms),
        dropped=tuple(f"{column}, seed {seed}" if seed else column for column, seed in results.dropped),
        costs=results.costs,
    )


def terms_of(
    better: str = "higher",
    margin: str | float | None = None,
    level: str | float = 0.05,
    over: str = "auto",
    control: str = "",
) -> CompareTerms:
    """The terms of a comparison as somebody states them, numbers perhaps as text.

    Raises:
        Refused: a margin or a level that is none, or a word for `better` or `over` that there is not.
    """
    for name, word in (("better", better), ("over", over)):
        known = get_args(get_type_hints(CompareTerms)[name])
        if word not in known:
            raise Refused(f"{name} is '{word}', expected one of: {', '.join(known)}")
    widest = None if margin is None else plain_number(str(margin).strip())
    if margin is not None and (widest is None or not widest > 0):
        expected = f"the largest difference that counts as none, above 0 and at most {LARGEST:g}"
        raise Refused(f"the margin is {margin}, expected {expected}")
    chance = plain_number(str(level).strip())
    if chance is None or not 0 < chance < 0.5:
        raise Refused(f"the level is {level}, expected a chance between 0 and 0.5")
    return CompareTerms(better, widest, chance, over, control)  # type: ignore[arg-type]


def with_control(rows: Sequence[str], terms: CompareTerms) -> list[str]:
    """The rows that are compared where some are named: the control is always one of them."""
    return [*rows, *[terms.control] * bool(rows and terms.control and terms.control not in rows)]


def _by_rank(results: Results, terms: CompareTerms) -> tuple[Results, Array]:
    """The same results with their rows in the order of their mean ranks, and their means on each data set."""
    means = np.stack(
        [
            block[:, 0] if block.shape[1] == 1 else np.array([ties.mean(scores) for scores in block])
            for block in results.by_column()
        ],
        axis=1,
    )
    ranks = ties.ranks(loss(means, terms.better).T).mean(0)
    order = np.argsort(ties.snapped(ranks), kind="stable")
    moved = results._replace(
        rows=tuple(results.rows[at] for at in order),
        scores=results.scores[order],
        sds=None if results.sds is None else results.sds[order],
        sizes=None if results.sizes is None else results.sizes[order],
    )
    return moved, means[order]


def _played(rows: Sequence[str], terms: CompareTerms) -> list[tuple[int, int]]:
    """The places of the two rows of each pair: the better ranked one first, or the one compared with the control."""
    if not terms.control:
        return list(combinations(range(len(rows)), 2))
    control = rows.index(terms.control)
    return [(at, control) for at in range(len(rows)) if at != control]


def _by_columns(results: Results, terms: CompareTerms) -> bool:
    return terms.over == "columns" or (terms.over == "auto" and len(results.columns) >= LEAST)


def _words(results: Results, terms: CompareTerms) -> str:
    columns, replicates = len(results.columns), len(results.replicates)
    if _by_columns(results, terms):
        return f"{columns} data sets" + (", the seeds of each averaged" if replicates > columns else "")
    if results.sds is not None:
        return f"the runs on {columns} {'data sets' if columns > 1 else 'data set'}"
    return (
        f"{replicates} pairs of data set and seed"
        if columns > 1
        else f"{replicates} seed{'s' if replicates > 1 else ''}"
    )


def _over_runs(results: Results, means: Array, terms: CompareTerms) -> list[RowPair]:
    scope = OVERALL if len(results.columns) > 1 else results.columns[0]
    if _by_columns(results, terms):
        return _paired(results.rows, means, scope, "data sets", range(means.shape[1]), terms)
    over = "pairs of data set and seed" if scope == OVERALL else "seeds"
    return _paired(results.rows, results.scores, scope, over, [column for column, _ in results.replicates], terms)


def _over_means(results: Results, terms: CompareTerms) -> list[RowPair]:
    if _by_columns(results, terms):
        columns = range(len(results.columns))
        return _paired(results.rows, results.scores, OVERALL, "data sets", columns, terms)
    return _welch_pairs(results, list(range(len(results.columns))), terms)


def _paired(
    rows: Sequence[str], scores: Array, scope: str, over: str, groups: Sequence[Hashable], terms: CompareTerms
) -> list[RowPair]:
    """All pairs of rows over the replicates of scores ``(n_rows, n)``, each on the group (data set) of its label."""
    pairs = []
    for i, j in _played(rows, terms):
        one = compare(scores[i], scores[j], better=terms.better, margin=terms.margin, level=terms.level, groups=groups)
        known = one.p_better is not None
        one = one.model_copy(update={"method": f"sign flips over {over}" if known else ""})
        pair = RowPair(scope=scope, first=rows[i], second=rows[j], comparison=one, flipped=known)
        pairs.append(pair.model_copy(update=_robust(scores[i], scores[j], terms, known)))
    return pairs


def _robust(first: Array, second: Array, terms: CompareTerms, tested: bool) -> dict[str, float | int | None]:
    """What no single score decides: wins, ties, losses, the median difference, Wilcoxon's test."""
    scale = np.abs(first) + np.abs(second)
    differences = goodness(first - second, terms.better)
    signs = np.where(np.abs(differences) <= ties.TIE * scale, 0.0, np.sign(differences))
    opinion = min(1.0, 2 * min(wilcoxon_p(differences, scale))) if tested and signs.any() else None
    return {
        "wins": int((signs > 0).sum()),
        "ties": int((signs == 0).sum()),
        "losses": int((signs < 0).sum()),
        "median": float(np.median(np.where(signs == 0, 0.0, differences))),
        "p_wilcoxon": opinion,
    }


def _welch_pairs(results: Results, columns: list[int], terms: CompareTerms) -> list[RowPair]:
    """All pairs of rows by Welch's test on one data set, or by the mean of their differences on several."""
    assert results.sds is not None and results.sizes is not None
    scores, sds, sizes = (block[:, columns] for block in (results.scores, results.sds, results.sizes))
    one = len(columns) == 1
    scope = results.replicates[columns[0]][0] if one else OVERALL
    pairs = []
    for i, j in _played(results.rows, terms):
        pair = [i, j]
        comparison = welch(scores[pair], sds[pair], sizes[pair], terms)
        counted = {} if one else _robust(scores[i], scores[j], terms, tested=False)
        made = RowPair(scope=scope, first=results.rows[i], second=results.rows[j], comparison=comparison)
        pairs.append(made.model_copy(update=counted))
    return pairs


def _corrected(pairs: Sequence[RowPair], terms: CompareTerms) -> tuple[RowPair, ...]:
    """The same pairs with their two-sided p-values, and verdicts after Holm's correction over all of them."""
    raw = [_two_sided(pair.comparison) for pair in pairs]
    adjusted = holm([1.0 if p is None else p for p in raw])
    equal = holm([1.0 if pair.comparison.p_equal is None else pair.comparison.p_equal for pair in pairs])
    robust = holm([1.0 if pair.p_wilcoxon is None else pair.p_wilcoxon for pair in pairs])
    return tuple(
        pair
        if p is None
        else _settled(pair, p, p_corrected, p_equal, len(pairs), terms).model_copy(
            update={"p_wilcoxon_corrected": None if pair.p_wilcoxon is None else p_robust}
        )
        for pair, p, p_corrected, p_equal, p_robust in zip(pairs, raw, adjusted, equal, robust, strict=True)
    )


def _two_sided(comparison: Comparison) -> float | None:
    if comparison.p_better is None or comparison.p_worse is None:
        return None
    return min(1.0, 2 * min(comparison.p_better, comparison.p_worse))


def _settled(pair: RowPair, p: float, corrected: float, equal: float, family: int, terms: CompareTerms) -> RowPair:
    comparison = pair.comparison
    ahead = (comparison.effect.value or 0.0) >= 0
    p_equal = None if comparison.p_equal is None else equal
    outcome, reason = ruling(corrected if ahead else None, None if ahead else corrected, p_equal, terms.level)
    remarks = list(comparison.remarks)
    needed = 1 + int(np.ceil(np.log2(family / terms.level)))
    if outcome == "undecided" and pair.flipped and comparison.replicates < needed:
        smallest = f"of {comparison.replicates} replicates no p is below {2.0 ** (1 - comparison.replicates):.2g}"
        values = "p-values" if family > 1 else "p-value"
        remarks.append(f"{smallest}, so that to correct {family} {values} takes {needed}")
    reason = "; ".join([reason, *remarks])
    return pair.model_copy(
        update={
            "comparison": comparison.model_copy(
                update={"outcome": outcome, "reason": reason, "remarks": tuple(remarks)}
            ),
            "p": p,
            "p_corrected": corrected,
            "p_equal_corrected": p_equal,
        }
    )
