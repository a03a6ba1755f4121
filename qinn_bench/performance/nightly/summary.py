"""The report of a night as tables and sentences, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from qinn_bench.performance.counters.golden import CounterChange
from qinn_bench.performance.gate import gate_table
from qinn_bench.performance.gate.decide import GateOutcome
from qinn_bench.performance.nightly.findings import NightVerdict, NoticeKind, Tier
from qinn_bench.performance.nightly.night import Absent, Night
from qinn_bench.performance.nightly.trends import Trend, bars
from qinn_bench.report.golden_table import quality_table
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table

TITLES: dict[NightVerdict, str] = {
    "ok": "nothing got worse",
    "regression": "something got worse",
    "undecided": "not everything could be decided",
    "unfit": "no verdict",
}
KINDS: dict[NoticeKind, str] = {"worse": "Worse", "undecided": "Not decided", "better": "Better"}
AGAINST: dict[Tier, str] = {"anchor": "Against the anchor", "green": "Against the last green run"}
FIRST: tuple[GateOutcome, ...] = ("regression", "error", "missing", "inconclusive", "improvement", "new", "unchanged")
"""The order of outcomes in a table; those that are not here were not measured."""
NAMED = 6
"""So many workloads that were left out for one reason are named."""
COUNTERS = (
    Heading("workload", "workload"),
    Heading("counter", "counter"),
    Heading("kind", "is"),
    Heading("before", "before"),
    Heading("after", "after"),
    Heading("share", "change"),
)


def title(night: Night) -> str:
    """The verdict in a line."""
    return f"Nightly run of {night.tonight.utc[:10]}: {TITLES[night.verdict]}"


def about(night: Night) -> Iterator[tuple[str, str]]:
    """What was measured where, as pairs of a word and what it is."""
    tonight = night.tonight
    yield "verdict", night.reason
    yield "commit", tonight.commit + (" with changes that are not committed" if tonight.dirty else "")
    yield "anchor", tonight.anchor or "none"
    yield "last green", tonight.green or "none"
    yield "machine", f"{tonight.machine}, {tonight.conditions}"
    yield "environment", tonight.environment
    yield "run", f"{tonight.run}, {tonight.utc}"


def sections(night: Night, trends: Mapping[str, Trend]) -> Iterator[tuple[str, Table]]:
    """The tables of the tiers that measured something, with the heading that each has."""
    for tier, report in night.gates.items():
        table = gate_table.table(report)
        outcomes = {str(one.workload): one.outcome for one in report.decisions if one.outcome in FIRST}
        rows = sorted(
            (row for row in table.rows if row.model in outcomes), key=lambda row: FIRST.index(outcomes[row.model])
        )
        if tier == "anchor":
            table = replace(table, header=(*table.header, Heading("trend", "nights")))
            rows = [replace(row, entries=(*row.entries, Entry(bars(trends.get(row.model, ()))))) for row in rows]
        rows = [replace(row, data=f"workloads: {len(rows)}") for row in rows]
        if rows:
            yield AGAINST[tier], replace(table, rows=tuple(rows))
    if night.changes:
        yield "Counters", _counters(night.changes)
    if night.quality:
        yield "Quality", quality_table(night.quality)


def left_out(night: Night) -> Iterator[str]:
    """What was not measured, in sentences: one for each reason."""

    def reason(one: Absent) -> tuple[str, str]:
        return one.tier, one.why

    for (tier, why), of in groupby(sorted(night.absent, key=reason), key=reason):
        names = [one.what for one in of]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"{tier}: {', '.join(names[:NAMED])}{more}: {why}"


def markdown(night: Night, trends: Mapping[str, Trend]) -> str:
    """The whole report; what comes from outside is no markup in it."""
    lines = [f"# {title(night)}", "", *(f"- {word}: {_plain(said)}" for word, said in about(night))]
    for kind, heading in KINDS.items():
        if notices := night.having(kind):
            lines += ["", f"## {heading}", "", *(f"- {_plain(str(one))}" for one in notices)]
    for heading, table in sections(night, trends):
        lines += ["", f"## {heading}", "", table.markdown().rstrip()]
    if absent := list(left_out(night)):
        lines += ["", "## Not measured", "", *(f"- {_plain(one)}" for one in absent)]
    return "\n".join(lines) + "\n"


def _counters(changes: tuple[CounterChange, ...]) -> Table:
    order = ("grown", "moved", "less", "gone", "new", "version")
    ranked = sorted(changes, key=lambda one: order.index(one.kind))
    return Table(
        title=f"Differences from the known counters: {len(changes)}",
        header=COUNTERS,
        rows=tuple(map(_change, ranked)),
        footnotes=(
            "grown: by more than 1 % at an unchanged version of the workload, which fails; moved: by less",
            "if the growth is meant: qinn-bench counters --accept",
        ),
    )


def _change(one: CounterChange) -> Line:
    count = [MISSING if x is None else str(x) for x in (one.before, one.after)]
    share = MISSING if one.share is None else f"{one.share:+.3%}"
    words = (one.workload, one.counter or MISSING, one.kind, *count, share)
    return Line("workloads", one.workload, "model", "", tuple(map(Entry, words)), flagged=one.kind == "grown")


def _plain(text: str) -> str:
    """Text that Markdown will not read as markup, on one line."""
    return "".join(f"\\{char}" if char in "\\|*_<[`#" else char for char in " ".join(text.split()))
