"""Claims as code: a file of statements about rows of a study, each of which records support, refute or leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np

from qinn_bench.capacity import equivalence
from qinn_bench.labels import joined
from qinn_bench.records.known import on_data
from qinn_bench.statistics import corrections
from qinn_bench.values import Comparison, Estimate, Record, Refused, Value
from qinn_bench.verdicts.claim_file import Claim, Claims
from qinn_bench.verdicts.judge import ABSENT, judge
from qinn_bench.verdicts.row_pairs import row_names

ClaimDecision = Literal["supported", "refuted", "undecided"]
PROVEN = 0.025
"""The p-value of what lies beyond one end of a 95 % interval."""


class Ruling(Value):
    """What the records say of a claim, with the p-value of its support, raw and corrected over the file.

    Example:
        >>> from qinn_bench.verdicts.claim_file import Claim
        >>> claim = Claim(id="hybrid-ahead", statement="the hybrid is better", first="hybrid", second="spline",
        ...     metric="nll",
        ...               relation="better", data="zjets")
        >>> Ruling(claim=claim, decision="undecided", reason="3 pairs of seeds", effect=Estimate(value=None),
        ...     interval=None, p=None,
        ...        p_corrected=1.0, replicates=3, method="").decision
        'undecided'
    """

    claim: Claim
    decision: ClaimDecision
    reason: str
    effect: Estimate
    interval: tuple[float, float] | None
    p: float | None
    p_corrected: float
    replicates: int
    method: str


def check(
    claims: Claims, records: Sequence[Record], results: Path | None = None, *, arrays: bool = True
) -> tuple[Ruling, ...]:
    """A ruling for each claim.

    The p-values of support are corrected over all claims of the file (Holm 1979; one that cannot be judged counts with
    p = 1), so that with the level 5 % a file in which nothing is true has a supported claim at most once in twenty.
    At that level,

    * ``better`` is supported where the first is better, refuted where it is worse or, with a margin, where the two
      differ by less;
    * ``equal`` is supported where two one-sided tests show a difference below the margin, refuted where the 95 %
      interval of the difference lies outside of it;
    * ``ratio-at-least`` is supported where the 95 % interval of the equivalence ratio lies above the stated one (then p
      is 0.025) and the model needs fewer parameters than its controls, refuted where the interval lies below;
    * all else is undecided.

    A refutation is not corrected: each claim has to stand for itself, however many the file makes.

    `results` has the licences of metrics and, unless `arrays` is false, the log-densities of single rows (`judge`).

    Raises:
        Refused: the metric of a claim has no direction, or its margin is in another unit.
    """
    comparisons = [_compared(claims, claim, records, results, arrays) for claim in claims.claims]
    raw = [_p_support(claim, one) for claim, one in zip(claims.claims, comparisons, strict=True)]
    corrected = corrections.holm([1.0 if p is None else p for p in raw])
    return tuple(
        _ruling(claims, claim, one, p, holm)
        for claim, one, p, holm in zip(claims.claims, comparisons, raw, corrected, strict=True)
    )


def _compared(
    claims: Claims, claim: Claim, records: Sequence[Record], results: Path | None, arrays: bool
) -> Comparison:
    if claim.relation == "ratio-at-least":
        return _ratio(claims, claim, [record for record in records if on_data(record, claim.data)])
    known = row_names(records, claim.data)
    if absent := [row for row in (claim.first, claim.second) if row not in known]:
        near = get_close_matches(absent[0], known, n=5, cutoff=0.3)
        there = f"; of {len(known)} rows the nearest are: {', '.join(near)}" if near else ""
        why = f"no record of '{absent[0]}' on {claim.data}{there}; to make them: qinn-bench run {claims.study}"
        return Comparison(outcome="undecided", reason=why, effect=Estimate(value=None), margin=claim.margin)
    comparison = judge(
        records,
        claim.first,
        claim.second,
        claim.metric,
        claim.margin,
        rng=np.random.default_rng(list(f"{claims.name}/{claim.id}".encode())),
        data=claim.data,
        level=claims.level,
        replicates=claim.replicates,
        other_budgets=claim.other_budgets,
        results=results,
        arrays=arrays,
    )
    if claim.margin is not None and comparison.effect.value is not None and comparison.effect.unit != claim.unit:
        stated = f"in '{claim.unit}'" if claim.unit else "without a unit"
        raise Refused(
            f"claims '{claims.name}': the margin of '{claim.id}' is {stated}, "
            f"but {claim.metric} is in '{comparison.effect.unit}'"
        )
    seeds = len({r.cell.seed for r in records if r.row == claim.first and on_data(r, claim.data)})
    if comparison.effect.value is None and seeds < claim.replicates:
        why = f"{comparison.reason}; set seeds = {claim.replicates} in {claims.study} and run it"
        return comparison.model_copy(update={"reason": why})
    return comparison


def _ratio(claims: Claims, claim: Claim, records: Sequence[Record]) -> Comparison:
    """The equivalence ratio of two families as a comparison: its 95 % interval proves either side with p = 0.025.

    More than the ratio is proven only where the first family also needs fewer parameters than each of its controls.
    """
    known = {record.family for record in records if record.size}
    if absent := [family for family in (claim.first, claim.second) if family not in known]:
        return _open(f"no record of '{absent[0]}' on {claim.data}; to make them: qinn-bench run {claims.study}")
    equivalent = equivalence.equivalence(records, claim.first, claim.second, claim.metric)
    if equivalent.rho.value is not None and equivalent.rho.n < claim.replicates:
        return _open(f"{equivalent.rho.n} seeds are common to both families, at least {claim.replicates} are needed")
    low, high = equivalent.interval
    above, below = low is not None and low >= (claim.ratio or 1), high is not None and high < (claim.ratio or 1)
    doubt = _like_controls(claim, records) if above else ""
    return Comparison(
        outcome="undecided" if doubt or not (above or below) else "better" if above else "worse",
        reason="; ".join(filter(None, [equivalent.reason, doubt])),
        effect=equivalent.rho,
        interval=None if low is None or high is None else (low, high),
        p_better=None if doubt or not above else PROVEN,
        p_worse=PROVEN if below else None,
        replicates=equivalent.rho.n,
        method="95 % interval of the equivalence ratio",
    )


def _like_controls(claim: Claim, records: Sequence[Record]) -> str:
    """Which control of the first family cannot be shown to need more parameters; empty where it has no circuits."""
    own = [r for r in records if r.family == claim.first and r.cell.backend != "none"]
    kinds = dict.fromkeys(r.cell.control for r in own if r.cell.control and r.status not in ABSENT)
    if own and not kinds:
        return f"no controls: nothing shows that the circuits of '{claim.first}' matter"
    for kind in kinds:
        low = equivalence.equivalence(records, claim.first, joined(claim.first, kind), claim.metric).interval[0]
        if low is None or low <= 1:
            return f"the {kind} control is not shown to need more parameters"
    return ""


def _open(why: str) -> Comparison:
    return Comparison(outcome="undecided", reason=why, effect=Estimate(value=None))


def _p_support(claim: Claim, comparison: Comparison) -> float | None:
    return comparison.p_equal if claim.relation == "equal" else comparison.p_better


def _ruling(claims: Claims, claim: Claim, comparison: Comparison, p: float | None, corrected: float) -> Ruling:
    decision, reason = _decide(claims, claim, comparison, p, corrected)
    return Ruling(
        claim=claim,
        decision=decision,
        reason=reason,
        effect=comparison.effect,
        interval=comparison.interval,
        p=p,
        p_corrected=corrected,
        replicates=comparison.replicates,
        method=comparison.method,
    )


def _decide(
    claims: Claims, claim: Claim, comparison: Comparison, p: float | None, corrected: float
) -> tuple[ClaimDecision, str]:
    if why := _refuted(claim, comparison, claims.level):
        return "refuted", why
    if p is None:
        return "undecided", comparison.reason
    if corrected <= claims.level:
        return "supported", comparison.reason
    if p <= claims.level:
        return "undecided", _correction(comparison, p, len(claims.claims), claims.level)
    return "undecided", comparison.reason


def _refuted(claim: Claim, comparison: Comparison, level: float) -> str:
    if claim.relation == "ratio-at-least":
        return comparison.reason if comparison.p_worse is not None else ""
    if claim.relation == "better":
        if comparison.p_worse is not None and comparison.p_worse <= level:
            return f"'{claim.first}' is worse, p = {comparison.p_worse:.2g}"
        if comparison.p_equal is not None and comparison.p_equal <= level:
            return (
                f"the two differ by less than {claim.margin:g} {claim.unit}".rstrip()
                + f", p = {comparison.p_equal:.2g}"
            )
        return ""
    if comparison.interval is None or claim.margin is None:
        return ""
    if comparison.p_worse is not None and comparison.interval[1] < -claim.margin:
        return f"'{claim.first}' is worse by more than {claim.margin:g} {claim.unit}".rstrip()
    if comparison.p_better is not None and comparison.interval[0] > claim.margin:
        return f"'{claim.first}' is better by more than {claim.margin:g} {claim.unit}".rstrip()
    return ""


def _correction(comparison: Comparison, p: float, count: int, level: float) -> str:
    """Why a claim that would stand alone does not stand among the others of its file."""
    why = f"p = {p:.2g} does not stand among {count} claims"
    smallest = 0.5**comparison.replicates
    if p > 1.01 * smallest or count * smallest <= level:
        return why
    needed = math.ceil(math.log2(count / level))
    return f"{why}; {comparison.replicates} pairs give no smaller p, {needed} pairs could"
