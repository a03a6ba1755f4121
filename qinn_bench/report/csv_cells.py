"""Cells of CSV that no spreadsheet takes for a formula, in lines that end as they do elsewhere."""

from __future__ import annotations

import re
from typing import IO, Any

FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
"""How a text starts that spreadsheets take for a formula, and the numbers that start so too."""


class LineFeeds:
    r"""Takes rows that end with ``\r\n``, by which a writer knows which cells to quote, and ends them with ``\n``.

    Example:
        >>> import csv, io
        >>> out = io.StringIO()
        >>> csv.writer(LineFeeds(out)).writerow(["a", "b"])
        4
        >>> out.getvalue()
        'a,b\n'
    """

    def __init__(self, out: IO[str]) -> None:
        self.out = out

    def write(self, row: str) -> int:
        """Write one row."""
        return self.out.write(row.removesuffix("\r\n") + "\n")


def harmless(cell: Any) -> Any:
    """A cell of CSV that no spreadsheet takes for a formula: such a text gets an apostrophe in front.

    >>> harmless("=HYPERLINK(0)"), harmless("-1.5"), harmless(-1.5), harmless("a-b")
    ("'=HYPERLINK(0)", '-1.5', -1.5, 'a-b')
    """
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell
