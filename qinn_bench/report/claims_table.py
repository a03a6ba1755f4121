"""Rulings on a file of claims as tables: one of all claims, and a matrix of pairs for each about several rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Estimate
from qinn_bench.verdicts.claim_file import Claim, Claims, Quantifier
from qinn_bench.verdicts.claims import Ruling
from qinn_bench.verdicts.row_pairs import SEEDS_ONLY, TRUTH_LEFT_OUT
from qinn_bench.verdicts.rulings.pair import PairRuling

HEADER = (
    Heading("claim", "claim"),
    Heading("decision", "decision"),
    Heading("effect", "effect"),
    Heading("unit", "unit"),
    Heading("interval", "interval"),
    Heading("p", "p"),
    Heading("p_corrected", "p (Holm)"),
    Heading("p_against", "p against"),
    Heading("p_against_corrected", "(Holm)"),
    Heading("pairs", "pairs"),
    Heading("can_win", "can win"),
)


def table(claims: Claims, rulings: Sequence[Ruling], standing: str) -> Table:
    """One row a claim, in the order of the file: its decision, the effect and how sure it is; below it, why.

    `standing` says in words whether the claims were made before the run.
    """
    counts = Counter(ruling.decision for ruling in rulings)
    notes = [
        f"{len(rulings)} claims: " + ", ".join(f"{count} {decision}" for decision, count in counts.items()) + ".",
        f"Standing: {standing}.",
        f"Source: {claims.source}.",
        *([f"Claimed: {claims.quoted}"] if claims.quoted else []),
        *_deviations(claims),
        "Effect: the mean by which the first row is better than the second, in the unit of the metric, or the ratio of "
        "parameters; of a claim about several rows, that of the pair which decides. p: of data like these if the claim "
        "did not hold; p against: if it held; each as it stands and corrected over the claims of the file (Holm). "
        f"Supported or refuted: a corrected p of at most {claims.level:g}.",
        f"Interval: of {_share(claims.level)}, two-sided, for claims of better and equal, which are decided by "
        f"one-sided tests at {claims.level:.0%} by sign flips and Student's t, whose bounds its ends are; of 95 % "
        "for ratios, which are decided by it.",
        "Can win: whether such records could support the claim at all, if what it says were so by any amount.",
        *_seeds_only(rulings),
        *([" ".join(claims.note.split())] if claims.note else []),
    ]
    return Table(f"Claims {claims.name}: {claims.title}", HEADER, tuple(_line(one) for one in rulings), tuple(notes))


def matrices(claims: Claims, rulings: Sequence[Ruling]) -> tuple[Table, ...]:
    """For each claim about several rows a table of all pairs, the first rows downwards and the second ones across."""
    return tuple(_matrix(claims, ruling) for ruling in rulings if len(ruling.pairs) > 1)


def _matrix(claims: Claims, ruling: Ruling) -> Table:
    claim, pairs = ruling.claim, {(pair.first, pair.second): pair for pair in ruling.pairs}
    header = (Heading("first", "first"), *(Heading(second, f"against {second}") for second in claim.seconds))
    lines = []
    for first in claim.firsts:
        own = [pairs[first, second] for second in claim.seconds]
        entries = (Entry(first), *(_entry(pair, claims.level) for pair in own))
        remarks = tuple(f"against {pair.second}: {pair.reason}" for pair in own if _open(pair, claims.level))
        lines.append(Line(claim.data, first, "model", "", entries, remarks))
    notes = (
        f"{_sides(claim)}: {ruling.words}; {ruling.reason}.",
        f"Each pair: what it says alone at {claims.level:.0%}, the effect"
        + (f" in {ruling.effect.unit}" if ruling.effect.unit else "")
        + " with its interval, p / p against. Of any, the smallest p counts, times their number; of all, the largest; "
        "a refutation has any and all exchanged.",
    )
    return Table(f"Pairs of the claim {claim.id}: {claim.statement}", header, tuple(lines), notes)


def _sides(claim: Claim) -> str:
    words: dict[Quantifier, str] = {"any": "any", "all": "all"}
    sides = [(claim.quantifiers[0], claim.firsts), (claim.quantifiers[1], claim.seconds)]
    told = [f"{words[one]} of {len(rows)} rows" if len(rows) > 1 else f"'{rows[0]}'" for one, rows in sides]
    return f"{told[0]} against {told[1]}"


def _open(pair: PairRuling, level: float) -> bool:
    return bool(pair.reason) and pair.decision(level) == "undecided"


def _entry(pair: PairRuling, level: float) -> Entry:
    decision = pair.decision(level)
    low, high = pair.interval or (None, None)
    plain: dict[str, str | float | None] = {
        "_decision": decision,
        "_effect": pair.effect.value,
        "_low": low,
        "_high": high,
        "_p": pair.p,
        "_p_against": pair.p_against,
    }
    if pair.effect.value is None and pair.interval is None:
        return Entry(decision, plain=plain)
    p = f"{_p(pair.p)} / {_p(pair.p_against)}"
    return Entry(f"{decision} {Entry(pair.effect)} {_ends(pair.interval)} {p}", plain=plain)


def _deviations(claims: Claims) -> list[str]:
    """In which points what is tested is not what was claimed."""
    count = len(claims.deviations)
    if not count:
        return []
    told = "; ".join(f"({at}) {' '.join(one.split()).rstrip('.')}" for at, one in enumerate(claims.deviations, 1))
    return [f"Deviations of what is tested from its source, {count}: {told}."]


def _seeds_only(rulings: Sequence[Ruling]) -> list[str]:
    """What is lost where neither the arrays of the records are there nor what they say of other draws of true rows."""
    more = "With {} the p-values of better and worse could only be larger, so that a decision may become undecided."
    whys = {
        SEEDS_ONLY: ", as the log-densities of single rows are not there. " + more.format("them"),
        TRUTH_LEFT_OUT: ". " + more.format("it"),
    }
    named = {said: [ruling.claim.id for ruling in rulings if said in ruling.method] for said in whys}
    return [f"Of {', '.join(ids)}: {said}{whys[said]}" for said, ids in named.items() if ids]


def _share(level: float) -> str:
    return f"{1 - 2 * level:.0%}"


def _line(ruling: Ruling) -> Line:
    entries = (
        Entry(ruling.claim.id),
        Entry(ruling.decision),
        Entry(ruling.effect),
        Entry(ruling.effect.unit or MISSING),
        Entry(_ends(ruling.interval)),
        Entry(_p(ruling.p)),
        Entry(MISSING if ruling.p is None else _p(ruling.p_corrected)),
        Entry(_p(ruling.p_against)),
        Entry(MISSING if ruling.p_against is None else _p(ruling.p_against_corrected)),
        Entry(str(ruling.replicates)),
        Entry("yes" if ruling.can_win else "no"),
    )
    return Line(ruling.claim.data, ruling.claim.id, "model", "", entries, tuple(_remarks(ruling)))


def _remarks(ruling: Ruling) -> list[str]:
    told = [f"{ruling.claim.statement}: {ruling.words or ruling.decision}" + f"; {ruling.reason}" * bool(ruling.reason)]
    if not ruling.can_win and ruling.cannot and ruling.cannot not in ruling.reason:
        told.append(f"could not be supported by these records: {ruling.cannot}")
    return told


def _ends(interval: tuple[float, float] | None) -> str:
    return "[" + ", ".join(f"{end:.3g}" for end in interval) + "]" if interval else MISSING


def _p(p: float | None) -> Estimate | str:
    return MISSING if p is None else f"{p:.2g}" if p >= 1e-4 else "<1e-4"
