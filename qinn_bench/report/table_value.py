"""A table as a value, and its renderings as text, Markdown, CSV and JSON; they render and compute nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from qinn_bench.report.csv_cells import LineFeeds, harmless
from qinn_bench.report.plain_lines import filled as filled
from qinn_bench.report.plain_lines import on_one_line as on_one_line
from qinn_bench.report.table_parts import BOX, MISSING, WIDTH, Entry, Heading, Line, nested, section
from qinn_bench.statistics.outlying import Quartiles
from qinn_bench.values import Estimate


@dataclass(frozen=True)
class Table:
    """Rows of entries under headings, and the notes that explain them; the first column names the model.

    The `box` stands above the rows: a line each on what they were made of.

    Example:
        >>> line = Line("", "a", "model", "", (Entry("a"), Entry(Estimate(value=0.036, error=0.003), best=True)))
        >>> table = Table("Rows", (Heading("model", "model"), Heading("swd", "sliced W₁", "sd")), (line,), ())
        >>> table.cells()[1]
        [['a', '', 'model', 0.036, 0.003, '', '']]
        >>> print(table.csv(), end="")
        model,data,role,swd,swd_error,certificate,remarks
        a,,model,0.036,0.003,,
    """

    title: str
    header: tuple[Heading, ...]
    rows: tuple[Line, ...]
    footnotes: tuple[str, ...]
    box: tuple[str, ...] = ()

    def text(self, width: int = WIDTH) -> str:
        """Aligned Unicode for a terminal of this width; columns that do not fit go into a second block."""
        blocks = _blocks(self, width)
        shown = "\n\n".join("\n".join(_block(self, block, width, i == 0)) for i, block in enumerate(blocks))
        notes = "\n".join(filled(note, width, rest="  ") for note in self.footnotes)
        box = "\n".join([BOX, *(filled(line, width, rest="  ") for line in self.box)] if self.box else [])
        return "\n\n".join(filter(None, [filled(on_one_line(self.title), width), box, shown, notes])) + "\n"

    def markdown(self) -> str:
        """A pipe table; the best entries are bold, floors and ceilings italic."""
        width = len(self.header)
        lines = [markdown_row([_heading(h) for h in self.header]), markdown_row(["---"] + ["---:"] * (width - 1))]
        for data, rows in groupby(self.rows, lambda row: row.data):
            lines += [markdown_row([f"**{_plain(data)}**"] + [""] * (width - 1))] if data else []
            for row in rows:
                cells = [f"**{_plain(str(entry))}**" if entry.best else _plain(str(entry)) for entry in row.entries]
                cells[0] = cells[0] if row.role == "model" else f"*{cells[0]}*"
                cells[0] = f"&emsp;{cells[0]}" if nested(row) else cells[0]
                lines.append(markdown_row(cells))
                lines += [markdown_row([f"↳ {_plain(remark)}"] + [""] * (width - 1)) for remark in row.remarks]
        notes = "\n".join(f"- {_plain(note)}" for note in self.footnotes)
        box = "\n".join([f"> **{BOX}**", *(f"> - {_plain(line)}" for line in self.box)] if self.box else [])
        return "\n\n".join(filter(None, [f"### {_plain(self.title)}", box, "\n".join(lines), notes])) + "\n"

    def cells(self) -> tuple[list[str], list[list[str | float]]]:
        """Names, and for each row its model, data set, role, the numbers of each column in full precision, a cell each,
        certificate and remarks; what does not exist is empty."""
        first = list(self.rows[0].entries[0].plain) if self.rows else []
        suffixes = [_suffixes([row.entries[i] for row in self.rows]) for i in range(1, len(self.header))]
        named = zip(self.header[1:], suffixes, strict=True)
        names = [heading.name + suffix for heading, own in named for suffix in own]
        lines = []
        for row in self.rows:
            told = ("" if (x := row.entries[0].plain[name]) is None else x for name in first)
            entries = zip(row.entries[1:], suffixes, strict=True)
            cells = [_csv_cells(entry).get(suffix, "") for entry, own in entries for suffix in own]
            lines.append([row.model, *told, row.data, row.role, *cells, row.verdict, "; ".join(row.remarks)])
        return ["model", *first, "data", "role", *names, "certificate", "remarks"], lines

    def csv(self) -> str:
        """The `cells` in CSV; a text that a spreadsheet would take for a formula is made `harmless`."""
        out = io.StringIO()
        writer = csv.writer(LineFeeds(out))
        names, lines = self.cells()
        writer.writerows([map(harmless, names), *(map(harmless, line) for line in lines)])
        return out.getvalue()

    def json(self) -> str:
        """All of it, numbers in full precision, columns by name."""
        plain = {
            "title": self.title,
            **({"box": self.box} if self.box else {}),
            "columns": [{"name": h.name, "title": h.title, "unit": h.unit} for h in self.header],
            "rows": [_json_row(row, self.header) for row in self.rows],
            "footnotes": self.footnotes,
        }
        return json.dumps(plain, indent=1, ensure_ascii=False)


def _plain(text: str) -> str:
    """Text that Markdown will not read as markup."""
    return "".join(f"\\{char}" if char in "\\|*_<[`$&~" else char for char in " ".join(text.split()))


def _heading(heading: Heading) -> str:
    """A heading whose own marks stay marks, and that ends neither its cell nor the page."""
    return "".join(f"\\{char}" if char in "\\|<" else char for char in on_one_line(str(heading)))


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def _suffixes(column: Sequence[Entry]) -> list[str]:
    """What is added to the name of a column for each of its cells in CSV."""
    suffixes = list(dict.fromkeys(suffix for entry in column for suffix in _csv_cells(entry)))
    return suffixes or [""]


def _csv_cells(entry: Entry) -> dict[str, str | float]:
    """The cells of an entry in CSV, by what is added to the name of the column."""
    if entry.plain:
        return {suffix: "" if x is None else x for suffix, x in entry.plain.items()}
    if isinstance(entry.content, str):
        return {} if entry.content == MISSING else {"": entry.content}
    pair = {"": entry.content.value, "_error": entry.content.error}
    if isinstance(entry.content, Quartiles):
        pair |= {"_low": entry.content.low, "_high": entry.content.high}
    return {suffix: "" if x is None else x for suffix, x in pair.items()}


def _json_row(row: Line, header: tuple[Heading, ...]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for heading, entry in zip(header[1:], row.entries[1:], strict=True):
        if isinstance(entry.content, Estimate):
            cells[heading.name] = entry.content.model_dump() | {"best": entry.best}
        else:
            known = int(entry.content) if entry.content.isdigit() else entry.content
            cells[heading.name] = None if known == MISSING else known
    facts = {"data": row.data, "model": row.model, "role": row.role, "certificate": row.verdict}
    return facts | {"cells": cells, "remarks": row.remarks, "flagged": row.flagged}


def _starred(column: Sequence[Entry]) -> list[str]:
    """Entries with a star if they are best, padded so that the digits of their column line up."""
    any_best, any_mark = any(entry.best for entry in column), any(entry.mark for entry in column)
    stars = {True: "*", False: " "} if any_best else {True: "", False: ""}
    return [f"{entry}{' ' if any_mark and not entry.mark else ''}{stars[entry.best]}" for entry in column]


def _blocks(table: Table, width: int) -> Iterator[list[tuple[Heading, list[str]]]]:
    """The columns as text, the model first, in blocks that are at most this wide."""
    columns = []
    for i, heading in enumerate(table.header):
        columns.append((heading, _starred([row.entries[i] for row in table.rows])))
    block = columns[:1]
    for column in columns[1:]:
        if len(block) > 1 and sum(_widths([*block, column], width)) + 2 * len(block) > width:
            yield block
            block = columns[:1]
        block = [*block, column]
    yield block


def _widths(block: Sequence[tuple[Heading, list[str]]], width: int) -> list[int]:
    """How wide the columns of a block are; the first takes two fifths at most, longer labels go on in the next line."""
    first, *others = (_width(column) for column in block)
    return [min(first, 2 * width // 5), *others]


def _width(column: tuple[Heading, list[str]]) -> int:
    heading, cells = column
    return max(map(len, [heading.title, heading.unit and f"[{heading.unit}]", *cells]))


def _block(table: Table, block: list[tuple[Heading, list[str]]], width: int, remarked: bool) -> Iterator[str]:
    """The lines of a block of columns, with the remarks on its rows or without."""
    widths = _widths(block, width)
    total = sum(widths) + 2 * (len(widths) - 1)
    yield _aligned([on_one_line(heading.title) for heading, _ in block], widths)
    if any(heading.unit for heading, _ in block):
        yield _aligned([on_one_line(heading.unit and f"[{heading.unit}]") for heading, _ in block], widths)
    previous: Line | None = None
    for i, row in enumerate(table.rows):
        if previous is None or previous.data != row.data:
            yield "─" * total
            yield from [on_one_line(row.data)] if row.data else []
        elif section(previous) != section(row):
            yield "┈" * total
        label, *more = _broken(block[0][1][i], widths[0])
        yield _aligned([label, *(cells[i] for _, cells in block[1:])], widths)
        yield from more
        for remark in row.remarks if remarked else ():
            yield filled(f"↳ {remark}", width, "  ", "    ")
        previous = row
    yield "─" * total


def _broken(label: str, width: int) -> list[str]:
    """A label in lines of this width, those after the first further in."""
    start = " " * (len(label) - len(label.lstrip()))
    return filled(label, width, start, f"{start}  ").splitlines() if len(label) > width else [label]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
    return "  ".join(padded).rstrip()
