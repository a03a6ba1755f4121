"""The table of a check of quality: one line a golden series, with what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.verdicts.golden_numbers import SeriesVerdict

HEADER = (
    Heading("row", "row"),
    Heading("metric", "metric"),
    Heading("outcome", "outcome"),
    Heading("change", "better by"),
    Heading("interval", "95 % interval"),
    Heading("p_worse", "p worse"),
    Heading("seeds", "seeds"),
)
NOTES = (
    "same: the golden number to rounding at every seed; equal: it moved by less than the margin; better, worse: by "
    "more; inconclusive: none of these is shown, which is no pass.",
    "p: of a sign-flip test over paired seeds, corrected over all series that moved (Holm).",
)


def quality_table(verdicts: Sequence[SeriesVerdict]) -> Table:
    """Findings as a table; what moved says why below it."""
    said = [f"{one.row} on {one.data}, {one.metric}: {one.reason}." for one in verdicts if one.reason]
    return Table("Quality against the golden numbers", HEADER, tuple(map(_line, verdicts)), (*NOTES, *said))


def _line(one: SeriesVerdict) -> Line:
    c = one.comparison
    interval = f"[{c.interval[0]:.3g}, {c.interval[1]:.3g}]" if c and c.interval else MISSING
    cells = (
        one.row,
        one.metric,
        one.outcome,
        c.effect if c and c.effect.value is not None else MISSING,
        interval,
        f"{c.p_worse:.2g}" if c and c.p_worse is not None else MISSING,
        str(one.seeds),
    )
    return Line(one.data, one.row, "model", "", tuple(Entry(cell) for cell in cells))
