"""Tables as pages have them: cells with what they are sorted by, where they lead, and how their marks are read out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qinn_bench.report.study_columns import meaning_of
from qinn_bench.report.table_parts import BY_MASS, FLAGGED, MISSING, Entry, Heading, Line, nested
from qinn_bench.report.table_value import Table
from qinn_bench.values import Estimate

READ_OUT = {"✓": "certificate passed", "✗": "certificate failed", "?": "certificate undecided"}
"""What is read out in the place of a mark."""
NOWHERE: Callable[[Line, str], str] = lambda _line, _column: ""  # noqa: E731


@dataclass(frozen=True)
class PageHeading:
    """The heading of a column, what its numbers mean, and its classes.

    Example:
        >>> PageHeading("NLL [nats]").meaning
        ''
    """

    text: str
    meaning: str = ""
    kinds: str = ""


@dataclass(frozen=True)
class PageCell:
    """A cell: its text, the mark behind it with the words for it, what it is sorted by, its link and its classes.

    In the place of a text there may be a small picture (a data URI); the words are then read out for it.

    Example:
        >>> PageCell("6.495(12)", "6.495").link
        ''
    """

    text: str
    value: str
    mark: str = ""
    meaning: str = ""
    link: str = ""
    kinds: str = ""
    picture: str = ""


@dataclass(frozen=True)
class PageRow:
    """A row: its cells, the remarks below it, and its classes.

    Example:
        >>> PageRow((PageCell("a", "a"),)).remarks
        ()
    """

    cells: tuple[PageCell, ...]
    remarks: tuple[str, ...] = ()
    kinds: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table with an id that is its own in the page.

    Example:
        >>> PageTable("t", "Rows", (PageHeading("row"),), ()).notes
        ()
    """

    id: str
    caption: str
    header: tuple[PageHeading, ...]
    rows: tuple[PageRow, ...]
    notes: tuple[str, ...] = ()


def page_tables(
    table: Table, id: str, link: Callable[[Line, str], str] = NOWHERE, *, roles: bool = False
) -> list[PageTable]:
    """A table of each data set; what several of them share, its notes, stands below the last.

    `link` says where the number of a row in a column leads. With `roles` a column says what each row is in the
    comparison, so that rows can be filtered by it.

    >>> line = Line("moons", "a", "model", "", (Entry("a"), Entry(Estimate(value=0.036, error=0.003), best=True)))
    >>> rows = Table("Rows", (Heading("model", "model"), Heading("swd", "sliced W₁", "sd")), (line,), ("A note.",))
    >>> made = page_tables(rows, "t")[0]
    >>> made.caption, made.rows[0].cells[1].text, made.rows[0].cells[1].value
    ('Rows: moons', '0.0360(30)', '0.036')
    """
    sets = list(dict.fromkeys(line.data for line in table.rows))
    header = [PageHeading(str(one), meaning_of(one.name)) for one in table.header]
    header[1:1] = [PageHeading("role", kinds="text")] * roles
    made = []
    for at, data in enumerate(sets):
        rows = tuple(_row(line, table.header, link, roles) for line in table.rows if line.data == data)
        caption = f"{table.title}: {data}" if data else table.title
        notes = table.footnotes if at == len(sets) - 1 else ()
        name = id if len(sets) == 1 else f"{id}-{at + 1}"
        made.append(PageTable(name, caption, tuple(header), rows, notes))
    return made


def plain_table(
    id: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str | PageCell]], notes: Sequence[str] = ()
) -> PageTable:
    """A table of texts; those that are numbers are sorted as numbers.

    >>> plain_table("t", "Counts", ("what", "how many"), [("a", "12")]).rows[0].cells[1].kinds
    ''
    """
    made = tuple(PageRow(tuple(map(_plain, row))) for row in rows)
    texts = [any("text" in row.cells[at].kinds.split() for row in made) for at in range(len(header))]
    heads = tuple(PageHeading(title, kinds="text" * text) for title, text in zip(header, texts, strict=True))
    return PageTable(id, caption, heads, made, tuple(notes))


def _plain(cell: str | PageCell) -> PageCell:
    if isinstance(cell, PageCell):
        return cell
    digits = cell.replace(".", "", 1).removeprefix("-").isdigit()
    return PageCell(cell, cell, kinds="" if digits or cell == MISSING else "text")


def _row(line: Line, header: Sequence[Heading], link: Callable[[Line, str], str], roles: bool) -> PageRow:
    kinds = [line.role, "nested" * nested(line), "flagged" * line.flagged]
    cells = [_cell(entry, link(line, one.name)) for one, entry in zip(header, line.entries, strict=True)]
    cells[1:1] = [PageCell(line.role, line.role, kinds="text")] * roles
    return PageRow(tuple(cells), line.remarks, " ".join(filter(None, kinds)))


def _cell(entry: Entry, link: str) -> PageCell:
    text, mark = str(entry).strip(), entry.mark
    if mark and text.endswith(mark):
        text = text.removesuffix(mark)
    if text.endswith(FLAGGED):
        text, mark = text.removesuffix(FLAGGED).strip(), FLAGGED
    content = entry.content
    known = content.value if isinstance(content, Estimate) else entry.plain.get("")
    value = text if known is None else f"{known:.8g}" if isinstance(known, float) else str(known)
    return PageCell(text, value, mark, _read_out(mark), link * (text != MISSING), "best" if entry.best else "")


def _read_out(mark: str) -> str:
    """The words for a mark, for who hears the page."""
    if mark == FLAGGED:
        return "too good to be believed"
    told = [words for sign, words in READ_OUT.items() if sign in mark]
    return ", ".join([*told, *["divided by a measured mass"] * (BY_MASS in mark)])
