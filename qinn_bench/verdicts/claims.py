"""Claims as code: a file of statements about rows of a study, each of which records support, refute or leave open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from qinn_bench.statistics import corrections
from qinn_bench.values import Estimate, Record, Value
from qinn_bench.verdicts.claim_file import Claim, Claims
from qinn_bench.verdicts.rulings import quantifiers
from qinn_bench.verdicts.rulings.can_win import too_few
from qinn_bench.verdicts.rulings.judged import Judged, judge_claim, matrix
from qinn_bench.verdicts.rulings.pair import PairRuling

ClaimDecision = Literal["supported", "refuted", "undecided", "not testable"]


class Ruling(Value):
    """What the records say of a claim.

    `p` is the p-value of its support and `p_against` that of its refutation, each raw and corrected over the file;
    `effect`, `interval` and the rest are those of the pair of rows that decides, `pairs` has all of them, and
    `deciding` is the place of the one. `words` are the decision as it may be quoted, with its budget.

    Example:
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
    coverage: float | None = None
    p_against: float | None = None
    p_against_corrected: float = 1.0
    words: str = ""
    pairs: tuple[PairRuling, ...] = ()
    deciding: int = 0
    can_win: bool = True
    cannot: str = ""


def check(
    claims: Claims, records: Sequence[Record], results: Path | None = None, *, arrays: bool = True
) -> tuple[Ruling, ...]:
    """A ruling for each claim.

    The p-values of support are corrected over all claims of the file (Holm 1979; one that cannot be judged counts with
    p = 1), and so are those of refutation: with the level 5 % a file in which nothing is true has a supported claim at
    most once in twenty, and one in which all is true a refuted one. At that level,

    * ``better`` is supported where the difference is shown to be above the margin (above zero without one), refuted
      where it is shown to be below (`rulings.pair`);
    * ``equal`` is supported where two one-sided tests show a difference below the margin, refuted where it is shown to
      be beyond;
    * ``ratio-at-least`` is supported where the 95 % interval of the equivalence ratio, of all sizes or `at` one, lies
      above the stated one and the model needs fewer parameters than its controls, refuted where it lies below
      (`rulings.ratios`);
    * a claim about any or all of several rows combines the p-values of its pairs (`rulings.quantifiers`);
    * a claim whose data do not show what it `requires` is not testable, whatever the models do;
    * all else is undecided, and so is a claim of rows that had not converged, where the file asks for that.

    `results` has the licences of metrics and, unless `arrays` is false, the log-densities of single rows (`judge`).

    Raises:
        Refused: the metric of a claim has no direction, its margin is in another unit, or the observable that it
            requires does not exist.
    """
    judged = [judge_claim(claims, claim, records, results, arrays) for claim in claims.claims]
    supports = corrections.holm([1.0 if one.p is None else one.p for one in judged])
    refutations = corrections.holm([1.0 if one.p_against is None else one.p_against for one in judged])
    return tuple(
        _ruling(claims, one, support, refutation)
        for one, support, refutation in zip(judged, supports, refutations, strict=True)
    )


def _ruling(claims: Claims, one: Judged, corrected: float, against: float) -> Ruling:
    decision, reason, at = _decide(claims, one, corrected, against)
    pair = one.pairs[at]
    can, cannot = _together([pair.can_win for pair in one.pairs], one)
    return Ruling(
        claim=one.claim,
        decision=decision,
        reason=reason,
        words=_words(claims, decision, pair),
        effect=pair.effect,
        interval=pair.interval,
        coverage=pair.coverage,
        p=one.p,
        p_corrected=corrected,
        p_against=one.p_against,
        p_against_corrected=against,
        replicates=pair.replicates,
        method=pair.method,
        pairs=one.pairs,
        deciding=at,
        can_win=can,
        cannot=cannot,
    )


def _together(can: Sequence[bool], one: Judged) -> tuple[bool, str]:
    """Whether a claim could be supported by its pairs, and the first thing that is in its way."""
    if one.not_testable or one.open:
        return False, one.not_testable or one.open
    width = len(one.claim.seconds)
    possible = quantifiers.combine(matrix([0.0 if pair else 1.0 for pair in can], width), one.claim.quantifiers)
    at = possible.first * width + possible.second
    return (True, "") if possible.p == 0 else (False, _of_pair(one, at, one.pairs[at].cannot))


def _decide(claims: Claims, one: Judged, corrected: float, against: float) -> tuple[ClaimDecision, str, int]:
    """What is ruled, why, and the place of the pair that decides."""
    if one.not_testable:
        return "not testable", one.not_testable, 0
    if one.open:
        return "undecided", one.open, 0
    support, refutation = one.pairs[one.for_at], one.pairs[one.against_at]
    if one.p is not None and corrected <= claims.level:
        return "supported", _of_pair(one, one.for_at, support.reason), one.for_at
    if one.p_against is not None and against <= claims.level:
        among = f", {against:.2g} among {len(claims.claims)} claims" if len(claims.claims) > 1 else ""
        told = f"{refutation.said}, p = {one.p_against:.2g}{among}"
        return "refuted", _of_pair(one, one.against_at, told), one.against_at
    for p, at, word in ((one.p, one.for_at, "support"), (one.p_against, one.against_at, "refutation")):
        if p is not None and p <= claims.level:
            return "undecided", _of_pair(one, at, _correction(claims, one.pairs[at], p, word)), at
    at = one.against_at if (one.p_against or 1.0) < (one.p or 1.0) else one.for_at
    return "undecided", _of_pair(one, at, one.pairs[at].reason), at


def _of_pair(one: Judged, at: int, told: str) -> str:
    """What is said of a pair, with its names where there are several."""
    pair = one.pairs[at]
    return f"'{pair.first}' against '{pair.second}': {told}" if len(one.pairs) > 1 else told


def _correction(claims: Claims, pair: PairRuling, p: float, word: str) -> str:
    """Why a ruling that would stand alone does not stand among the other claims of its file."""
    count, smallest = len(claims.claims), 0.5**pair.replicates
    if p > 1.01 * smallest or count * smallest <= claims.level:
        return f"p = {p:.2g} of its {word} does not stand among {count} claims"
    return f"its {word} does not stand: {too_few(pair.replicates, count, claims.level)}"


def _words(claims: Claims, decision: ClaimDecision, pair: PairRuling) -> str:
    """The decision as it may be quoted: with its budget, and with how far what was tested is from what was claimed."""
    if decision == "not testable":
        return "not testable on these data"
    told = f"{decision} {pair.budget}".strip()
    if pair.moves and decision != "undecided":
        told = f"{decision} at this budget ({pair.budget.removeprefix('at ')}; {pair.moves})"
    count = len(claims.deviations)
    return f"{told} for this reconstruction, {count} deviation{'s' * (count != 1)}" if count else told
