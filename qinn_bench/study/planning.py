"""From a study file to its cells: shapes matched to sizes, everything that makes a number named; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qinn_bench import catalogue, outside, registry
from qinn_bench.building import make_model, why_not
from qinn_bench.capacity import matching
from qinn_bench.dataset import Dataset
from qinn_bench.limits import Limits, sentence
from qinn_bench.records import keys
from qinn_bench.study import grid
from qinn_bench.study.grid import Slot
from qinn_bench.study.order import Order
from qinn_bench.values import Match, Refused, Row, Study, Use


def plan(study: Study, results: Path, limits: Limits | None = None) -> list[Order]:
    """All cells of a study, in the order of its tables.

    The rows that the study compares are matched: knobs left open are set by the matcher, and a row that misses the
    parameter budget is refused before anything is trained. With `sizes`, a row with a shape or a ladder is matched to
    each; a size that none meets becomes one cell to be skipped, and so does a floor that cannot be built. The controls
    of a model follow it.
    """
    metrics = study.metrics or tuple(sorted(catalogue.metrics()))
    orders: list[Order] = []
    for drawn in grid.draw(study, limits):
        for row in grid.rows_of(study, drawn.data):
            for shape in _shapes(study, row, drawn.data):
                for budget in study.budgets:
                    slots = grid.of_row(study, row, shape.size, drawn.use, budget)
                    for slot in slots[:1] if shape.skip else slots:
                        orders.append(_order(study, slot, shape, drawn.data, results, metrics))
    _check_apart(orders)
    return orders


@dataclass(frozen=True)
class _Shape:
    """A model with all its knobs, the size it was matched to (0: none), and why it is to be skipped, if so.

    `tolerance` is that of the match, where it is skipped because nothing has that size.
    """

    model: Use
    size: int = 0
    skip: str = ""
    tolerance: float | None = None


def _shapes(study: Study, row: Row, data: Dataset) -> list[_Shape]:
    """A row once, or once for each size of the study."""
    sizes = grid.sizes_of(study, row)
    if reason := why_not(row.model, data) or _too_few(study.samples, data):
        return [
            _Shape(registry.spell_out("model", Use(name=row.model, knobs=row.knobs)), size, reason) for size in sizes
        ]
    if sizes == (0,):
        model = matching.resolve(row, data, None if study.sizes else study.match)
        return [_Shape(model, skip="" if row in study.models else _unbuildable(model, data))]
    match = study.match or Match()
    if row.ladder:
        answers = matching.ladder(row, data, match, sizes)
    else:
        answers = [matching.nearest(row, data, match.model_copy(update={"parameters": size})) for size in sizes]
    return [
        _Shape(model, size, missed, match.tolerance if missed else None)
        for size, (model, missed) in zip(sizes, answers, strict=True)
    ]


def _too_few(samples: int, data: Dataset) -> str:
    """Why so many samples cannot be drawn, one for the conditions of each of the first test rows; empty if they can."""
    if data.conditions is None or samples <= len(data.test):
        return ""
    return f"{samples} samples were asked for, but only {len(data.test)} test rows of '{data.name}' have conditions"


def _unbuildable(model: Use, data: Dataset) -> str:
    """Why a floor that the study does not name cannot be built for a data set; empty where it can."""
    try:
        make_model(model, data)
    except Exception as error:  # Somebody else's floor.
        return f"it cannot be built for {data.name}: {sentence(error)}"
    return ""


def _order(study: Study, slot: Slot, shape: _Shape, data: Dataset, results: Path, metrics: tuple[str, ...]) -> Order:
    cell = slot.with_model(shape.model)
    inputs = keys.inputs_of(cell, data, shape.size if shape.skip else None)
    return Order(
        cell=cell,
        key=keys.key_of(inputs),
        study=study.name,
        row=slot.row,
        results=results,
        metrics=metrics,
        data_hash=data.content,
        inputs=inputs,
        family=slot.family,
        size=slot.size,
        control_of=slot.control_of,
        shape=slot.shape,
        skip=shape.skip,
        tolerance=shape.tolerance,
        outside=outside.told(),
    )


def _check_apart(orders: Sequence[Order]) -> None:
    """That no two rows ask for the same cell, whose one record could not name both."""
    rows: dict[str, str] = {}
    for order in orders:
        if rows.setdefault(order.key, order.row) != order.row:
            raise Refused(
                f"rows '{rows[order.key]}' and '{order.row}' are the same model, {order.cell.model}; rows that differ "
                "were expected"
            )
