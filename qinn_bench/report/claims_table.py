"""Rulings on a file of claims as a table; without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scipy import optimize, stats

from qinn_bench.report.table_value import MISSING, Entry, Heading, Line, Table
from qinn_bench.values import Estimate
from qinn_bench.verdicts.claim_file import Claims
from qinn_bench.verdicts.claims import Ruling
from qinn_bench.verdicts.row_pairs import SEEDS_ONLY

NORMAL = 1.959964
"""Half of a central 95 % interval of a normal distribution, in standard deviations."""


def table(claims: Claims, rulings: Sequence[Ruling], standing: str) -> Table:
    """One row a claim, in the order of the file: its decision, the effect and how sure it is; below it, why.

    `standing` says in words whether the claims were made before the run.
    """
    header = (
        Heading("claim", "claim"),
        Heading("decision", "decision"),
        Heading("effect", "effect"),
        Heading("unit", "unit"),
        Heading("interval", "interval"),
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
        f"Interval: of {_share(claims.level)}, two-sided, for claims of better and equal, which are decided by "
        f"one-sided tests at {claims.level:.0%}, so that either end is the bound of such a test (of Student's t, where "
        "p is of sign flips); of 95 % for ratios, which are decided by it.",
        *_seeds_only(rulings),
        *([" ".join(claims.note.split())] if claims.note else []),
    ]
    return Table(
        f"Claims {claims.name}: {claims.title}",
        header,
        tuple(_line(one, claims.level) for one in rulings),
        tuple(notes),
    )


def _seeds_only(rulings: Sequence[Ruling]) -> list[str]:
    """What is lost where the arrays of the records are not there."""
    named = [ruling.claim.id for ruling in rulings if SEEDS_ONLY in ruling.method]
    if not named:
        return []
    return [
        f"Of {', '.join(named)}: {SEEDS_ONLY}, as the log-densities of single rows are not there. With them the "
        "p-values of better and worse could only be larger, so that a decision may become undecided."
    ]


def _share(level: float) -> str:
    return f"{1 - 2 * level:.0%}"


def interval_of(ruling: Ruling, level: float) -> tuple[float, float] | None:
    """The interval that goes with the test of a ruling: two-sided of 1 - 2 level, each end a bound at `level`.

    It is drawn in from the 95 % interval of the ruling, which is of Student's t with some degrees of freedom: those
    that its half width in standard errors tells.
    """
    if ruling.interval is None or ruling.claim.relation == "ratio-at-least" or not ruling.effect.error:
        return ruling.interval
    low, high = ruling.interval
    reach = (high - low) / 2 / ruling.effect.error
    most = float(stats.t.isf(0.025, 1))
    if reach >= most or reach <= NORMAL:
        factor = float(stats.t.isf(level, 1)) / most if reach >= most else float(stats.norm.isf(level)) / NORMAL
    else:
        freedom = optimize.brentq(lambda nu: stats.t.isf(0.025, nu) - reach, 1, 1e8)
        factor = float(stats.t.isf(level, freedom)) / reach
    middle = (low + high) / 2
    return middle + factor * (low - middle), middle + factor * (high - middle)


def _line(ruling: Ruling, level: float) -> Line:
    ends = interval_of(ruling, level)
    low_high = "[" + ", ".join(f"{end:.3g}" for end in ends) + "]" if ends else MISSING
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
