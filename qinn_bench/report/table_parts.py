"""What a table is made of: headings, entries and lines, and the signs that stand in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from qinn_bench.report.numbers import FAR, bounded
from qinn_bench.report.plain_lines import filled as filled
from qinn_bench.report.plain_lines import on_one_line as on_one_line
from qinn_bench.statistics.outlying import Quartiles
from qinn_bench.values import Estimate, Role

WIDTH = 120
BOX = "What was trained on what"
MISSING = "–"
INDENT = "  "
"""What the label of a control starts with."""
FLAGGED = "‼"
VERDICTS = {"pass": "✓", "fail": "✗", "undecided": "?"}
BY_MASS = "≈"
"""The mark, beside that of the certificate, of a likelihood that rests on a measured mass."""


class Hint(str):
    """A note that says which command or option shows more; a table for a paper leaves it out.

    Example:
        >>> Hint("all digits with --format json").upper()
        'ALL DIGITS WITH --FORMAT JSON'
    """


@dataclass(frozen=True)
class Heading:
    """A column: the name to ask for it by, its title, and the unit of its numbers.

    Example:
        >>> str(Heading("swd", "sliced W₁", "sd"))
        'sliced W₁ [sd]'
    """

    name: str
    title: str
    unit: str = ""

    def __str__(self) -> str:
        return on_one_line(f"{self.title} [{self.unit}]" if self.unit else self.title)


@dataclass(frozen=True)
class Entry:
    """A number or a text, with the mark of a certificate and whether it is the best of its column.

    `plain` are the numbers that a text tells, by what is added to the name of the column: ``{"_low": 1.2, "_high": 3}``
    of an interval, ``{"": 5, "_of": 5}`` of "5/5". In CSV they stand in cells of their own; those of the first column
    have their names alone. A number of a larger size than `most` is shown as that.

    Example:
        >>> str(Entry(Estimate(value=6.4949, error=0.012), "✓")), str(Entry(Quartiles(value=7.0, low=2.4, high=2e38)))
        ('6.495(12)✓', '7 [2.4, 2e38]')
    """

    content: Estimate | str
    mark: str = ""
    best: bool = False
    plain: Mapping[str, str | float | None] = field(default_factory=dict)
    most: float = math.inf

    def __str__(self) -> str:
        if isinstance(self.content, str):
            return on_one_line(self.content)
        if self.content.value is None:
            return MISSING
        if isinstance(self.content, Quartiles):
            middle, *ends = (self._short(x) for x in (self.content.value, self.content.low, self.content.high))
            return f"{middle} [{', '.join(ends)}]{self.mark}"
        return bounded(self.content.value, self.content.error, self.most) + self.mark

    @property
    def beyond(self) -> bool:
        """Whether it is shown as larger than can be meant."""
        if isinstance(self.content, str) or self.content.value is None:
            return False
        ends = (self.content.low, self.content.high) if isinstance(self.content, Quartiles) else ()
        return any(abs(x) > self.most for x in (self.content.value, *ends))

    def _short(self, value: float) -> str:
        """A number without an error in three digits."""
        return bounded(value, None, self.most) if abs(value) > self.most else _three_digits(value)


@dataclass(frozen=True)
class Line:
    """A row of a table: its data set, model, role, worst certificate, one entry a column, and remarks that go below.

    A row that is `flagged` is too good to be believed and is never the best.

    Example:
        >>> Line("moons", "a", "model", "pass", (Entry("a"), Entry(Estimate(value=0.036)))).flagged
        False
    """

    data: str
    model: str
    role: Role
    verdict: str
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()
    flagged: bool = False


def _three_digits(value: float) -> str:
    if 1e3 <= abs(value) < FAR:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*(\d)", lambda power: f"e{power[1].replace('+', '')}{power[2]}", f"{value:.3g}")


def nested(row: Line) -> bool:
    """Whether a row is a control, which stands below its model."""
    return str(row.entries[0]).startswith(INDENT)


def section(row: Line) -> Role:
    """What a row is set off with from others: controls stay with the models."""
    return "model" if row.role == "control" else row.role
