"""Is the first row better than the second? Paired tests over seeds, intervals over seeds and test rows, equivalence.

Replicates are paired by (data, seed). Over them a sign-flip permutation test decides; the rows that all replicates are
judged on add their own uncertainty, by a crossed bootstrap (Owen, Ann. Appl. Stat. 1, 386 (2007), arXiv:0712.1111).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student
from scipy.stats import wilcoxon

from qinn_bench.statistics import permutation_p
from qinn_bench.values import Array, Comparison, Direction, Estimate, Outcome

LEAST = 5
"""Fewer independent replicates decide nothing: of four, even all of one sign are no 5 % evidence (1/16)."""
EXACT, FLIPS = 14, 20_000
"""Up to so many replicates all sign flips are visited, which are fewer than the draws that are taken beyond."""
SAME = 1e-9
"""Values that differ by less than this share of their size are the same: computed twice, not measured twice."""
REPLICATES = 1000
LEVEL = 0.95

ORIENTED: dict[Direction, Callable[[Array], Array]] = {
    "lower": lambda values: -values,
    "higher": lambda values: values,
    "zero": lambda values: -np.abs(values),
    "one": lambda values: -np.abs(values - 1),
}
"""How good a value is, up to a constant, for each direction that is better."""


class _Spread(NamedTuple):
    """The standard error of a mean difference and the degrees of freedom of its Student distribution."""

    error: float
    freedom: float


def compare(
    first: Array,
    second: Array,
    *,
    better: Direction,
    rng: np.random.Generator,
    margin: float | None = None,
    level: float = 0.05,
    rows: tuple[Array, Array] | None = None,
    unit: str = "",
) -> Comparison:
    """Whether the first of two rows is better, worse or, within a margin, equal.

    * Better or worse: the sign-flip p-value of the mean difference is at most `level`, and, where `rows` are given, so
      is that of Student's t with the error over seeds and rows.
    * Equal: with a `margin`, two one-sided tests (Schuirmann 1987) both reject a difference beyond it, each by the
      larger of the two p-values above. A difference that is significant yet proven smaller than the margin is equal:
      whoever states a margin calls less than that nothing.
    * Undecided otherwise, and always below `LEAST` different replicates. Replicates without any spread (both models
      deterministic) count as one; the test rows then take their place.

    Args:
        first, second: one value a replicate, ``(n,)``, paired; a pair with a value that is not finite is left out.
        better: the direction of the metric.
        rng: draws bootstrap samples, and sign flips beyond `EXACT` replicates.
        margin: the largest difference that counts as none, in the unit of the values.
        level: of each one-sided test.
        rows: scores of the same test rows, ``(n, n_rows)`` each, whose means are the values up to a
            constant a replicate; they point in the same direction as the values.
        unit: of the values.

    Raises:
        ValueError: lengths differ, the direction is "none", or the margin is not positive.
    """
    if better not in ORIENTED:
        raise ValueError("a metric without a better direction compares nothing")
    if first.shape != second.shape or (margin is not None and margin <= 0):
        raise ValueError(
            f"expected values of equal length and a positive margin, got {first.shape}, {second.shape}, {margin}"
        )
    found = np.isfinite(first) & np.isfinite(second)
    pairs = np.stack([ORIENTED[better](first[found]), ORIENTED[better](second[found])])
    differences = pairs[0] - pairs[1]
    apart = None if rows is None else ORIENTED[better](rows[0][found]) - ORIENTED[better](rows[1][found])
    left_out = f"{int(np.sum(~found))} of {len(found)} pairs without a value" if not found.all() else ""
    kept = distinct(pairs)
    n, repeated = len(kept), len(differences) - len(kept)
    if n == 1 and repeated and apart is not None:
        return _over_rows(differences[0], apart[0], margin, level, unit, left_out)
    differences, apart = differences[kept], None if apart is None else apart[kept]
    left_out = "; ".join(filter(None, [left_out, f"{repeated} pairs repeat others" if repeated else ""]))
    if n < LEAST:
        reason = f"{n} independent replicates, at least {LEAST} are needed"
        return _comparison("undecided", _sentence(reason, left_out), differences, None, n, unit)
    spread = _over_seeds(differences) if apart is None else _over_both(differences, apart, rng)
    p = _p_values(differences, spread, apart is not None, margin, rng)
    outcome, reason = ruling(p["p_better"], p["p_worse"], p["p_equal"], level)
    method = "sign flips over seeds" + ("" if apart is None else ", Student's t over seeds and test rows")
    answer = _comparison(outcome, _sentence(reason, left_out), differences, spread, n, unit)
    return answer.model_copy(update=p | {"margin": margin, "method": method})


def distinct(pairs: Array) -> list[int]:
    """Which of the pairs ``(2, n)`` are replicates: each that differs from those before it by more than rounding."""
    scale = np.abs(pairs).max(initial=0.0)
    kept: list[int] = []
    for k, pair in enumerate(pairs.T):
        if all(np.abs(pair - pairs[:, other]).max() > SAME * scale for other in kept):
            kept.append(k)
    return kept


def sign_flip_p(differences: Array, rng: np.random.Generator | None = None) -> tuple[float, float]:
    """The p-values of "the mean is above zero" and "the mean is below zero" under random signs of ``(n,)`` differences.

    Exact up to `EXACT` differences; beyond, `FLIPS` draws of `rng` and the observed one count.
    """
    n = len(differences)
    if n <= EXACT:
        sums = _signs(n) @ differences
        slack = 1e-12 * float(np.abs(differences).sum())
        return float(np.mean(sums >= sums[0] - slack)), float(np.mean(sums <= sums[0] + slack))
    draws = (rng or np.random.default_rng(0)).choice((1.0, -1.0), size=(FLIPS, n)) @ differences
    return permutation_p(float(differences.sum()), draws), permutation_p(float(-differences.sum()), -draws)


@cache
def _signs(n: int) -> Array:
    """All signs of n differences, ``(2^n, n)``, unchanged ones first."""
    return np.array(list(product((1.0, -1.0), repeat=n)))


def crossed_bootstrap(matrix: Array, rng: np.random.Generator, replicates: int = REPLICATES) -> Array:
    """Means of a matrix ``(n, n_rows)`` whose lines and columns are both drawn anew, ``(replicates,)``.

    Deviations over the few lines are stretched by sqrt(n / (n - 1)), without which a bootstrap of n is too narrow.
    """
    n, n_rows = matrix.shape
    stretch = np.sqrt(n / (n - 1))
    means = np.empty(replicates)
    for k in range(replicates):
        lines = np.bincount(rng.integers(n, size=n), minlength=n) / n
        columns = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows) / n_rows
        means[k] = (1 / n + stretch * (lines - 1 / n)) @ (matrix @ columns)
    return means


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the chance of any false rejection (Holm, Scand. J. Stat. 6, 65 (1979))."""
    order = np.argsort(p, kind="stable")
    adjusted, largest = [0.0] * len(p), 0.0
    for place, at in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[at]))
        adjusted[at] = largest
    return adjusted


def _over_seeds(differences: Array) -> _Spread:
    n = len(differences)
    return _Spread(float(np.std(differences, ddof=1) / np.sqrt(n)), n - 1)


def _over_both(differences: Array, apart: Array, rng: np.random.Generator) -> _Spread:
    """The error over seeds and rows by the crossed bootstrap, with Satterthwaite's degrees of freedom."""
    seeds = _over_seeds(differences).error ** 2
    inside = apart - apart.mean(1, keepdims=True) + differences[:, None]
    total = max(float(np.var(crossed_bootstrap(inside, rng), ddof=1)), seeds)
    n, n_rows = apart.shape
    if total == 0:
        return _Spread(0.0, n - 1)
    freedom = total**2 / (seeds**2 / (n - 1) + (total - seeds) ** 2 / (n_rows - 1))
    return _Spread(float(np.sqrt(total)), freedom)


def _p_values(
    differences: Array, spread: _Spread, rows: bool, margin: float | None, rng: np.random.Generator
) -> dict[str, float | None]:
    """One-sided p-values of better, worse and equal; with rows, Student's t has to agree with the sign flips."""
    better, worse = sign_flip_p(differences, rng)
    if rows:
        better, worse = max(better, _t(differences, spread)), max(worse, _t(-differences, spread))
    equal = None
    if margin is not None:
        above, below = differences + margin, margin - differences
        flips = max(sign_flip_p(above, rng)[0], sign_flip_p(below, rng)[0])
        equal = max(flips, _t(above, spread), _t(below, spread))
    return {"p_better": better, "p_worse": worse, "p_equal": equal, "p_wilcoxon": _wilcoxon(differences)}


def _t(differences: Array, spread: _Spread) -> float:
    """The p-value of "the mean is above zero" by Student's t."""
    if spread.error == 0:
        return float(differences.mean() <= 0)
    return float(student.sf(differences.mean() / spread.error, spread.freedom))


def _wilcoxon(differences: Array) -> float | None:
    return float(wilcoxon(differences, alternative="greater").pvalue) if np.any(differences) else None


def ruling(better: float | None, worse: float | None, equal: float | None, level: float) -> tuple[Outcome, str]:
    """The outcome that p-values, corrected or not, allow at a level, and why in one sentence."""
    if equal is not None and equal <= level:
        smaller = any(p is not None and p <= level for p in (better, worse))
        return "equal", "the difference is real but smaller than the margin" if smaller else "within the margin"
    if better is not None and better <= level:
        return "better", "the first is better"
    if worse is not None and worse <= level:
        return "worse", "the first is worse"
    return "undecided", "the difference is within its error" + (", the margin too" if equal is not None else "")


def _over_rows(
    difference: float, apart: Array, margin: float | None, level: float, unit: str, left_out: str
) -> Comparison:
    """The comparison of two deterministic models: the only uncertainty is that of the test rows ``(n_rows,)``."""
    spread = _over_seeds(apart - apart.mean() + difference)
    shifted = np.array([difference])
    better, worse = _t(shifted, spread), _t(-shifted, spread)
    equal = None if margin is None else max(_t(shifted + margin, spread), _t(margin - shifted, spread))
    outcome, reason = ruling(better, worse, equal, level)
    reason = f"{reason}; no spread over seeds, so that the test rows are the replicates"
    found = _comparison(outcome, _sentence(reason, left_out), shifted, spread, len(apart), unit)
    p = {"p_better": better, "p_worse": worse, "p_equal": equal, "margin": margin}
    return found.model_copy(update=p | {"method": "Student's t over test rows"})


def _sentence(reason: str, left_out: str) -> str:
    return f"{reason}; {left_out}" if left_out else reason


def _comparison(
    outcome: Outcome, reason: str, differences: Array, spread: _Spread | None, n: int, unit: str
) -> Comparison:
    mean = float(differences.mean()) if len(differences) else None
    half = None if spread is None else float(student.ppf((1 + LEVEL) / 2, spread.freedom)) * spread.error
    error = None if spread is None else spread.error
    return Comparison(
        outcome=outcome,
        reason=reason,
        effect=Estimate(value=mean, error=error, n=n, unit=unit, better="higher"),
        interval=None if mean is None or half is None else (mean - half, mean + half),
        replicates=n,
    )
