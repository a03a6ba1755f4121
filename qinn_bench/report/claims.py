"""Rulings on a file of claims as a table; without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qinn_bench.claims import Claims, Ruling
from qinn_bench.comparing import SEEDS_ONLY
from qinn_bench.report.layout import MISSING, Entry, Heading, Line, Table
from qinn_bench.values import Estimate


def table(claims: Claims, rulings: Sequence[Ruling], standing: str) -> Table:
    """One row a claim, in the order of the file: its decision, the effect and how sure it is; below it, why.

    `standing` says in words whether the claims were made before the run.
    """
    header = (
        Heading("claim", "claim"),
        Heading("decision", "decision"),
        Heading("effect", "effect"),
        Heading("unit", "unit"),
        Heading("interval", "95 % interval"),
        Heading("p", "p"),
        Heading("p_corrected", "p (Holm)"),
        Heading("pairs", "pairs"),
    )
    counts = Counter(ruling.decision for ruling in rulings)
    notes = [
        f"{len(rulings)} claims: " + ", ".join(f"{count} {decision}" for decision, count in counts.items()) + ".",
        f"Standing: {standing}.",
        f"Source: {claims.source}.",
        *([f"Claimed: {claims.quoted}"] if claims.quoted else []),
        "Effect: the mean by which the first row is better than the second, in the unit of the metric, or the ratio of "
        "parameters; p: that there is no such effect, or that two rows are not equal, as it stands and corrected over "
        f"the claims of the file (Holm). Supported: corrected p of at most {claims.level:g}.",
        *_seeds_only(rulings),
        *([" ".join(claims.note.split())] if claims.note else []),
    ]
    return Table(f"Claims {claims.name}: {claims.title}", header, tuple(_line(one) for one in rulings), tuple(notes))


def _seeds_only(rulings: Sequence[Ruling]) -> list[str]:
    """What is lost where the arrays of the records are not there."""
    named = [ruling.claim.id for ruling in rulings if SEEDS_ONLY in ruling.method]
    if not named:
        return []
    return [
        f"Of {', '.join(named)}: {SEEDS_ONLY}, as the log-densities of single rows are not there. With them the "
        "p-values of better and worse could only be larger, so that a decision may become undecided."
    ]


def _line(ruling: Ruling) -> Line:
    low_high = "[" + ", ".join(f"{end:.3g}" for end in ruling.interval) + "]" if ruling.interval else MISSING
    entries = (
        Entry(ruling.claim.id),
        Entry(ruling.decision),
        Entry(ruling.effect),
        Entry(ruling.effect.unit or MISSING),
        Entry(low_high),
        Entry(MISSING if ruling.p is None else _p(ruling.p)),
        Entry(MISSING if ruling.p is None else _p(ruling.p_corrected)),
        Entry(str(ruling.replicates)),
    )
    return Line(
        ruling.claim.data, ruling.claim.id, "model", "", entries, (f"{ruling.claim.statement}: {_why(ruling)}",)
    )


def _why(ruling: Ruling) -> str:
    return f"{ruling.decision}; {ruling.reason}" if ruling.reason else ruling.decision


def _p(p: float) -> Estimate | str:
    return f"{p:.2g}" if p >= 1e-4 else "<1e-4"
