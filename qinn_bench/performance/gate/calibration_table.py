"""How often the gate is wrong on a machine, as a table."""

from __future__ import annotations

from statistics import median

from qinn_bench.performance.gate.calibration import POWER, Calibration, Rate
from qinn_bench.report.cells import share as of
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table

HEADER = (
    Heading("planted", "planted", "%"),
    Heading("called", "called"),
    Heading("share", "share", "%"),
    Heading("interval", "95 % interval", "%"),
)


def calibration_table(calibration: Calibration) -> Table:
    """One line for each planted slowdown over all workloads, and what a decision took."""
    took = [trial.took for trial in calibration.trials if not trial.planted and trial.took]
    workloads = list(dict.fromkeys(str(trial.decision.workload) for trial in calibration.trials))
    loads = [trial.decision.load for trial in calibration.trials]
    smallest = calibration.smallest()
    seen = "no slowdown" if smallest is None else f"slowdowns from {100 * smallest:.0f} % on"
    return Table(
        title=f"How often the gate calls a change on {calibration.machine}",
        header=HEADER,
        rows=tuple(_row(rate) for rate in calibration.rates()),
        footnotes=(
            "called: regressions, where nothing was planted improvements too; intervals by Clopper and Pearson",
            f"found in {POWER:.0%} or more, by the lower ends of the intervals: {seen}",
            *([f"a decision about equal versions took {median(took):.1f} s in the median"] if took else []),
            f"load average {min(loads):.1f} to {max(loads):.1f}; workloads: {', '.join(workloads)}",
        ),
    )


def _row(rate: Rate) -> Line:
    share = 100 * rate.called / rate.trials
    low, high = 100 * rate.low, 100 * rate.high
    entries = (
        Entry(f"{100 * rate.planted:.0f}"),
        of(rate.called, rate.trials),
        Entry(f"{share:.1f}", plain={"": share}),
        Entry(f"{low:.1f} to {high:.1f}", plain={"_low": low, "_high": high}),
    )
    return Line(data="", model=str(entries[0]), role="model", verdict="", entries=entries)
