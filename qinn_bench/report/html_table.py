"""A table in HTML for notebooks and pages; all that it tells is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from qinn_bench.report.table_parts import BOX, Line, nested
from qinn_bench.report.table_value import Table, on_one_line

REMARK = 'style="text-align:left;white-space:normal;opacity:0.75"'


def html(table: Table) -> str:
    """The table with its title and notes as a fragment of a page; best entries are bold, floors and ceilings italic.

    >>> from qinn_bench.report.table_parts import Entry, Heading
    >>> line = Line("", "a", "model", "", (Entry("<a>"), Entry("1.0(1)", best=True)))
    >>> print(html(Table("Rows", (Heading("model", "model"), Heading("swd", "W")), (line,), ())))
    <table>
    <caption>Rows</caption>
    <thead><tr><th>model</th><th>W</th></tr></thead>
    <tbody>
    <tr><td>&lt;a&gt;</td><td><b>1.0(1)</b></td></tr>
    </tbody>
    </table>
    """
    headings = "".join(f"<th>{_text(str(heading))}</th>" for heading in table.header)
    lines = [
        *_box(table),
        "<table>",
        f"<caption>{_text(table.title)}</caption>",
        f"<thead><tr>{headings}</tr></thead>",
        "<tbody>",
        *_body(table),
        "</tbody>",
        "</table>",
        *(f"<p>{_text(note)}</p>" for note in table.footnotes),
    ]
    return "\n".join(lines)


def _box(table: Table) -> list[str]:
    lines = "".join(f"<li>{_text(line)}</li>" for line in table.box)
    return [f"<aside><b>{BOX}</b><ul>{lines}</ul></aside>"] if table.box else []


def _body(table: Table) -> Iterator[str]:
    width = len(table.header)
    for data, rows in groupby(table.rows, lambda row: row.data):
        if data:
            yield f'<tr><th colspan="{width}">{_text(data)}</th></tr>'
        for row in rows:
            yield f"<tr>{_cells(row)}</tr>"
            yield from (f'<tr><td colspan="{width}" {REMARK}>↳ {_text(remark)}</td></tr>' for remark in row.remarks)


def _cells(row: Line) -> str:
    cells = [f"<b>{_text(str(entry))}</b>" if entry.best else _text(str(entry)) for entry in row.entries]
    cells[0] = cells[0] if row.role == "model" else f"<i>{cells[0].strip()}</i>"
    cells[0] = f"&emsp;{cells[0]}" if nested(row) else cells[0]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _text(text: str) -> str:
    return escape(on_one_line(text))
