"""A table in LaTeX that fits its page: longtables with booktabs rules, in blocks of columns where one is too wide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from qinn_bench.report.numbers import number
from qinn_bench.report.table_parts import BOX, Entry, Heading, Hint, Line, nested, section
from qinn_bench.report.table_value import Table
from qinn_bench.statistics.outlying import Quartiles

Font = Literal["tiny", "scriptsize", "footnotesize", "small", "normalsize"]
FONTS: dict[Font, float] = dict(zip(get_args(Font), (6.1, 7.0, 8.0, 9.0, 10.0), strict=True))
"""Sizes of a letter in points, in a class of 10 pt; letters of 5 points are as wide as if they had 6.1."""
PORTRAIT, LANDSCAPE = 345.0, 550.0
"""Widths of a page of the class article at 10 pt, in points; others leave more room."""
GAP = 3.0
"""Points on either side of a column."""
LABEL = 0.35
"""The most that the first column takes of the page; longer labels are broken into lines."""
MARGIN = 0.97
"""Of the page, to leave room for what widths are off."""
WIDTHS = ("ijltfrI.,:;'|()[]{}! -", 0.39), ("mwMW@%–", 0.95), ("ABCDEFGHJKLNOPQRSTUVXYZ✓×Γ⟨⟩‼&", 0.78)
"""Widths of letters in units of their size; all others, digits too, are 0.57 wide (Computer Modern at 7 pt)."""
TEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"},
    **{"|": "$|$", "[": "{[}", "]": "{]}", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'"},
    **{"⟨": r"$\langle$", "⟩": r"$\rangle$", "·": r"$\cdot$", "‼": "!!", "≥": r"$\geq$", "≤": r"$\leq$"},
    **{"±": r"$\pm$", "–": "--", "—": "---", "✓": r"$\checkmark$", "✗": r"$\times$", "×": r"$\times$"},
    **{"−": "$-$", "∞": r"$\infty$", "→": r"$\to$", "↳": r"$\hookrightarrow$", "≈": r"$\approx$", "…": r"\ldots{}"},
    **{
        "\u200b": r"\allowbreak{}",
        "°": r"$^\circ$",
        "µ": r"$\mu$",
        "∂": r"$\partial$",
        "√": r"$\sqrt{}$",
        "∆": r"$\Delta$",
        "ο": "o",
        "▽": r"$\triangledown$",
        "↓": r"$\downarrow$",
        "ε": r"$\varepsilon$",
        "ρ": r"$\rho$",
        "²": r"$^2$",
    },
}
"""Characters that LaTeX would read as commands, or does not have."""
RAISED = {"<super>": "^", "<sub>": "_"}


@dataclass(frozen=True)
class Page:
    """Where a table has to fit: the size of its letters, and whether the page lies on its side.

    Example:
        >>> Page("small", landscape=True).width
        550.0
    """

    font: Font = "scriptsize"
    landscape: bool = False

    @property
    def width(self) -> float:
        """In points."""
        return LANDSCAPE if self.landscape else PORTRAIT


def latex(table: Table, page: Page = Page(), label: str = "") -> str:
    """The table for a paper, no wider than its page and as long as it likes.

    The packages that it needs are named in its first line. Columns that do not fit stand in a second block under the
    same caption; hints to commands are left out. `label` is what ``\\ref`` finds it by; it is made from the title
    where none is given.
    """
    blocks = list(_blocks(table, page))
    packages = ["booktabs", "longtable", "array", "amssymb", *["pdflscape"] * page.landscape]
    lines = [
        _needs(packages),
        r"\begingroup",
        rf"\{page.font}\setlength{{\tabcolsep}}{{{GAP:g}pt}}\setlength{{\LTcapwidth}}{{\linewidth}}",
    ]
    lines[1:1] = [r"\begin{landscape}"] * page.landscape
    caption = rf"\caption{{{tex(table.title)}}}\label{{tab:{label or _slug(table.title)}}}\\"
    for at, block in enumerate(blocks):
        lines += [r"\addtocounter{table}{-1}"] * (at > 0)
        lines += _longtable(table, block, page, caption if at == 0 else "", remarked=at == 0)
    notes = [note for note in _notes(table) if not isinstance(note, Hint)]
    lines += [r"\raggedright\sloppy", *(rf"{_prose(note)}\par" for note in notes), r"\endgroup"]
    lines += [r"\end{landscape}"] * page.landscape
    return "\n".join(lines) + "\n"


def _notes(table: Table) -> list[str]:
    """The notes below a table; in a paper what stands in its box is the first of them."""
    return [*([f"{BOX}: {' '.join(table.box)}"] if table.box else []), *table.footnotes]


def tex(text: str) -> str:
    """Text with everything that LaTeX would read as a command escaped, and what it has no letter for spelled out."""
    return "".join(_letter(char) for char in re.sub(r"[\s\u0085\u2028\u2029]+", " ", text))


def _prose(text: str) -> str:
    """A text whose lines may also be broken inside of what has no spaces, such as knobs and paths."""
    return tex(re.sub(r"([,/;)=[])(?=\S)", "\\1\u200b", text))


def _letter(char: str) -> str:
    if char in TEX or char.isascii():
        return TEX.get(char, char if char.isprintable() else "")
    name = unicodedata.name(char, "")
    if greek := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name):
        word = {"LAMDA": "lambda"}.get(greek[2], greek[2].lower())
        return f"$\\{word.capitalize() if greek[1] == 'CAPITAL' else word}$"
    kind, _, codes = unicodedata.decomposition(char).partition(" ")
    if kind in RAISED:
        return f"${RAISED[kind]}{''.join(chr(int(code, 16)) for code in codes.split())}$"
    return char if name.startswith("LATIN") else rf"\texttt{{U+{ord(char):04X}}}"


def _needs(packages: Sequence[str]) -> str:
    return "% needs " + "".join(rf"\usepackage{{{name}}}" for name in packages)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.partition(":")[0].lower()).strip("-")


def _blocks(table: Table, page: Page) -> Iterator[list[int]]:
    """The columns by their places, the first in front of each block, in blocks that are no wider than the page."""
    room = MARGIN * page.width - _label_width(table, page) - 2 * GAP
    block, used = [0], 0.0
    for at in range(1, len(table.header)):
        width = _column_width(table, at, page) + 2 * GAP
        if len(block) > 1 and used + width > room:
            yield block
            block, used = [0], 0.0
        block.append(at)
        used += width
    yield block


def _label_width(table: Table, page: Page) -> float:
    """The width of the first column in points; a label that is longer is broken into lines."""
    return min(_column_width(table, 0, page) + 10, LABEL * page.width)


def _column_width(table: Table, at: int, page: Page) -> float:
    heading = table.header[at]
    texts = [heading.title, heading.unit and f"[{heading.unit}]", *(_shown(row.entries[at]) for row in table.rows)]
    return max(map(_length, texts)) * FONTS[page.font]


def _shown(entry: Entry) -> str:
    """About what an entry looks like: a power of ten is longer than its e, and bold digits are wider."""
    text = str(entry).replace("e-", "×10-").replace("e", "×10") if not isinstance(entry.content, str) else str(entry)
    return text + "0" * round(0.15 * len(text)) if entry.best else text


def _length(text: str) -> float:
    """The width of a text in units of the size of its letters."""
    return sum(next((width for letters, width in WIDTHS if char in letters), 0.57) for char in text)


def _longtable(table: Table, block: Sequence[int], page: Page, caption: str, *, remarked: bool) -> Iterator[str]:
    """The lines of a block of columns, with the remarks on its rows or without."""
    label = _label_width(table, page)
    first = rf">{{\raggedright\arraybackslash\hangindent=1em}}p{{{label:.0f}pt}}"
    yield rf"\begin{{longtable}}{{{first}{'r' * (len(block) - 1)}}}"
    yield from [caption] * bool(caption)
    head = [r"\toprule", *_header([table.header[at] for at in block])]
    continued = rf"\multicolumn{{{len(block)}}}{{l}}{{continued}}\\"
    yield from [*head, r"\endfirsthead", continued, *head, r"\endhead", r"\bottomrule", r"\endlastfoot"]
    width = sum(_column_width(table, at, page) + 2 * GAP for at in block[1:]) + label
    for data, of_data in groupby(table.rows, lambda row: row.data):
        yield from [r"\midrule", rf"\multicolumn{{{len(block)}}}{{l}}{{\textbf{{{tex(data)}}}}} \\"] if data else []
        for _, rows in groupby(of_data, section):
            yield r"\midrule"
            for row in rows:
                yield from _row(row, block, width, remarked)
    yield r"\end{longtable}"


def _header(headings: Sequence[Heading]) -> list[str]:
    """The titles, and below them the units where there are any."""
    lines = [" & ".join(tex(heading.title) for heading in headings) + r" \\"]
    units = [tex(f"[{heading.unit}]") if heading.unit else "" for heading in headings]
    return lines + [" & ".join(units) + r" \\"] * any(units)


def _row(row: Line, block: Sequence[int], width: float, remarked: bool) -> Iterator[str]:
    start = r"\quad " if nested(row) else ""
    yield (
        start
        + " & ".join([_prose(str(row.entries[0]).strip()), *(_entry(row.entries[at]) for at in block[1:])])
        + r" \\"
    )
    for remark in row.remarks if remarked else ():
        wide = rf"\multicolumn{{{len(block)}}}{{p{{{width:.0f}pt}}}}"
        yield rf"{wide}{{\raggedright\hangindent=2em\quad {_prose(remark)}}} \\"


def _entry(entry: Entry) -> str:
    if isinstance(entry.content, str | Quartiles) or entry.content.value is None or entry.beyond:
        return rf"\textbf{{{tex(str(entry))}}}" if entry.best else tex(str(entry))
    value, _, exponent = number(entry.content.value, entry.content.error).partition("e")
    bold = rf"\mathbf{{{value}}}" if entry.best else value
    power = rf"\times10^{{{exponent}}}" if exponent else ""
    return f"${bold}{power}$" + (rf"\,{tex(entry.mark)}" if entry.mark else "")
