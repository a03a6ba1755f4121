"""The records behind a row of a table: what its seeds share, what each has of its own, and how to run one again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qinn_bench.report.again import run_again
from qinn_bench.report.numbers import number
from qinn_bench.report.study_columns import COMPUTED, SECONDS, SPENT, UNITS, meaning_of, title_of
from qinn_bench.report.study_rows import Group
from qinn_bench.report.table_parts import MISSING
from qinn_bench.values import Estimate, Record

COUNTED = ("total", "quantum", "classical", "frozen", "blind", "buffers")
OF_COLUMN = {"parameters": "total"}
"""The columns of tables whose numbers stand in a line of another name."""


@dataclass(frozen=True)
class FactLine:
    """One fact of every record of a row: its id in the page, its name and meaning, and what each record says.

    Example:
        >>> FactLine("r1-nll", "NLL [nats]", "", ("17.5(1)",)).shown
        ('17.5(1)',)
    """

    id: str
    name: str
    meaning: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class RowRecords:
    """A row of a table with its records: `shared` is what all of them say, `parts` are lines by what they tell of.

    Example:
        >>> RowRecords("r1", "a", "moons", "model", (), (), {}, "", "").heads
        ()
    """

    id: str
    row: str
    data: str
    role: str
    heads: tuple[tuple[str, str], ...]
    shared: tuple[tuple[str, str], ...]
    parts: Mapping[str, tuple[FactLine, ...]]
    said: str
    again: str

    @property
    def ids(self) -> frozenset[str]:
        """What can be linked to."""
        return frozenset({self.id, *(line.id for lines in self.parts.values() for line in lines)})


def row_records(group: Group, id: str, study: str) -> RowRecords:
    """The records of a row; `study` is the file to name in commands."""
    records = group.records
    told = [_facts(record) for record in records]
    shared, own = _parted(told)
    parts: dict[str, tuple[FactLine, ...]] = {"Of each record": tuple(_lines(id, own, records))}
    parts["Numbers"] = tuple(_numbers(id, records))
    parts["Parameters and cost"] = tuple(_costs(id, records))
    heads = tuple((f"seed {record.cell.seed}", record.key) for record in records)
    return RowRecords(
        id=id,
        row=group.row,
        data=group.data,
        role=group.role,
        heads=heads,
        shared=tuple(shared.items()),
        parts={name: lines for name, lines in parts.items() if lines},
        said=f"{len(group.ok)} of {group.seeds} seeds",
        again=run_again(records[0], study),
    )


def column_id(row: str, column: str) -> str:
    """The id of the line with the number of a column, in the section of a row.

    No name of a column or metric has a hyphen, so that what else stands in a section keeps ids of its own.
    """
    return f"{row}-{column}"


def _facts(record: Record) -> dict[str, str]:
    """What a record says beside its numbers, in words."""
    cell, facts = record.cell, {}
    facts["status"] = record.status + (f": {record.reason}" if record.reason else "")
    if known := record.certificate:
        low, high = known.interval
        facts["certificate"] = "; ".join([known.verdict, *known.reasons])
        facts["mass interval"] = f"[{low:.4g}, {high:.4g}]"
    facts["flags"] = "; ".join(map(str, record.flags))
    if training := record.training:
        facts["training"] = f"{training.steps} steps, best at {training.best_step}; {training.stopped}"
    facts |= {
        "model": str(cell.model),
        "control of": f"{record.control_of}: {cell.control}" if cell.control else "",
        "data": str(cell.data),
        "budget": ", ".join(f"{name} {value}" for name, value in cell.budget.model_dump().items()),
        "samples": f"{cell.samples}, and {cell.mass_draws} draws for the mass",
        "backend": f"{cell.backend} on {cell.device}",
        "varies": cell.varies if cell.varies != "all" else "",
    }
    facts |= {name: str(value) for name, value in record.provenance.items()}
    facts["inputs"] = ", ".join(f"{name} {value[:16]}" for name, value in record.inputs.items() if name != "cell")
    return {name: value for name, value in facts.items() if value}


def _parted(told: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What all records say alike, and what each says for itself."""
    names = dict.fromkeys(name for facts in told for name in facts)
    said = {name: [facts.get(name, "") for facts in told] for name in names}
    shared = {name: values[0] for name, values in said.items() if len(set(values)) == 1}
    return shared, {name: values for name, values in said.items() if name not in shared}


def _lines(id: str, own: Mapping[str, Sequence[str]], records: Sequence[Record]) -> Iterator[FactLine]:
    yield FactLine(column_id(id, "of-key"), "key", "hash of all that makes its numbers", tuple(r.key for r in records))
    for name, values in own.items():
        yield FactLine(column_id(id, f"of-{name.replace(' ', '-')}"), name, "", tuple(values))


def _numbers(id: str, records: Sequence[Record]) -> Iterator[FactLine]:
    masses = [record.certificate.mass if record.certificate else None for record in records]
    if any(masses):
        yield FactLine(column_id(id, "mass"), "mass", meaning_of("mass"), tuple(map(_number, masses)))
    for name in dict.fromkeys(name for record in records for name in record.metrics):
        own = [record.metrics.get(name) for record in records]
        unit = next((one.unit for one in own if one and one.unit), "")
        title = title_of(name)
        called = f"{title} [{unit}]" if unit and unit not in title else title
        yield FactLine(column_id(id, name), called, meaning_of(name), tuple(map(_number, own)))


def _costs(id: str, records: Sequence[Record]) -> Iterator[FactLine]:
    for field in COUNTED:
        counts = [getattr(r.parameters, field) if r.parameters else None for r in records]
        name = next((column for column, of in OF_COLUMN.items() if of == field), field)
        own = name if name in COMPUTED else f"of-{name}"
        if any(count is not None for count in counts):
            yield FactLine(column_id(id, own), f"{title_of(name)}", meaning_of(name), tuple(map(_plain, counts)))
    for name, field in SPENT.items():
        spent = [getattr(r.resources, field) if r.resources else None for r in records]
        if any(amount is not None for amount in spent):
            unit = f" [{UNITS[name]}]" if name in UNITS else ""
            yield FactLine(column_id(id, name), f"{title_of(name)}{unit}", meaning_of(name), tuple(map(_plain, spent)))
    for name, entry in SECONDS.items():
        seconds = [r.cost.get(entry) for r in records]
        if any(amount is not None for amount in seconds):
            yield FactLine(column_id(id, name), f"{title_of(name)} [s]", meaning_of(name), tuple(map(_plain, seconds)))


def _number(one: Estimate | None) -> str:
    if one is None:
        return MISSING
    return number(one.value, one.error) if one.value is not None else f"{MISSING} {one.note}".strip()


def _plain(amount: float | None) -> str:
    if amount is None:
        return MISSING
    return str(amount) if isinstance(amount, int) else f"{amount:.4g}"
