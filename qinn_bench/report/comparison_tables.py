"""What a table of results says, as tables: how each row stands, who is better than whom, and each pair in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qinn_bench.report.cells import count, interval, p_text, p_value
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.statistics.findings import Alike, Findings, RowPair, RowStanding
from qinn_bench.values import Estimate, Outcome
from qinn_bench.verdicts.outside_results import SHOWN, said_costs

FEW = 5
"""Below so many data sets ranks mean little: critical differences are wide, and F alarms falsely."""
SIGNS: dict[Outcome, str] = {"better": "+", "worse": "-", "equal": "=", "undecided": "."}
TURNED: dict[Outcome, Outcome] = {"better": "worse", "worse": "better"}
GROUPS = 12
"""How many groups of rows are named."""
WIDEST = 30
"""The most rows that a matrix of verdicts is shown of."""


def standings(findings: Findings, name: str) -> Table:
    """One line a row, the best mean rank first; below, whether the rows rank alike and what to know of the scores."""
    header = (
        Heading("row", "row"),
        Heading("rank", "mean rank"),
        Heading("mean", "mean"),
        Heading("middle", "interquartile mean"),
        Heading("interval", "95 % interval"),
        Heading("ahead", "better than"),
        Heading("behind", "worse than"),
    )
    scope = findings.pairs[0].scope
    outcomes = _outcomes(findings.overall)
    notes = [
        f"{len(findings.standings)} rows on {_counted(findings.columns, 'data set')}; {findings.better} is better, "
        f"rank 1 is best. Better and worse than: so many rows, by the corrected tests over {findings.replicates}.",
        *_alike(findings),
        *findings.remarks,
        *_dropped(findings),
    ]
    rows = tuple(_standing(one, scope, outcomes) for one in findings.standings)
    return Table(f"Rows of {name}", header, rows, tuple(notes))


def matrix(findings: Findings, name: str) -> Table | None:
    """The verdict of every row against every other; None where there is only one pair or a line would be too long."""
    rows = [one.row for one in findings.standings]
    if findings.control or not 3 <= len(rows) <= WIDEST:
        return None
    outcomes = _outcomes(findings.overall)
    header = (Heading("row", "row"), *(Heading(row, str(at)) for at, row in enumerate(rows, 1)))
    lines = []
    for at, first in enumerate(rows, 1):
        signs = (SIGNS[outcomes[first, second]] if first != second else "" for second in rows)
        lines.append(Line("", first, "model", "", (Entry(f"{at} {first}"), *(Entry(sign) for sign in signs))))
    meaning = "The row of a line against that of a column: + better, - worse, = equal within the margin, . undecided."
    return Table(f"Verdicts of {name}", header, tuple(lines), (meaning,))


def pairs(findings: Findings, name: str, chosen: Sequence[RowPair] | None = None) -> Table:
    """One line for each of the chosen pairs of rows, all if None; over all data sets what is decided comes first."""
    chosen = findings.pairs if chosen is None else chosen
    header = [
        Heading("pair", "first against second"),
        Heading("effect", "effect"),
        Heading("interval", "95 % interval"),
        Heading("p", "p"),
        Heading("p_corrected", "p (Holm)"),
        Heading("replicates", "n"),
        Heading("verdict", "verdict"),
        Heading("record", "W/T/L"),
        Heading("median", "median"),
        Heading("p_wilcoxon", "Wilcoxon"),
        Heading("p_wilcoxon_corrected", "(Holm)"),
    ]
    if findings.margin is not None:
        header.insert(5, Heading("p_equal", "p equal (Holm)"))
    shown = [at for at, heading in enumerate(header) if heading.name not in _empty(chosen)]
    lines = tuple(_pair(pair, findings, shown) for pair in sorted(chosen, key=decided_first))
    return Table(f"Pairs of rows of {name}", tuple(header[at] for at in shown), lines, _notes(findings, chosen))


def _notes(findings: Findings, chosen: Sequence[RowPair]) -> tuple[str, ...]:
    counts = Counter(pair.comparison.outcome for pair in sorted(chosen, key=decided_first))
    methods = dict.fromkeys(pair.comparison.method for pair in chosen if pair.comparison.method)
    robust = (
        " W/T/L: on how many the first wins, ties and loses; median of the differences; Wilcoxon: his test of signed "
        "ranks, as it stands and corrected. They do not rest on single scores."
    )
    return (
        f"{_counted(len(chosen), 'comparison')} over {findings.replicates}: "
        + ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        + ".",
        *([f"Tests: {'; '.join(methods)}."] if methods else []),
        "Effect: the mean by which the first is better. p: that the two do not differ, two-sided, as it stands and "
        f"corrected (Holm); a verdict needs {findings.level:g} after correction."
        + robust
        * any(pair.wins is not None for pair in chosen),
        *([f"Equal: within a margin of {findings.margin:g}."] if findings.margin is not None else []),
        *_reasons(chosen, findings.level),
    )


def _empty(chosen: Sequence[RowPair]) -> set[str]:
    """Columns that no pair has anything in."""
    robust = {"record", "median"} if all(pair.wins is None for pair in chosen) else set()
    tested = {"p_wilcoxon", "p_wilcoxon_corrected"} if all(pair.p_wilcoxon is None for pair in chosen) else set()
    return robust | tested


def decided_first(pair: RowPair) -> tuple[bool, bool, float]:
    """Over all data sets by p, the decided ones first; on single data sets as they come."""
    if pair.wins is None:
        return True, True, 0.0
    return False, pair.comparison.outcome == "undecided", 1.0 if pair.p is None else pair.p


def _outcomes(pairs: Sequence[RowPair]) -> dict[tuple[str, str], Outcome]:
    """The verdicts by first and second row, in both directions."""
    outcomes = {(pair.first, pair.second): pair.comparison.outcome for pair in pairs}
    return outcomes | {(second, first): TURNED.get(said, said) for (first, second), said in outcomes.items()}


def _alike(findings: Findings) -> list[str]:
    alike = findings.alike
    if alike is None:
        return []
    between, within = alike.freedom
    said = f"Friedman: chi2 = {alike.chi2:.2f}, p = {p_text(alike.p_chi2)} ({between} degrees of freedom)"
    ratio = "infinite" if alike.f is None else f"{alike.f:.2f}"
    iman = f"; Iman and Davenport: F = {ratio}, p = {p_text(alike.p_f)} ({between} and {within})"
    notes = [f"{said}{iman if alike.columns >= FEW else ''}.", *_told_apart(alike, findings.control)]
    if alike.columns < max(FEW, alike.least):
        reach = f"two of {len(findings.standings)} rows can be told apart on {alike.least} or more"
        notes.append(f"Ranks on {alike.columns} data sets mean little: {reach}.")
    return notes


def _told_apart(alike: Alike, control: str) -> list[str]:
    """What mean ranks say: which rows differ from the control, or the groups that are not told apart."""
    difference = f"critical difference {alike.critical:.3g}"
    if control:
        apart = ", ".join(first if second == control else second for first, second in alike.apart) or "no row"
        return [f"Told apart from {control} by mean ranks (Bonferroni and Dunn, {difference}): {apart}."]
    if not alike.apart:
        return [f"Told apart by mean ranks (Nemenyi, {difference}): no two rows."]
    groups = [f"{group[0]} to {group[-1]} ({len(group)} rows)" for group in alike.groups[:GROUPS]]
    more = f" and {len(alike.groups) - GROUPS} more" if len(alike.groups) > GROUPS else ""
    said = f"{'; '.join(groups)}{more}" if groups else "none, each row differs from all others"
    return [f"Not told apart by mean ranks (Nemenyi, {difference}), groups in the order of the lines: {said}."]


def _dropped(findings: Findings) -> list[str]:
    if not findings.dropped:
        return []
    more = f" and {len(findings.dropped) - SHOWN} more" if len(findings.dropped) > SHOWN else ""
    said = f"Left out, because a row has no score there: {', '.join(findings.dropped[:SHOWN])}{more}."
    return [said, *([f"Of these, {said_costs(findings.costs)}."] if findings.costs else [])]


def _reasons(chosen: Sequence[RowPair], level: float) -> list[str]:
    """What there is to say about verdicts beyond their word, once for all pairs that it holds for."""
    counted = Counter((p.comparison.outcome, p.comparison.reason) for p in chosen if _says_more(p, level))
    return [f"{outcome} ({n}): {why}." for (outcome, why), n in counted.items() if why]


def _says_more(pair: RowPair, level: float) -> bool:
    """Whether the reason of a verdict says more than that: no test, a remark, or what a margin has to do with it."""
    if pair.p_corrected is None or pair.comparison.remarks:
        return True
    real = pair.comparison.outcome == "equal" and pair.p_corrected <= level
    return pair.p_equal_corrected is not None and (pair.comparison.outcome == "undecided" or real)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _standing(one: RowStanding, scope: str, outcomes: dict[tuple[str, str], Outcome]) -> Line:
    said = Counter(outcome for (first, _), outcome in outcomes.items() if first == one.row)
    entries = (
        Entry(one.row),
        Entry(f"{one.rank:.3f}", plain={"": one.rank}),
        Entry(Estimate(value=one.mean)),
        Entry(Estimate(value=one.middle)),
        interval(one.interval, 4),
        count(said["better"]),
        count(said["worse"]),
    )
    return Line(scope, one.row, "model", "", entries)


def _pair(pair: RowPair, findings: Findings, shown: Sequence[int]) -> Line:
    comparison = pair.comparison
    name = f"{pair.first} – {pair.second}"
    entries = [
        Entry(name, plain={"first": pair.first, "second": pair.second}),
        Entry(comparison.effect),
        interval(comparison.interval),
        p_value(pair.p),
        p_value(pair.p_corrected),
        count(comparison.replicates),
        Entry(comparison.outcome),
        _record(pair),
        Entry(MISSING) if pair.median is None else Entry(f"{pair.median:.4g}", plain={"": pair.median}),
        p_value(pair.p_wilcoxon),
        p_value(pair.p_wilcoxon_corrected),
    ]
    if findings.margin is not None:
        entries.insert(5, p_value(pair.p_equal_corrected))
    return Line(pair.scope, name, "model", "", tuple(entries[at] for at in shown))


def _record(pair: RowPair) -> Entry:
    if pair.wins is None:
        return Entry(MISSING)
    counted = {"_wins": pair.wins, "_ties": pair.ties, "_losses": pair.losses}
    return Entry("/".join(str(number) for number in counted.values()), plain=counted)
