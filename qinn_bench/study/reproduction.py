"""A cell run again from its record alone, and whether its numbers come back."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from qinn_bench import catalogue, outside, registry
from qinn_bench.limits import Limits
from qinn_bench.records import keys, measures, store
from qinn_bench.records.provenance import LIBRARIES, provenance
from qinn_bench.records.store import Arrays
from qinn_bench.study import campaign
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order
from qinn_bench.values import Estimate, Record, Refused

Likeness = Literal["bitwise", "rounding", "within errors", "differs"]
ROUNDING = 1e-6
"""Relative difference that is put down to the order of sums."""
MACHINE = (*LIBRARIES, "python", "machine", "processor", "system", "threads")
"""What of the provenance has to be equal for equal bits; the commit need not be, as code is told by its content."""


@dataclass(frozen=True)
class ComparedNumber:
    """A number then and now, how far the two are apart in their combined standard errors (None without errors), and
    how alike they are."""

    name: str
    then: float | None
    now: float | None
    apart: float | None
    likeness: Likeness


@dataclass(frozen=True)
class Reproduction:
    """The record of a cell and what it gave when it was run again: each number, arrays that differ, which inputs and
    which parts of the machine are others than then, and what could not be done."""

    record: Record
    again: Record | None
    numbers: tuple[ComparedNumber, ...]
    arrays: tuple[str, ...]
    inputs: tuple[str, ...]
    machine: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def bits_are_due(self) -> bool:
        """Whether nothing that makes the numbers differs, so that the same bits have to come back."""
        return not (self.inputs or self.machine)

    @property
    def came_back(self) -> bool:
        """Whether all numbers came back: bit for bit where that is due, within their errors elsewhere."""
        alike = {one.likeness for one in self.numbers}
        if self.again is None or self.again.status != self.record.status or self.problems:
            return False
        return not (alike - {"bitwise"} or self.arrays) if self.bits_are_due else "differs" not in alike


def order_of_record(record: Record, results: Path) -> Order:
    """What a worker is asked, to run the cell of a record with the code and the data that are here.

    Raises:
        Refused: the cell was skipped, or its data or model are not here.
    """
    if record.status == "skipped":
        raise Refused(f"the cell {record.key} was skipped ({record.reason}); one that was run was expected")
    data = registry.make("data", record.cell.data)
    inputs = keys.inputs_of(record.cell, data)
    known = catalogue.metrics()
    return Order(
        cell=record.cell,
        key=keys.key_of(inputs),
        study=record.study,
        row=record.row,
        results=results,
        metrics=tuple(name for name in record.measured if name in known),
        data_hash=data.content,
        inputs=inputs,
        family=record.family,
        size=record.size,
        control_of=record.control_of,
        shape=record.shape,
        outside=outside.told(),
    )


def reproduce(
    record: Record, arrays: Arrays | None, folder: Path, limits: Limits, errors: float = 3.0, nulls: Path | None = None
) -> Reproduction:
    """Run the cell of a record in `folder` and compare: numbers that are no further apart than so many combined
    standard `errors` are taken for equal, where equal bits cannot be asked for. Without the `arrays` of the record,
    they are not compared. Truth against truth is taken from the folder `nulls`, where it is known there.

    Raises:
        Refused: as `order_of_record`, the folder has this record already, or a worker cannot be started.
    """
    order = order_of_record(record, folder)
    if (there := store.record_path(folder, order.study, order.key)).exists():
        raise Refused(f"{there} is there already; a folder without a record of this cell was expected")
    if nulls and nulls.is_dir() and nulls.resolve() != (folder / "nulls").resolve():
        shutil.copytree(nulls, folder / "nulls", dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    events: list[CellEvent] = []
    campaign.execute([order], limits, events.append)
    problems = tuple(one.problem for one in events if one.problem)
    again = store.look(folder, order.study, order.key)
    if not isinstance(again, Record):
        return Reproduction(record, None, (), (), _inputs(record, order), (), problems or ("it left no record",))
    made = store.load_arrays(folder, again) if store.has_arrays(folder, again) else {}
    return Reproduction(
        record=record,
        again=again,
        numbers=compared_numbers(record, again, errors),
        arrays=_other_arrays(arrays, made) if arrays is not None else (),
        inputs=_inputs(record, order),
        machine=_machine(record, again),
        problems=problems,
    )


def _inputs(record: Record, order: Order) -> tuple[str, ...]:
    """What made the numbers and is another now, the code of metrics included, in words."""
    now = {name: code for name, code in measures.fingerprints(order.metrics).items() if name in record.measured}
    gone = [f"the metric {name} is not here" for name in record.measured if name not in now]
    then = {part: content for part, content in record.inputs.items() if part != "size"}
    told = [*keys.differences(then, order.inputs), *keys.differences({n: record.measured[n] for n in now}, now), *gone]
    return tuple(told)


def _machine(record: Record, again: Record) -> tuple[str, ...]:
    here = again.provenance or provenance(1)
    pairs = ((name, record.provenance.get(name), here.get(name)) for name in MACHINE)
    return tuple(f"{name} {then or 'unknown'} then, {now or 'unknown'} now" for name, then, now in pairs if then != now)


def compared_numbers(record: Record, again: Record, errors: float) -> tuple[ComparedNumber, ...]:
    """All numbers of two records of a cell, side by side; those of metrics that are not here are left out."""
    here, numbers = set(again.measured), []
    then, now = _numbers(record), _numbers(again)
    for name in dict.fromkeys([*then, *now]):
        first, second = then.get(name), now.get(name)
        if first is None and second is not None:
            continue  # Measured since: a column that the record had not.
        if second is None and first is not None and not any(name.startswith(metric) for metric in here):
            continue
        numbers.append(_compared(name, first or Estimate(value=None), second or Estimate(value=None), errors))
    return tuple(numbers)


def _numbers(record: Record) -> dict[str, Estimate]:
    certificate, training = record.certificate, record.training
    found: dict[str, Estimate] = dict(record.metrics)
    if record.validation:
        found["validation"] = record.validation
    if certificate:
        found["mass"] = certificate.mass
    if training and training.best_loss is not None:
        found["best_step"] = Estimate(value=float(training.best_step), error=float(training.steps))
    return found


def _compared(name: str, then: Estimate, now: Estimate, errors: float) -> ComparedNumber:
    first, second = then.value, now.value
    if first is None or second is None or first == second:
        same: Likeness = "bitwise" if first == second else "differs"
        return ComparedNumber(name, first, second, None, same)
    error = math.hypot(then.error or 0.0, now.error or 0.0)
    apart = abs(first - second) / error if error else None
    alike: Likeness = "differs"
    if abs(first - second) <= ROUNDING * max(abs(first), abs(second)):
        alike = "rounding"
    elif apart is not None and apart <= errors:
        alike = "within errors"
    return ComparedNumber(name, first, second, apart, alike)


def _other_arrays(then: Mapping[str, object], now: Arrays) -> tuple[str, ...]:
    """The arrays that differ in a bit; those that came later are left out."""
    return tuple(
        name for name, array in then.items() if name not in now or not _equal(np.asarray(array), np.asarray(now[name]))
    )


def _equal(
    one: np.ndarray[tuple[int, ...], np.dtype[np.generic]], other: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
