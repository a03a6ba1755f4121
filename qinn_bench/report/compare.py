"""What a table of results says, as two tables: how each row stands, and every row against every other."""

from __future__ import annotations

from collections import Counter

from qinn_bench.report.layout import MISSING, Entry, Heading, Line, Table
from qinn_bench.round_robin import Findings, Pair, Standing
from qinn_bench.values import Estimate

PLAIN = ("the first is better", "the first is worse", "within the margin", "the difference is within its error")
"""Reasons that say no more than the verdict."""
FEW = 5
"""Below so many data sets ranks mean little: critical differences are wide, and F alarms falsely."""


def standings(findings: Findings, name: str) -> Table:
    """One line a row, the best mean rank first; below, whether the rows rank alike."""
    header = (
        Heading("row", "row"),
        Heading("mean", "mean"),
        Heading("rank", "mean rank"),
        Heading("middle", "interquartile mean"),
        Heading("interval", "95 % interval"),
    )
    scope, sets = findings.pairs[0].scope, _counted(findings.columns, "data set")
    ordered = sorted(findings.standings, key=lambda one: one.rank)
    notes = [
        f"{len(ordered)} rows on {sets}; {findings.better} is better, rank 1 is best.",
        *_alike(findings),
        *([f"Left out, because a row has no score there: {', '.join(findings.dropped)}."] if findings.dropped else []),
    ]
    return Table(f"Rows of {name}", header, tuple(_standing(one, scope) for one in ordered), tuple(notes))


def pairs(findings: Findings, name: str) -> Table:
    """One line for each two rows, over all data sets and then, where means are compared, on each."""
    header = [
        Heading("pair", "first against second"),
        Heading("effect", "effect"),
        Heading("interval", "95 % interval"),
        Heading("p", "p"),
        Heading("p_corrected", "p (Holm)"),
        Heading("p_wilcoxon", "Wilcoxon"),
        Heading("replicates", "n"),
        Heading("verdict", "verdict"),
    ]
    if findings.margin is not None:
        header.insert(6, Heading("p_equal", "p equal (Holm)"))
    counts = Counter(pair.comparison.outcome for pair in findings.pairs)
    methods = dict.fromkeys(pair.comparison.method for pair in findings.pairs if pair.comparison.method)
    notes = [
        f"{_counted(len(findings.pairs), 'comparison')} over {findings.replicates}: "
        + ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        + ".",
        *([f"Tests: {'; '.join(methods)}."] if methods else []),
        "Effect: the mean by which the first is better. p: that the two do not differ, two-sided, as it stands and "
        f"corrected (Holm); a verdict needs {findings.level:g} after correction. Wilcoxon: his test of the same pairs.",
        *([f"Equal: within a margin of {findings.margin:g}."] if findings.margin is not None else []),
        *_reasons(findings),
    ]
    return Table(
        f"Pairs of rows of {name}", tuple(header), tuple(_pair(p, findings) for p in findings.pairs), tuple(notes)
    )


def _alike(findings: Findings) -> list[str]:
    found = findings.alike
    if found is None:
        return []
    said = f"Friedman: chi2 = {found.chi2:.2f}, p = {_p(found.p_chi2)}"
    said += "." if found.columns < FEW else f"; Iman and Davenport: p = {_p(found.p_f)}."
    apart = "; ".join(f"{first} and {second}" for first, second in found.apart) or "no two rows"
    notes = [said, f"Told apart by mean ranks (critical difference {found.critical:.3g}): {apart}."]
    if found.columns < max(FEW, found.least):
        reach = f"two of {len(findings.standings)} rows can be told apart on {found.least} or more"
        notes.append(f"Ranks on {found.columns} data sets mean little: {reach}.")
    return notes


def _reasons(findings: Findings) -> list[str]:
    """What there is to say about verdicts, once for all pairs that it holds for."""
    found = Counter((pair.comparison.outcome, pair.comparison.reason) for pair in findings.pairs)
    return [f"{outcome} ({n}): {why}." for (outcome, why), n in found.items() if why and why not in PLAIN]


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _standing(one: Standing, scope: str) -> Line:
    entries = (
        Entry(one.row),
        Entry(Estimate(value=one.mean)),
        Entry(f"{one.rank:.3f}"),
        Entry(Estimate(value=one.middle)),
        Entry(_interval(one.interval)),
    )
    return Line(scope, one.row, "model", "", entries)


def _pair(pair: Pair, findings: Findings) -> Line:
    found = pair.comparison
    name = f"{pair.first} – {pair.second}"
    entries = [
        Entry(name),
        Entry(found.effect),
        Entry(_interval(found.interval)),
        Entry(_p(pair.p)),
        Entry(_p(pair.p_corrected)),
        Entry(_p(pair.p_wilcoxon)),
        Entry(str(found.replicates)),
        Entry(found.outcome),
    ]
    if findings.margin is not None:
        entries.insert(6, Entry(_p(pair.p_equal_corrected)))
    return Line(pair.scope, name, "model", "", tuple(entries))


def _interval(ends: tuple[float, float] | None) -> str:
    return "[" + ", ".join(f"{end:.4g}" for end in ends) + "]" if ends else MISSING


def _p(p: float | None) -> str:
    return MISSING if p is None else f"{p:.3g}" if p >= 1e-4 else "<1e-4"
