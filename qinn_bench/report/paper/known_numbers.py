"""The numbers that a project has: those of its tables, of its records, of its claims and of its study files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qinn_bench.report.checked_claims import CheckedClaims
from qinn_bench.report.study_columns import COMPUTED
from qinn_bench.report.study_table import table
from qinn_bench.statistics.outlying import Quartiles
from qinn_bench.values import Estimate, Record, Study


@dataclass(frozen=True)
class KnownNumber:
    """A number with its error, the row that it is of, and what it is in words; `of_seed` is of one record alone.

    Example:
        >>> KnownNumber(17.55, 0.02, "spline_inn", "nll of spline_inn in quick").of_seed
        False
    """

    value: float
    error: float | None
    row: str
    said: str
    of_seed: bool = False


def of_records(study: str, records: Sequence[Record]) -> Iterator[KnownNumber]:
    """The numbers of the table of a study in all its columns, and those of each record."""
    measured = {name for record in records for name in record.metrics}
    made = table(records, sorted({*COMPUTED, *measured}))
    for line in made.rows:
        for heading, entry in zip(made.header[1:], line.entries[1:], strict=True):
            said = f"{heading.name} of {line.model} in {study}"
            yield from (KnownNumber(*pair, line.model, said) for pair in _of_entry(entry.content, entry.plain))
    for record in records:
        for end in record.certificate.interval if record.certificate else ():
            said = f"mass interval of {record.row}, seed {record.cell.seed}, in {study}"
            yield KnownNumber(end, None, record.row, said, of_seed=True)
        masses = {"mass": record.certificate.mass} if record.certificate else {}
        for name, one in (record.metrics | masses).items():
            if one.value is not None:
                said = f"{name} of {record.row}, seed {record.cell.seed}, in {study}"
                yield KnownNumber(one.value, one.error, record.row, said, of_seed=True)


def _of_entry(content: Estimate | str, plain: Any) -> Iterator[tuple[float, float | None]]:
    if isinstance(content, Quartiles):
        yield from ((end, None) for end in (content.value, content.low, content.high) if end is not None)
    elif isinstance(content, Estimate):
        yield from [(content.value, content.error)] if content.value is not None else []
    else:
        yield from ((float(number), None) for number in plain.values() if isinstance(number, int | float))


def of_study(study: Study) -> Iterator[KnownNumber]:
    """The numbers that a study file states: steps, rates, sizes, knobs, tolerances."""
    for number, where in _numbers(study.model_dump(), ""):
        yield KnownNumber(number, None, "", f"{where} of the study file of {study.name}")


def _numbers(value: Any, where: str) -> Iterator[tuple[float, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value), where


def of_claims(checked: CheckedClaims) -> Iterator[KnownNumber]:
    """The numbers of rulings: effects, ends of intervals, p-values, margins and ratios."""
    for ruling in checked.rulings:
        said = f"of the claim {checked.file.name} · {ruling.claim.id}"
        if ruling.effect.value is not None:
            yield KnownNumber(ruling.effect.value, ruling.effect.error, "", f"effect {said}")
        ends = [(end, "interval") for end in ruling.interval or ()]
        ps = (ruling.p, ruling.p_corrected, ruling.p_against, ruling.p_against_corrected)
        stated = (ruling.claim.margin, ruling.claim.ratio, checked.file.level)
        told = [*ends, *((p, "p-value") for p in ps), *((one, "margin or ratio") for one in stated)]
        yield from (KnownNumber(number, None, "", f"{what} {said}") for number, what in told if number is not None)
