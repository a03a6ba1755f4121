"""What the verbs that print a table share: the forms that it can have, and how wide a terminal is."""

from __future__ import annotations

from shutil import get_terminal_size

from qinn_bench.report.latex import latex
from qinn_bench.report.table_value import WIDTH, Table, filled

NARROWEST = 60


def terminal() -> int:
    """The columns of the terminal, or of COLUMNS where there is none; 120 where nothing says, never below 60."""
    return max(NARROWEST, get_terminal_size((WIDTH, 24)).columns)


def entry(name: str, about: str, indent: int = 24) -> str:
    """A name and what is said of it, in lines that this terminal does not break; words are never broken."""
    width = terminal()
    if len(name) >= indent - 2 or max(map(len, about.split()), default=0) > width - indent:
        start = " " * (indent if len(name) >= indent - 2 else 4)
        return f"  {name}\n{filled(about, width, start, start)}".rstrip()
    return filled(about, width, f"  {name}".ljust(indent), " " * indent).rstrip() if about else f"  {name}"


def text(table: Table) -> str:
    """The table for this terminal."""
    return table.text(terminal())


FORMS = {"text": text, "md": Table.markdown, "latex": latex, "csv": Table.csv, "json": Table.json}
"""How each form of ``--format`` renders a table."""
