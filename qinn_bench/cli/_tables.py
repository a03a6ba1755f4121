"""What the verbs that print lists share: a name and what is said of it, in lines for this terminal."""

from __future__ import annotations

from qinn_bench.report.forms import terminal
from qinn_bench.report.table_value import filled


def entry(name: str, about: str, indent: int = 24) -> str:
    """A name and what is said of it, in lines that this terminal does not break; words are never broken."""
    width = terminal()
    if len(name) >= indent - 2 or max(map(len, about.split()), default=0) > width - indent:
        start = " " * (indent if len(name) >= indent - 2 else 4)
        return f"  {name}\n{filled(about, width, start, start)}".rstrip()
    return filled(about, width, f"  {name}".ljust(indent), " " * indent).rstrip() if about else f"  {name}"
