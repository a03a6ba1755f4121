"""Is the first row better than the second? Paired tests over seeds, intervals over seeds and test rows, equivalence.

Replicates are paired by their labels, such as (data, seed); equal numbers under two labels are two measurements. Over
them a sign-flip permutation test decides (`sign_flips`); the rows that all replicates are judged on add their own
uncertainty, by a crossed bootstrap (Owen, Ann. Appl. Stat. 1, 386 (2007), arXiv:0712.1111): of means over these rows as
they are drawn here (`crossed_bootstrap`), of any other number by what it is on true rows that were drawn anew
(`over_truth`). The interval is always Student's, and `method` says which is which.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from qinn_bench.statistics import ties
from qinn_bench.statistics.direction import IDEAL, goodness
from qinn_bench.statistics.sign_flips import sign_flip_bounds, sign_flip_p, wilcoxon_p
from qinn_bench.statistics.spreads import MeanError, of_one, over_all
from qinn_bench.values import Array, Comparison, Direction, Estimate, Outcome

LEAST = 5
"""Fewer independent replicates decide nothing: of four, even all of one sign are no 5 % evidence (1/16)."""
LEVEL = 0.95
BEYOND: dict[Outcome, str] = {
    "better": "the first is better by more than {:g} {}",
    "worse": "the first is not better by more than {:g} {}",
    "undecided": "the difference is not shown to be on one side of {:g} {}",
}
"""What is said of a difference less an amount."""
OVER_SEEDS = "p by sign flips over seeds; interval by Student's t over seeds"
OVER_BOTH = "p the larger of sign flips over seeds and Student's t over seeds and {rows}; interval by that t"
OVER_ROWS = "p and interval by Student's t over test rows"


def compare(
    first: Array,
    second: Array,
    *,
    better: Direction,
    rng: np.random.Generator | None = None,
    margin: float | None = None,
    level: float = 0.05,
    rows: tuple[Array, Array] | None = None,
    truth: tuple[Array, Array] | None = None,
    unit: str = "",
    groups: Sequence[Hashable] | None = None,
    by: float = 0.0,
    bounds: bool = False,
) -> Comparison:
    """Whether the first of two rows is better, worse or, within a margin, equal.

    * Better or worse: the sign-flip p-value of the mean difference is at most `level`, and, where `rows` or `truth` are
      given, so is that of Student's t with the error over seeds and rows.
    * Equal: with a `margin`, two one-sided tests (Schuirmann 1987) both reject a difference beyond it, each by the
      larger of the two p-values above. A difference that is significant yet proven smaller than the margin is equal:
      whoever states a margin calls less than that nothing.
    * Undecided otherwise, and always below `LEAST` replicates. Repetitions of one group over which neither row varies
      (both models deterministic) count as one; where no more are left, the test rows take their place.

    Args:
        first, second: one value a replicate, ``(n,)``, paired; a pair with a value that is not finite is left out.
        better: the direction of the metric.
        rng: draws bootstrap samples of `rows`; the same ones in every call if None.
        margin: the largest difference that counts as none, in the unit of the values.
        level: of each one-sided test.
        rows: scores of the same test rows, ``(n, n_rows)`` each, whose means are the values up to a
            constant a replicate; they point in the same direction as the values.
        truth: the values on true rows that are drawn anew, ``(n, draws)`` each: the same draw of rows in one column of
            both, and in one column of all replicates of a group.
        unit: of the values.
        groups: ``(n,)``, what each replicate was measured on: those of one group are repetitions (seeds) on it, those
            of different groups (data sets, items) are measurements of their own whatever their values. One group if
            None.
        by: how much better the first has to be, in the unit of the values: better and worse are said of the difference
            less this amount, while the effect and its interval stay those of the difference.
        bounds: whether to find the `bounds` of the difference at the `level`.

    Raises:
        Refused: the direction is "none".
        ValueError: lengths differ, or the margin is not positive.
    """
    if first.shape != second.shape or (margin is not None and margin <= 0):
        raise ValueError(
            f"expected values of equal length and a positive margin, got {first.shape}, {second.shape}, {margin}"
        )
    finite = np.isfinite(first) & np.isfinite(second)
    pairs = np.stack([goodness(first[finite], better), goodness(second[finite], better)])
    scale = np.abs(first[finite]) + np.abs(second[finite]) + 2 * IDEAL.get(better, 0.0)
    differences = ties.without_rounding(pairs[0] - pairs[1], scale)
    apart = None if rows is None else goodness(rows[0][finite], better) - goodness(rows[1][finite], better)
    drawn = None if truth is None else (goodness(truth[0][finite], better), goodness(truth[1][finite], better))
    kinked = better not in IDEAL
    remarks = [f"{int(np.sum(~finite))} of {len(finite)} pairs without a value"] if not finite.all() else []
    labels = [0] * len(finite) if groups is None else list(groups)
    labels = [label for label, there in zip(labels, finite, strict=True) if there]
    kept = replicates(pairs, labels)
    n, repeated = len(kept), len(differences) - len(kept)
    if n == 1 and repeated and (alone := of_one(differences[0], apart, drawn, kinked)):
        return _over_rows(differences[0], *alone, margin, level, unit, remarks, by)
    differences, scale = differences[kept], scale[kept]
    apart = None if apart is None else apart[kept]
    drawn = None if drawn is None else (drawn[0][kept], drawn[1][kept])
    remarks += [f"{repeated} repetitions over which neither row varies say nothing more"] if repeated else []
    if n < LEAST:
        reason = f"{n} independent replicates, at least {LEAST} are needed"
        return _comparison("undecided", reason, remarks, differences, None, n, unit)
    spread = over_all(differences, scale, apart, drawn, [labels[at] for at in kept], rng, kinked)
    shared = apart is not None or drawn is not None
    p = _p_values(differences, scale, spread, shared, margin, by)
    outcome, reason = ruling(p["p_better"], p["p_worse"], p["p_equal"], level)
    if by and outcome in BEYOND:
        reason = BEYOND[outcome].format(by, unit).rstrip()
    method = OVER_SEEDS if not shared else OVER_BOTH.format(rows="test rows" if apart is not None else "truth rows")
    answer = _comparison(outcome, reason, remarks, differences, spread, n, unit)
    ends = _bounds(differences, spread, level) if bounds else None
    return answer.model_copy(update=p | {"margin": margin, "method": method, "bounds": ends})


def _bounds(differences: Array, spread: MeanError, level: float) -> tuple[float, float] | None:
    """The bounds of a mean difference by sign flips and by Student's t, whichever are farther out."""
    low, high = sign_flip_bounds(differences, level)
    half = float(stdtrit(spread.freedom, 1 - level)) * spread.error
    mean = ties.mean(differences)
    return (min(low, mean - half), max(high, mean + half)) if half > 0 and np.isfinite(low) else None


def replicates(pairs: Array, groups: Sequence[Hashable]) -> list[int]:
    """Which of the pairs ``(2, n)`` are replicates: all, but one of each group on which neither row varies."""
    if len(set(groups)) == len(groups):
        return list(range(len(groups)))
    members: dict[Hashable, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    still = [len(own) > 1 and all(ties.constant(row[own]) for row in pairs) for own in members.values()]
    return sorted(at for own, same in zip(members.values(), still, strict=True) for at in (own[:1] if same else own))


def _p_values(
    differences: Array, scale: Array, spread: MeanError, rows: bool, margin: float | None, by: float
) -> dict[str, float | None]:
    """One-sided p-values of better, worse and equal; with rows, Student's t has to agree with the sign flips."""
    beyond = ties.without_rounding(differences - by, scale + abs(by))
    better, worse = sign_flip_p(beyond, scale + abs(by))
    if rows:
        better, worse = max(better, _t(beyond, spread)), max(worse, _t(-beyond, spread))
    equal = None
    if margin is not None:
        above, below, wider = differences + margin, margin - differences, scale + margin
        flips = max(sign_flip_p(above, wider)[0], sign_flip_p(below, wider)[0])
        equal = max(flips, _t(above, spread), _t(below, spread))
    opinion = wilcoxon_p(beyond, scale + abs(by))[0] if np.any(beyond) else None
    return {"p_better": better, "p_worse": worse, "p_equal": equal, "p_wilcoxon": opinion}


def _t(differences: Array, spread: MeanError) -> float:
    """The p-value of "the mean is above zero" by Student's t."""
    mean = ties.mean(differences)
    if spread.error == 0:
        return float(mean <= 0)
    return float(stdtr(spread.freedom, -mean / spread.error))


def ruling(
    better: float | None, worse: float | None, equal: float | None, level: float, subject: str = "the first"
) -> tuple[Outcome, str]:
    """The outcome that p-values, corrected or not, allow at a level, and why in one sentence about the `subject`."""
    if equal is not None and equal <= level:
        smaller = any(p is not None and p <= level for p in (better, worse))
        return "equal", "the difference is real but smaller than the margin" if smaller else "within the margin"
    if better is not None and better <= level:
        return "better", f"{subject} is better"
    if worse is not None and worse <= level:
        return "worse", f"{subject} is worse"
    return "undecided", "the difference is within its error" + (", the margin too" if equal is not None else "")


def _over_rows(
    difference: float,
    spread: MeanError,
    n: int,
    margin: float | None,
    level: float,
    unit: str,
    remarks: Sequence[str],
    by: float,
) -> Comparison:
    """The comparison of two deterministic models: only the test rows are uncertain, which n values tell."""
    shifted = np.array([difference])
    better, worse = _t(shifted - by, spread), _t(by - shifted, spread)
    equal = None if margin is None else max(_t(shifted + margin, spread), _t(margin - shifted, spread))
    outcome, reason = ruling(better, worse, equal, level)
    remarks = ["no spread over seeds, so that the test rows are the replicates", *remarks]
    comparison = _comparison(outcome, reason, remarks, shifted, spread, n, unit)
    half = float(stdtrit(spread.freedom, 1 - level)) * spread.error
    p = {"p_better": better, "p_worse": worse, "p_equal": equal, "margin": margin}
    bounds = (difference - half, difference + half) if half > 0 else None
    return comparison.model_copy(update=p | {"method": OVER_ROWS, "bounds": bounds})


def _comparison(
    outcome: Outcome,
    reason: str,
    remarks: Sequence[str],
    differences: Array,
    spread: MeanError | None,
    n: int,
    unit: str,
) -> Comparison:
    """The verdict with its effect; differences without any spread have neither an error nor an interval."""
    mean = ties.mean(differences) if len(differences) else None
    known = spread is not None and spread.error > 0
    half = half_width(spread.error, spread.freedom) if spread and known else None
    return Comparison(
        outcome=outcome,
        reason="; ".join([reason, *remarks]),
        remarks=tuple(remarks),
        effect=Estimate(value=mean, error=spread.error if spread and known else None, n=n, unit=unit, better="higher"),
        interval=None if mean is None or half is None else (mean - half, mean + half),
        freedom=spread.freedom if spread and known else None,
        replicates=n,
    )


def half_width(error: float, freedom: float) -> float:
    """Half of the length of the 95 % interval of a mean with this standard error, by Student's t."""
    return float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
