"""From a study file to its cells: shapes matched to sizes, everything that makes a number named; nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qinn_bench import catalogue, outside, registry
from qinn_bench.building import make_model, why_not
from qinn_bench.capacity import matching
from qinn_bench.dataset import Dataset
from qinn_bench.limits import Limits, sentence
from qinn_bench.records import keys
from qinn_bench.study import grid, matched
from qinn_bench.study.grid import Drawn, Slot
from qinn_bench.study.matched import Answer, Answers
from qinn_bench.study.order import Order
from qinn_bench.values import Match, Refused, Row, Study, Use


def plan(study: Study, results: Path, limits: Limits | None = None) -> list[Order]:
    """All cells of a study, in the order of its tables.

    The rows that the study compares are matched: knobs left open are set by the matcher, and a row that misses the
    parameter budget is refused before anything is trained. With `sizes`, a row with a shape or a ladder is matched to
    each; a size that none meets becomes one cell to be skipped, and so does a floor that cannot be built. The controls
    of a model follow it. A row that is tuned has the settings of its best trial, as far as it has been tuned.
    """
    answers = matched.read(results, study.name) if study.tuning else {}
    metrics = study.metrics or tuple(sorted(catalogue.metrics()))
    orders: list[Order] = []
    for drawn in grid.draw(study, limits):
        for row in grid.rows_of(study, drawn):
            tuned = matched.is_tuned(study, row)
            places = _tuned(study, row, drawn, answers) if tuned else _placed(study, row, drawn)
            equal = [(slot, _of_control(slot, model, drawn.data)) for slot, model in places]
            orders += [order_of(study, slot, model, drawn.data, results, metrics) for slot, model in equal]
    _check_apart(orders)
    return orders


def _placed(study: Study, row: Row, drawn: Drawn) -> Iterator[tuple[Slot, PlannedModel]]:
    """The cells of a row with the models that the matcher gives it."""
    for model in planned_models(study, row, drawn.data):
        for budget in grid.budgets_of(study, row):
            slots = grid.of_row(study, row, model.size, drawn.use, budget)
            yield from ((slot, model) for slot in (slots[:1] if model.skip else slots))


def _tuned(study: Study, row: Row, drawn: Drawn, answers: Answers) -> Iterator[tuple[Slot, PlannedModel]]:
    """The cells of a row with the model and the budget of its best trial at each size."""
    for size in grid.sizes_of(study, row):
        for budget in grid.budgets_of(study, row):
            slots = grid.of_row(study, row, size, drawn.use, budget)
            answer = grid.answer_of(study, row, size, drawn, budget, answers)
            if answer is None:
                untuned = f"it has not been tuned; to do so: qinn-bench tune {study.name}"
                answer = Answer(model=slots[0].models[0] if slots[0].models else slots[0].cell.model, skip=untuned)
            model = PlannedModel(answer.model, size, answer.skip)
            yield from ((grid.answered(slot, answer), model) for slot in (slots[:1] if answer.skip else slots))


@dataclass(frozen=True)
class PlannedModel:
    """A model with all its knobs, the size it was matched to (0: none), and why it is to be skipped, if so.

    `tolerance` is that of the match, where it is skipped because nothing has that size.
    """

    model: Use
    size: int = 0
    skip: str = ""
    tolerance: float | None = None


def planned_models(study: Study, row: Row, data: Dataset) -> list[PlannedModel]:
    """A row once, or once for each size of the study."""
    sizes = grid.sizes_of(study, row)
    if reason := why_not(row.model, data) or _too_few(study.samples, data):
        return [
            PlannedModel(registry.spell_out("model", Use(name=row.model, knobs=row.knobs)), size, reason)
            for size in sizes
        ]
    if sizes == (0,):
        model = matching.resolve(row, data, None if study.sizes else study.match)
        return [PlannedModel(model, skip="" if row in study.models else _unbuildable(model, data))]
    match = study.match or Match()
    if row.ladder:
        answers = matching.ladder(row, data, match, sizes)
    else:
        answers = [matching.nearest(row, data, match.model_copy(update={"parameters": size})) for size in sizes]
    return [
        PlannedModel(model, size, missed, match.tolerance if missed else None)
        for size, (model, missed) in zip(sizes, answers, strict=True)
    ]


def _of_control(slot: Slot, planned: PlannedModel, data: Dataset) -> PlannedModel:
    """What a control is made of: a larger model where it loses gates and its size is to be that of its model."""
    if not slot.regrown or planned.skip:
        return planned
    return replace(planned, model=matching.regrown(planned.model, data))


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


def order_of(
    study: Study, slot: Slot, planned: PlannedModel, data: Dataset, results: Path, metrics: tuple[str, ...]
) -> Order:
    """What a worker is asked to do for a cell."""
    cell = slot.with_model(planned.model)
    inputs = keys.inputs_of(cell, data, planned.size if planned.skip else None)
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
        skip=planned.skip,
        tolerance=planned.tolerance,
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
