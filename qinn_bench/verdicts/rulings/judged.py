"""One claim of a file: its pairs of rows, what they say together, and what has to be true before; not yet corrected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qinn_bench import catalogue
from qinn_bench.records.known import on_data
from qinn_bench.values import Record, Value
from qinn_bench.verdicts.claim_file import Claim, Claims, Quantifier
from qinn_bench.verdicts.judge import ABSENT
from qinn_bench.verdicts.row_pairs import PairTerms
from qinn_bench.verdicts.rulings import budgets, convergence, quantifiers
from qinn_bench.verdicts.rulings.can_win import can_win
from qinn_bench.verdicts.rulings.pair import PairRuling, of_rows
from qinn_bench.verdicts.rulings.quantifiers import Combined
from qinn_bench.verdicts.rulings.ratios import of_families
from qinn_bench.verdicts.rulings.requirements import not_testable
from qinn_bench.verdicts.strongest import resolved


class Judged(Value):
    """A claim with its pairs and what they say together, before the other claims of the file are looked at.

    `for_at` and `against_at` are the places of the pairs that decide the two p-values. Where the claim is
    `not_testable` or has to stay `open`, the reason is there and the p-values are not.

    Example:
        >>> claim = Claim(id="c", statement="a is better", first="a", second="b", metric="nll", relation="better",
        ...     data="zjets")
        >>> Judged(claim=claim, pairs=(), open="not converged").p is None
        True
    """

    claim: Claim
    pairs: tuple[PairRuling, ...]
    p: float | None = None
    p_against: float | None = None
    for_at: int = 0
    against_at: int = 0
    not_testable: str = ""
    open: str = ""


def judge_claim(claims: Claims, claim: Claim, records: Sequence[Record], results: Path | None, arrays: bool) -> Judged:
    """What the records say of one claim, pair by pair and together, about the rows that its names stand for."""
    here = [record for record in records if on_data(record, claim.data)]
    claim, meant = resolved(claim, here)
    why = not_testable(claim, [record.cell.data for record in here])
    pairs = tuple(
        pair.model_copy(update={"reason": "; ".join(filter(None, [meant, pair.reason]))})
        for pair in (_pair(claims, claim, first, second, here, results, arrays) for first, second in claim.pairs)
    )
    falling = _not_converged(claims, claim, here)
    if why or falling:
        return Judged(claim=claim, pairs=pairs, not_testable=why, open=falling)
    width = len(claim.seconds)
    support = quantifiers.combine(matrix([pair.p for pair in pairs], width), claim.quantifiers)
    against = quantifiers.refuted(matrix([pair.p_against for pair in pairs], width), claim.quantifiers)
    return Judged(
        claim=claim,
        pairs=pairs,
        p=_known(support, width, [pair.p for pair in pairs]),
        p_against=_known(against, width, [pair.p_against for pair in pairs]),
        for_at=support.first * width + support.second,
        against_at=against.first * width + against.second,
    )


def matrix(p: Sequence[float | None], width: int) -> list[list[float]]:
    """p-values of pairs as ``[first][second]``; what may not be said has 1."""
    plain = [1.0 if one is None else one for one in p]
    return [plain[start : start + width] for start in range(0, len(plain), width)]


def _known(combined: Combined, width: int, p: Sequence[float | None]) -> float | None:
    """A combined p-value, None where the pair that decides it has none."""
    return None if p[combined.first * width + combined.second] is None else combined.p


def _pair(
    claims: Claims, claim: Claim, first: str, second: str, here: Sequence[Record], results: Path | None, arrays: bool
) -> PairRuling:
    """A pair of rows with the budget that they had and whether the claim could be supported by them."""
    if claim.relation == "ratio-at-least":
        pair = of_families(claims, claim, first, second, here)
        own = [one for one in here if one.family in (first, second) and not one.cell.control and one.size]
        return pair.model_copy(update={"budget": budgets.at_budget(own)})
    pair = of_rows(claims, claim, first, second, here, results, arrays)
    own = [one for one in here if one.row in (first, second)]
    terms = PairTerms(claim.metric, claim.data, claim.margin, claims.level, claim.replicates, claim.other_budgets)
    can = can_win(
        here,
        first,
        second,
        claim.metric,
        data=claim.data,
        equal=claim.margin if claim.relation == "equal" else None,
        level=claims.level,
        claims=len(claims.claims),
        chances=_chances(claim),
        replicates=claim.replicates,
        other_budgets=claim.other_budgets,
    )
    return pair.model_copy(
        update={
            "budget": budgets.at_budget(own),
            "moves": budgets.moves(here, first, second, terms, pair.effect.value),
            "can_win": can.can,
            "cannot": can.why_not,
        }
    )


def _chances(claim: Claim) -> int:
    """How many chances a claim about any of several rows takes."""
    sides: list[tuple[Quantifier, int]] = [
        (claim.quantifiers[0], len(claim.firsts)),
        (claim.quantifiers[1], len(claim.seconds)),
    ]
    chances = 1
    for quantifier, count in sides:
        chances *= count if quantifier == "any" else 1
    return chances


def _allowed_gain(claims: Claims, claim: Claim) -> float:
    """How many nats a loss may still fall: the margin of a claim in nats; for others the file says so, if it does."""
    in_nats = catalogue.row_loss_of(claim.metric) == "nats"
    stated = (claim.margin, claims.largest_gain) if in_nats else (claims.largest_gain, claim.margin)
    return next(filter(None, stated), 0.0)


def _not_converged(claims: Claims, claim: Claim, here: Sequence[Record]) -> str:
    """Which row of a claim would still learn, where the file asks for that."""
    if not claims.converged:
        return ""
    margin = _allowed_gain(claims, claim)
    of_family = claim.relation == "ratio-at-least"
    names = dict.fromkeys([*claim.firsts, *claim.seconds])
    told = []
    for name in names:
        own = [one for one in here if (one.family if of_family else one.row) == name and one.status not in ABSENT]
        trained = [one for one in own if not one.cell.control] if of_family else own
        told.append(convergence.not_converged(trained, name, margin))
    return "; ".join(filter(None, told))
