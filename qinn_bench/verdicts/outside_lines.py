"""The lines of anybody's CSV file, with the cells of the columns that are wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from qinn_bench.files import read_text, short
from qinn_bench.values import Refused

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
Cells = dict[str, str]
"""The cells of a line by the name of their column."""


def lines_of(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, Cells]]:
    """The lines of a file that have anything in them, each with its number and the cells of these columns by name.

    Columns without a name are not wanted. The separator is the one under which the header has all of them.

    Raises:
        Refused: no such file, no CSV, a line of another length than the header, a column that is not there or twice.
    """
    text = read_text(path)
    try:
        wanted = [name for name in columns if name]
        separator = _separator(path, text, wanted)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = _fields(next(reader, []))
        places = {name: header.index(name) for name in wanted}
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            if len(cells) == len(header):
                yield reader.line_num, {name: cells[at].strip() for name, at in places.items()}
            else:
                fields = f"{len(cells)} fields, its header {len(header)}"
                raise Refused(f"{path}: line {reader.line_num} has {fields}")
    except csv.Error as error:
        raise Refused(f"{path} is not CSV: {error}") from None


def _fields(cells: Sequence[str]) -> list[str]:
    return [name.strip() for name in cells]


def _separator(path: Path, text: str, wanted: Sequence[str]) -> str:
    """The separator under which the header has the wanted columns, each once."""
    headers = {}
    for separator in SEPARATORS:
        cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        headers[separator] = _fields(cells)
    fitting = [separator for separator, header in headers.items() if set(wanted) <= set(header)]
    separator = fitting[0] if fitting else max(headers, key=lambda one: len(headers[one]))
    header = headers[separator]
    seen = f" (separated by {SEPARATORS[separator]})" if separator != "," else ""
    if len(header) == 1 and header[0] and len(wanted) > 1:
        only = " ".join(header[0].split())
        only = only if len(only) <= 60 else f"{only[:60]}…"
        raise Refused(f"{path} has one column, '{only}'; fields are separated by commas, semicolons or tabs")
    if absent := [name for name in wanted if name not in header]:
        known = short(", ".join(name for name in header if name) or "none")
        near = get_close_matches(absent[0].lower(), [name.lower() for name in header], n=1)
        meant = next((f"; did you mean '{name}'?" for name in header if near and name.lower() == near[0]), "")
        raise Refused(f"{path} has no column '{absent[0]}'; it has: {known}{seen}{meant}")
    if twice := [name for name in wanted if header.count(name) > 1]:
        raise Refused(
            f"{path} has {header.count(twice[0])} columns '{twice[0]}'{seen}; which one is meant cannot be told"
        )
    return separator
