"""Each number of a draft against those of the project: is it one of them, and are no more digits printed than known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import floor, log10

from qinn_bench.report.numbers import last_digit, number
from qinn_bench.report.paper.draft_files import MissingInput
from qinn_bench.report.paper.known_numbers import KnownNumber
from qinn_bench.report.paper.tex_numbers import DraftNumber

FEWEST = 3
"""Digits of a number that is looked for among single records: of fewer some record has them by chance."""
ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class PaperFinding:
    """What is wrong with a number of a draft, in one sentence that begins with its place.

    Example:
        >>> print(PaperFinding("draft.tex", 3, "0.912", "untraced", "traces to no number of quick"))
        draft.tex:3: '0.912' traces to no number of quick
    """

    file: str
    line: int
    text: str
    kind: str
    said: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: '{self.text}' {self.said}"


def lint(
    draft: Iterable[DraftNumber], known: Sequence[KnownNumber], named: str, *, whole: bool = False
) -> list[PaperFinding]:
    """What is wrong with the numbers of a draft; `named` says in words what they were looked for in.

    A number is traced where a known one is equal to it when rounded to its last digit, in the table of a study or in a
    claim; one of three digits or more also where a single record has it. Whole numbers without an error are looked at
    where they stand in the row of a table that is called like a row of a study, elsewhere only with `whole`. In such
    a row only its own numbers count.

    >>> known = [KnownNumber(17.5523, 0.022, "spline_inn", "nll of spline_inn in quick")]
    >>> from qinn_bench.report.paper.tex_numbers import numbers_of
    >>> for one in lint(numbers_of(["17.55, 17.5523(220) and 17.60"], "a.tex"), known, "quick"):
    ...     print(one)
    a.tex:1: '17.5523(220)' is printed beyond its uncertainty: nll of spline_inn in quick is 17.552(22)
    a.tex:1: '17.60' traces to no number of quick
    """
    index = _Index(known)
    found = [_finding(one, index, named, whole) for one in draft]
    return [one for one in found if one]


def not_read(missing: Iterable[MissingInput]) -> list[PaperFinding]:
    """A finding for each file that a draft takes in and that is not there: its numbers were not looked at.

    >>> print(*not_read([MissingInput("draft.tex", 12, "tables/nll")]))
    draft.tex:12: 'tables/nll' is taken in and not there; its numbers were not looked at
    """
    said = "is taken in and not there; its numbers were not looked at"
    return [PaperFinding(one.file, one.line, one.name, "not there", said) for one in missing]


class _Index:
    """Known numbers by their size, so that few are compared."""

    def __init__(self, known: Sequence[KnownNumber]) -> None:
        self.rows = {one.row for one in known if one.row}
        self.places: dict[int, list[KnownNumber]] = defaultdict(list)
        for one in known:
            self.places[_size(one.value)].append(one)

    def near(self, value: float, half: float) -> Iterable[KnownNumber]:
        sizes = {_size(value), _size(abs(value) + half), _size(max(abs(value) - half, 0.0))}
        lowest = min(sizes) if value and abs(value) > half else min(self.places, default=0)
        for size in range(lowest, max(sizes) + 1):
            yield from self.places.get(size, ())


def _size(value: float) -> int:
    return floor(log10(abs(value))) if value else -400


def _finding(one: DraftNumber, index: _Index, named: str, whole: bool) -> PaperFinding | None:
    row = one.row if one.row in index.rows else ""
    if one.whole and not whole and not row:
        return None
    fitting = _fitting(one, index)
    own = [known for known in fitting if not row or known.row == row]
    if not own and row and fitting:
        said = f"is no number of the row '{row}': it is {fitting[0].said}"
        return PaperFinding(one.file, one.line, one.text, "other row", said)
    if not own:
        where = f"the row '{row}' of {named}" if row else named
        return PaperFinding(one.file, one.line, one.text, "untraced", f"traces to no number of {where}")
    beyond = [known for known in own if _is_beyond(one, known)]
    if len(beyond) < len(own):
        return None
    shown = number(beyond[0].value, beyond[0].error)
    said = f"is printed beyond its uncertainty: {beyond[0].said} is {shown}"
    return PaperFinding(one.file, one.line, one.text, "beyond", said)


def _fitting(one: DraftNumber, index: _Index) -> list[KnownNumber]:
    """The known numbers that a printed one can be, tables and claims before records."""
    scale = 100.0 if one.percent else 1.0
    half = 0.5 * 10.0**one.place * ROUNDING / scale
    value = one.value / scale
    fitting = [known for known in index.near(value, half) if _fits(one, known, value, half, scale)]
    of_rows = [known for known in fitting if not known.of_seed]
    return of_rows or (fitting if _digits(one) >= FEWEST else [])


def _fits(one: DraftNumber, known: KnownNumber, value: float, half: float, scale: float) -> bool:
    signed = known.value if one.signed else abs(known.value)
    if abs(signed - value) > half:
        return False
    if one.error is None:
        return True
    return known.error is not None and abs(known.error * scale - one.error) <= 0.5 * 10.0**one.error_place * ROUNDING


def _digits(one: DraftNumber) -> int:
    """How many digits are printed, from the first that is not zero."""
    return _size(one.value) - one.place + 1 if one.value else 1


def _is_beyond(one: DraftNumber, known: KnownNumber) -> bool:
    """Whether more digits are printed than an error allows: two of it if its first three are below 355, else one."""
    if not known.error or known.error <= 1e-12 * abs(known.value):
        return False
    allowed = last_digit(Decimal(repr(known.error * (100.0 if one.percent else 1.0))))
    return one.place < allowed
