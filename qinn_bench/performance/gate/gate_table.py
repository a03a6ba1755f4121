"""What the gate found, as a table and as lines."""

from __future__ import annotations

from qinn_bench.performance.gate.compare_versions import GateReport
from qinn_bench.performance.gate.decide import Decision
from qinn_bench.report.cells import count
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table

HEADER = (
    Heading("workload", "workload"),
    Heading("outcome", "outcome"),
    Heading("change", "change", "%"),
    Heading("range", "launches", "%"),
    Heading("base", "base", "ms"),
    Heading("head", "head", "ms"),
    Heading("clock", "clock"),
    Heading("taken", "launches"),
)


def table(report: GateReport) -> Table:
    """One line for each workload, and what the columns mean."""
    counts = {one.outcome: len(report.having(one.outcome)) for one in report.decisions}
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return Table(
        title=f"{report.head[:12]} against {report.base[:12]}: {said}",
        header=HEADER,
        rows=tuple(_row(one) for one in report.decisions),
        footnotes=(
            "change: median over the launches of the last stage, which lie in the range beside it; positive is slower",
            *([] if report.calibrated else ["the rates of false alarms are not measured on this machine"]),
            *([] if report.forked else ["processes were not forked: launches scatter more"]),
            *report.notes,
        ),
    )


def line(decision: Decision) -> str:
    """A decision in one line."""
    change = "" if decision.change is None else f" {100 * decision.change:+.1f} %"
    return f"{decision.workload}: {decision.outcome}{change}" + (f" ({decision.reason})" if decision.reason else "")


def _row(one: Decision) -> Line:
    percent = [None if x is None else 100 * x for x in (one.change, one.low, one.high)]
    between = MISSING if percent[1] is None else f"{percent[1]:+.1f} to {percent[2]:+.1f}"
    taken = sum(map(len, one.stages("cpu"))) if one.screen else None
    entries = (
        Entry(str(one.workload)),
        Entry(one.outcome),
        Entry(MISSING) if percent[0] is None else Entry(f"{percent[0]:+.1f}", plain={"": percent[0]}),
        Entry(MISSING) if percent[1] is None else Entry(between, plain={"_low": percent[1], "_high": percent[2]}),
        *((Entry(f"{1e3 * s:.4g}", plain={"": 1e3 * s}) for s in one.seconds) if one.seconds else [Entry(MISSING)] * 2),
        Entry(one.clock if one.screen else MISSING),
        count(taken),
    )
    remarks = [one.reason] if one.reason else []
    if not one.same_work:
        remarks.append("base and head gave different results")
    return Line(
        data="",
        model=str(one.workload),
        role="model",
        verdict="",
        entries=entries,
        remarks=tuple(remarks),
        flagged=one.outcome in ("regression", "error", "missing"),
    )
