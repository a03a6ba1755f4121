"""A table as a value, and its five renderings: text, Markdown, LaTeX, CSV and JSON; they render and compute nothing."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from qinn_bench.report.numbers import number
from qinn_bench.values import Estimate, Role

WIDTH = 120
MISSING = "–"
INDENT = "  "
"""What the label of a control starts with."""
FLAGGED = "‼"
VERDICTS = {"pass": "✓", "fail": "✗", "undecided": "?"}
TEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"},
    **{"|": "$|$", "[": "{[}", "]": "{]}", '"': "''"},
    **{
        "⟨": r"$\langle$",
        "⟩": r"$\rangle$",
        "Γ": r"$\Gamma$",
        "χ": r"$\chi$",
        "²": "$^2$",
        "₁": "$_1$",
        "·": r"$\cdot$",
    },
    **{"‼": "!!", "≥": r"$\geq$", "±": r"$\pm$", "–": "--", "✓": r"$\checkmark$", "✗": r"$\times$", "×": r"$\times$"},
    **{"α": r"$\alpha$", "β": r"$\beta$", "Δ": r"$\Delta$", "φ": r"$\phi$", "η": r"$\eta$", "σ": r"$\sigma$"},
}


@dataclass(frozen=True)
class Heading:
    """A column: the name to ask for it by, its title, and the unit of its numbers."""

    name: str
    title: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.title} [{self.unit}]" if self.unit else self.title


@dataclass(frozen=True)
class Entry:
    """A number or a text, with the mark of a certificate and whether it is the best of its column.

    `plain` are the numbers that a text tells, by what is added to the name of the column: ``{"_low": 1.2, "_high": 3}``
    of an interval, ``{"": 5, "_of": 5}`` of "5/5". In CSV they stand in cells of their own; those of the first column
    have their names alone.
    """

    content: Estimate | str
    mark: str = ""
    best: bool = False
    plain: Mapping[str, str | float | None] = field(default_factory=dict)

    def __str__(self) -> str:
        if isinstance(self.content, str):
            return self.content
        if self.content.value is None:
            return MISSING
        return number(self.content.value, self.content.error) + self.mark


@dataclass(frozen=True)
class Line:
    """A row of a table: its data set, model, role, worst certificate, one entry a column, and remarks that go below.

    A row that is `flagged` is too good to be believed and is never the best.
    """

    data: str
    model: str
    role: Role
    verdict: str
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()
    flagged: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of entries under headings, and the notes that explain them; the first column names the model."""

    title: str
    header: tuple[Heading, ...]
    rows: tuple[Line, ...]
    footnotes: tuple[str, ...]

    def text(self) -> str:
        """Aligned Unicode for a terminal; columns that do not fit into 120 characters go into a second block."""
        blocks = "\n\n".join("\n".join(_block(self, block, i == 0)) for i, block in enumerate(_blocks(self)))
        notes = "\n".join(textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in self.footnotes)
        return f"{self.title}\n\n{blocks}\n\n{notes}\n"

    def markdown(self) -> str:
        """A pipe table; the best entries are bold, floors and ceilings italic."""
        width = len(self.header)
        lines = [_pipes([str(h) for h in self.header]), _pipes(["---"] + ["---:"] * (width - 1))]
        for data, rows in groupby(self.rows, lambda row: row.data):
            lines += [_pipes([f"**{_plain(data)}**"] + [""] * (width - 1))] if data else []
            for row in rows:
                cells = [f"**{entry}**" if entry.best else _plain(str(entry)) for entry in row.entries]
                cells[0] = cells[0] if row.role == "model" else f"*{cells[0]}*"
                cells[0] = f"&emsp;{cells[0]}" if _nested(row) else cells[0]
                lines.append(_pipes(cells))
                lines += [_pipes([f"↳ {_plain(remark)}"] + [""] * (width - 1)) for remark in row.remarks]
        notes = "\n".join(f"- {_plain(note)}" for note in self.footnotes)
        return f"### {_plain(self.title)}\n\n" + "\n".join(lines) + f"\n\n{notes}\n"

    def latex(self) -> str:
        """A ``table*`` with booktabs rules; needs the packages booktabs and amssymb."""
        width = len(self.header)
        lines = [
            r"\begin{table*}",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{tex(self.title)}}}",
        ]
        lines += [rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule"]
        lines.append(" & ".join(tex(str(heading)) for heading in self.header) + r" \\")
        for data, of_data in groupby(self.rows, lambda row: row.data):
            lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{tex(data)}}}}} \\"] if data else []
            for _, rows in groupby(of_data, _section):
                lines += [r"\midrule", *(line for row in rows for line in _tex_lines(row))]
        lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\footnotesize\raggedright"]
        lines += [f"{tex(note)}\\par" for note in self.footnotes]
        return "\n".join([*lines, r"\end{table*}"]) + "\n"

    def csv(self) -> str:
        """Model, data set, role, the numbers of each column in full precision, a cell each, certificate, remarks."""
        first = list(self.rows[0].entries[0].plain) if self.rows else []
        suffixes = [_suffixes([row.entries[i] for row in self.rows]) for i in range(1, len(self.header))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        named = zip(self.header[1:], suffixes, strict=True)
        names = [heading.name + suffix for heading, own in named for suffix in own]
        writer.writerow(["model", *first, "data", "role", *names, "certificate", "remarks"])
        for row in self.rows:
            told = (row.entries[0].plain[name] for name in first)
            entries = zip(row.entries[1:], suffixes, strict=True)
            cells = [_csv_cells(entry).get(suffix, "") for entry, own in entries for suffix in own]
            writer.writerow([row.model, *told, row.data, row.role, *cells, row.verdict, "; ".join(row.remarks)])
        return out.getvalue()

    def json(self) -> str:
        """All of it, numbers in full precision, columns by name."""
        plain = {
            "title": self.title,
            "columns": [{"name": h.name, "title": h.title, "unit": h.unit} for h in self.header],
            "rows": [_json_row(row, self.header) for row in self.rows],
            "footnotes": self.footnotes,
        }
        return json.dumps(plain, indent=1, ensure_ascii=False)


def _nested(row: Line) -> bool:
    return str(row.entries[0]).startswith(INDENT)


def _section(row: Line) -> Role:
    """What a row is set off with from others: controls stay with the models."""
    return "model" if row.role == "control" else row.role


def tex(text: str) -> str:
    """Text with everything that LaTeX would read as a command escaped."""
    return "".join(TEX.get(char, char) for char in text)


def _tex_lines(row: Line) -> Iterator[str]:
    start = r"\quad " if _nested(row) else ""
    yield start + " & ".join(_tex_entry(entry) for entry in row.entries).lstrip() + r" \\"
    for remark in row.remarks:
        yield rf"\multicolumn{{{len(row.entries)}}}{{l}}{{\quad\footnotesize {tex(remark)}}} \\"


def _tex_entry(entry: Entry) -> str:
    if isinstance(entry.content, str) or entry.content.value is None:
        return tex(str(entry))
    value, _, exponent = number(entry.content.value, entry.content.error).partition("e")
    bold = rf"\mathbf{{{value}}}" if entry.best else value
    return (
        f"${bold}"
        + (rf"\times10^{{{exponent}}}" if exponent else "")
        + "$"
        + (rf"\,{tex(entry.mark)}" if entry.mark else "")
    )


def _plain(text: str) -> str:
    """Text that Markdown will not read as markup."""
    return "".join(f"\\{char}" if char in "\\|*_<[`" else char for char in " ".join(text.split()))


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _suffixes(column: Sequence[Entry]) -> list[str]:
    """What is added to the name of a column for each of its cells in CSV."""
    found = list(dict.fromkeys(suffix for entry in column for suffix in _csv_cells(entry)))
    return found or [""]


def _csv_cells(entry: Entry) -> dict[str, str | float]:
    """The cells of an entry in CSV, by what is added to the name of the column."""
    if entry.plain:
        return {suffix: "" if x is None else x for suffix, x in entry.plain.items()}
    if isinstance(entry.content, str):
        return {} if entry.content == MISSING else {"": entry.content}
    pair = {"": entry.content.value, "_error": entry.content.error}
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


def _blocks(table: Table) -> Iterator[list[tuple[Heading, list[str]]]]:
    """The columns as text, the model first, in blocks that are at most 120 characters wide."""
    columns = []
    for i, heading in enumerate(table.header):
        columns.append((heading, _starred([row.entries[i] for row in table.rows])))
    block = columns[:1]
    for column in columns[1:]:
        if len(block) > 1 and sum(_width(c) + 2 for c in [*block, column]) - 2 > WIDTH:
            yield block
            block = columns[:1]
        block = [*block, column]
    yield block


def _width(column: tuple[Heading, list[str]]) -> int:
    heading, cells = column
    return max(map(len, [heading.title, heading.unit and f"[{heading.unit}]", *cells]))


def _block(table: Table, block: list[tuple[Heading, list[str]]], remarked: bool) -> Iterator[str]:
    """The lines of a block of columns, with the remarks on its rows or without."""
    widths = [_width(column) for column in block]
    total = sum(widths) + 2 * (len(widths) - 1)
    yield _aligned([heading.title for heading, _ in block], widths)
    if any(heading.unit for heading, _ in block):
        yield _aligned([heading.unit and f"[{heading.unit}]" for heading, _ in block], widths)
    previous: Line | None = None
    for i, row in enumerate(table.rows):
        if previous is None or previous.data != row.data:
            yield "─" * total
            yield from [row.data] if row.data else []
        elif _section(previous) != _section(row):
            yield "┈" * total
        yield _aligned([cells[i] for _, cells in block], widths)
        for remark in row.remarks if remarked else ():
            yield textwrap.fill(f"↳ {remark}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        previous = row
    yield "─" * total


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
    return "  ".join(padded).rstrip()
