"""Every row of a table of results against every other: ranks, paired tests, Welch tests, corrected verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon
from scipy.stats import t as student

from qinn_bench.paired import LEAST, LEVEL, compare, holm, ruling
from qinn_bench.rankings import critical_difference, friedman, interquartile_mean
from qinn_bench.results_table import Results
from qinn_bench.values import Array, Comparison, Estimate, Value

OVERALL = "all data sets"
FLIPS = "sign flips over "


class Terms(NamedTuple):
    """On what terms rows are compared.

    `margin` is the largest difference that counts as none, in the unit of the scores; `level` is the chance of any
    false verdict. The replicates are the `columns` (data sets; the seeds of each are averaged) or all `pairs` of column
    and seed; `auto` takes the columns where there are five or more.
    """

    better: Literal["higher", "lower"] = "higher"
    margin: float | None = None
    level: float = 0.05
    over: Literal["auto", "pairs", "columns"] = "auto"


class Standing(Value):
    """How a row does over all data sets: mean, mean rank (1 is best), interquartile mean and its 95 % interval."""

    row: str
    mean: float
    rank: float
    middle: float
    interval: tuple[float, float] | None = None


class Alike(Value):
    """Friedman's test that all rows rank alike, and the pairs whose mean ranks differ by more than `critical`.

    Below `least` data sets no difference of mean ranks can reach the critical one.
    """

    columns: int
    least: int
    chi2: float
    p_chi2: float
    p_f: float
    critical: float
    apart: tuple[tuple[str, str], ...]


class Pair(Value):
    """What is said of two rows in a scope, which is one data set or all.

    `comparison` has the verdict at the corrected p-values; `p` is that of "no difference", two-sided, because nobody
    said beforehand which row is the better one; so is `p_wilcoxon`.
    """

    scope: str
    first: str
    second: str
    comparison: Comparison
    p: float | None = None
    p_corrected: float | None = None
    p_equal_corrected: float | None = None
    p_wilcoxon: float | None = None


class Findings(Value):
    """All that a table of results says; `replicates` says in words what the tests are over."""

    better: Literal["higher", "lower"]
    level: float
    margin: float | None
    columns: int
    replicates: str
    standings: tuple[Standing, ...]
    alike: Alike | None
    pairs: tuple[Pair, ...]
    dropped: tuple[str, ...]


def compared(results: Results, terms: Terms) -> Findings:
    """Standings of all rows and verdicts on all pairs of rows.

    Single runs are paired by (column, seed) (`paired.compare`). Means with a standard deviation have lost their
    pairing: on each data set they are compared by Welch's test. Over five data sets or more the mean differences are
    flipped in sign, which asks whether a row is better on data sets like these and is blind to how many runs each mean
    is of; over fewer, the differences are averaged with Welch's errors, which answers for these data sets only.

    p-values are corrected (Holm) over the pairs of all rows, and those of single data sets over pairs and data sets.
    """
    means = np.stack([scores.mean(1) for scores in results.by_column()], axis=1)
    single = results.sds is None
    overall = _over_runs(results, means, terms) if single else _over_means(results, terms)
    each = [] if single else [_welch_pairs(results, (at,), terms) for at in range(len(results.columns))]
    if not single and len(results.columns) == 1:
        overall = []
    return Findings(
        better=terms.better,
        level=terms.level,
        margin=terms.margin,
        columns=len(results.columns),
        replicates=_words(results, terms),
        standings=_standings(results, means, terms),
        alike=_alike(results.rows, means, terms),
        pairs=(*_corrected(overall, terms), *_corrected([pair for block in each for pair in block], terms)),
        dropped=tuple(f"{column}, seed {seed}" if seed else column for column, seed in results.dropped),
    )


def _by_columns(results: Results, terms: Terms) -> bool:
    return terms.over == "columns" or (terms.over == "auto" and len(results.columns) >= LEAST)


def _words(results: Results, terms: Terms) -> str:
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


def _over_runs(results: Results, means: Array, terms: Terms) -> list[Pair]:
    scores = means if _by_columns(results, terms) else results.scores
    scope = OVERALL if len(results.columns) > 1 else results.columns[0]
    over = "data sets" if _by_columns(results, terms) else "pairs of data set and seed" if scope == OVERALL else "seeds"
    return _paired(results.rows, scores, scope, over, terms)


def _over_means(results: Results, terms: Terms) -> list[Pair]:
    if _by_columns(results, terms):
        return _paired(results.rows, results.scores, OVERALL, "data sets", terms)
    return _welch_pairs(results, tuple(range(len(results.columns))), terms)


def _paired(rows: Sequence[str], scores: Array, scope: str, over: str, terms: Terms) -> list[Pair]:
    """All pairs of rows over the replicates of scores ``(n_rows, n)``."""
    found = []
    for (first, a), (second, b) in combinations(zip(rows, scores, strict=True), 2):
        rng = np.random.default_rng(list(f"{scope}/{first}/{second}".encode()))
        one = compare(a, b, better=terms.better, rng=rng, margin=terms.margin, level=terms.level)
        known = one.p_better is not None
        opinion = float(wilcoxon(a, b).pvalue) if known and np.any(a != b) else None
        one = one.model_copy(update={"method": FLIPS + over if known else ""})
        found.append(Pair(scope=scope, first=first, second=second, comparison=one, p_wilcoxon=opinion))
    return found


def _welch_pairs(results: Results, columns: tuple[int, ...], terms: Terms) -> list[Pair]:
    """All pairs of rows by Welch's test on one data set, or by the mean of their differences on several."""
    assert results.sds is not None and results.sizes is not None
    at = list(columns)
    scores, sds, sizes = (block[:, at] for block in (results.scores, results.sds, results.sizes))
    scope = results.columns[at[0]] if len(at) == 1 else OVERALL
    found = []
    for i, j in combinations(range(len(results.rows)), 2):
        pair = [i, j]
        comparison = welch(scores[pair], sds[pair], sizes[pair], terms)
        found.append(Pair(scope=scope, first=results.rows[i], second=results.rows[j], comparison=comparison))
    return found


def welch(means: Array, sds: Array, sizes: Array, terms: Terms) -> Comparison:
    """Two rows from means, standard deviations and numbers of runs, ``(2, n_columns)`` each.

    The mean over the columns of the differences is a Student's t with Satterthwaite's degrees of freedom; for one
    column that is Welch's test (Welch, Biometrika 34, 28 (1947)). Nothing is decided where a mean is of fewer than five
    runs. Both means are taken to be of independent runs: where they share their test rows, the error is too large.
    """
    sign = 1.0 if terms.better == "higher" else -1.0
    effect = sign * float((means[0] - means[1]).mean())
    parts = sds**2 / sizes
    error = float(np.sqrt(parts.sum())) / means.shape[1]
    freedom = float(parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()) if error else np.inf
    least = int(sizes.min())
    estimate = Estimate(value=effect, error=error, n=least, better="higher")
    if least < LEAST:
        reason = f"means of {least} runs, at least {LEAST} are needed"
        return Comparison(outcome="undecided", reason=reason, effect=estimate, replicates=least)
    half = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    inside = [] if terms.margin is None else [terms.margin + effect, terms.margin - effect]
    sides = [effect, -effect, *inside]
    p = [float(student.sf(side / error, freedom)) if error else float(side <= 0) for side in sides]
    equal = max(p[2:]) if inside else None
    outcome, reason = ruling(p[0], p[1], equal, terms.level)
    return Comparison(
        outcome=outcome,
        reason=reason,
        effect=estimate,
        interval=(effect - half, effect + half),
        p_better=p[0],
        p_worse=p[1],
        p_equal=equal,
        margin=terms.margin,
        replicates=least,
        method="Welch's t" if means.shape[1] == 1 else "mean over the data sets of Welch's differences",
    )


def _corrected(pairs: Sequence[Pair], terms: Terms) -> tuple[Pair, ...]:
    """The same pairs with their two-sided p-values, and verdicts after Holm's correction over all of them."""
    raw = [_two_sided(pair.comparison) for pair in pairs]
    adjusted = holm([1.0 if p is None else p for p in raw])
    equal = holm([1.0 if pair.comparison.p_equal is None else pair.comparison.p_equal for pair in pairs])
    return tuple(
        pair if p is None else _settled(pair, p, p_corrected, p_equal, len(pairs), terms)
        for pair, p, p_corrected, p_equal in zip(pairs, raw, adjusted, equal, strict=True)
    )


def _two_sided(found: Comparison) -> float | None:
    if found.p_better is None or found.p_worse is None:
        return None
    return min(1.0, 2 * min(found.p_better, found.p_worse))


def _settled(pair: Pair, p: float, corrected: float, equal: float, family: int, terms: Terms) -> Pair:
    found = pair.comparison
    ahead = (found.effect.value or 0.0) >= 0
    p_equal = None if found.p_equal is None else equal
    outcome, reason = ruling(corrected if ahead else None, None if ahead else corrected, p_equal, terms.level)
    needed = 1 + int(np.ceil(np.log2(family / terms.level)))
    if outcome == "undecided" and found.method.startswith(FLIPS) and found.replicates < needed:
        smallest = f"of {found.replicates} replicates no p is below {2.0 ** (1 - found.replicates):.2g}"
        reason += f"; {smallest}, so that to correct {family} {'p-values' if family > 1 else 'p-value'} takes {needed}"
    return pair.model_copy(
        update={
            "comparison": found.model_copy(update={"outcome": outcome, "reason": reason}),
            "p": p,
            "p_corrected": corrected,
            "p_equal_corrected": p_equal,
        }
    )


def _standings(results: Results, means: Array, terms: Terms) -> tuple[Standing, ...]:
    oriented = means if terms.better == "lower" else -means
    ranks = rankdata(oriented, axis=0).mean(1)
    blocks = results.by_column()
    found = []
    for at, row in enumerate(results.rows):
        middle, interval = _middle([block[at] for block in blocks], means[at], row)
        mean, rank = float(means[at].mean()), float(ranks[at])
        found.append(Standing(row=row, mean=mean, rank=rank, middle=middle, interval=interval))
    return tuple(found)


def _middle(blocks: Sequence[Array], means: Array, row: str) -> tuple[float, tuple[float, float] | None]:
    """The interquartile mean of all scores; its interval is over the seeds of each data set, or else over data sets."""
    strata = list(blocks) if max(map(len, blocks)) > 1 else [means]
    value, spread = interquartile_mean(strata, np.random.default_rng(list(row.encode())))
    return value, (spread.low, spread.high) if min(map(len, strata)) >= LEAST else None


def _alike(rows: Sequence[str], means: Array, terms: Terms) -> Alike | None:
    k, n = means.shape
    if k < 3 or n < 2:
        return None
    found = friedman((means if terms.better == "higher" else -means).T, terms.level)
    ranks = found.mean_ranks
    apart = [(rows[i], rows[j]) for i, j in combinations(range(k), 2) if abs(ranks[i] - ranks[j]) > found.critical]
    return Alike(
        columns=n,
        least=int((critical_difference(1, k, terms.level) / (k - 1)) ** 2) + 1,
        chi2=found.chi2,
        p_chi2=found.p_chi2,
        p_f=found.p_f,
        critical=found.critical,
        apart=tuple(apart),
    )
