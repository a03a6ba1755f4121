"""The table of a cell that was run again: its numbers then and now."""

from __future__ import annotations

from collections import Counter

from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.study.reproduction import ComparedNumber, Reproduction

HEADER = (
    *(Heading("number", "number"), Heading("then", "then"), Heading("now", "now")),
    *(Heading("apart", "apart", "errors"), Heading("likeness", "how alike")),
)


def reproduction_table(made: Reproduction, *, every: bool = False) -> Table:
    """A line a number that did not come back bit for bit, or all of them; the notes say whether the cell came back."""
    record = made.record
    shown = [one for one in made.numbers if every or one.likeness != "bitwise"]
    title = f"{record.row}, seed {record.cell.seed} on {record.cell.data}, run again"
    return Table(title, HEADER, tuple(map(_line, shown)), tuple(said(made)))


def said(made: Reproduction) -> list[str]:
    """Sentences on the whole, the verdict first."""
    told = ["The cell came back." if made.came_back else "The cell did NOT come back."]
    counts = Counter(one.likeness for one in made.numbers)
    if counts:
        told.append(
            f"Of {len(made.numbers)} numbers: " + ", ".join(f"{n} {likeness}" for likeness, n in counts.items()) + "."
        )
    if made.again and made.again.status != made.record.status:
        told.append(f"It ended '{made.record.status}' then, '{made.again.status}' now: {made.again.reason}.")
    if made.arrays:
        told.append(f"Arrays with other bits: {', '.join(made.arrays)}.")
    told += [f"{problem}." for problem in made.problems]
    if made.bits_are_due:
        told.append("All inputs, versions and the processor are those of the record, so that the same bits were due.")
    told += [f"Other inputs than then: {'; '.join(made.inputs)}."] * bool(made.inputs)
    told += [f"Another machine than then: {'; '.join(made.machine)}."] * bool(made.machine)
    return told


def _line(one: ComparedNumber) -> Line:
    entries = (Entry(one.name), _number(one.then), _number(one.now), _number(one.apart, 3), Entry(one.likeness))
    return Line("", one.name, "model", "", entries)


def _number(value: float | None, digits: int = 10) -> Entry:
    return Entry(MISSING if value is None else f"{value:.{digits}g}", plain={"": value})
