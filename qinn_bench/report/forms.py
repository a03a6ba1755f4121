"""The forms that a table is printed in, and how wide a terminal is."""

from __future__ import annotations

from collections.abc import Callable
from shutil import get_terminal_size

from qinn_bench.report.latex import latex
from qinn_bench.report.table_parts import WIDTH
from qinn_bench.report.table_value import Table

NARROWEST = 60


def terminal() -> int:
    """The width of the terminal in characters.

    It is that of COLUMNS where this is set, 120 where nothing says it, and never below 60.
    """
    return max(NARROWEST, get_terminal_size((WIDTH, 24)).columns)


def text(table: Table) -> str:
    """The table for this terminal."""
    return table.text(terminal())


FORMS: dict[str, Callable[[Table], str]] = {
    "text": text,
    "md": Table.markdown,
    "latex": latex,
    "csv": Table.csv,
    "json": Table.json,
}
"""How each form of ``--format`` renders a table."""
