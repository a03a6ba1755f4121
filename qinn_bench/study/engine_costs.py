"""What the engine forecasts of a cell that nothing like it was run before: the circuits of all training steps."""

from __future__ import annotations

from itertools import islice

import torch

from qinn_bench.building import make_model, why_not
from qinn_bench.contracts import Density
from qinn_bench.dataset import Dataset
from qinn_bench.quantum import backend_names
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.quantum.simulators.forecast import RATES, ForecastMode, forecast
from qinn_bench.study import grid, planning
from qinn_bench.study.costs import Expected
from qinn_bench.study.grid import Drawn, Slot
from qinn_bench.study.study_files import label_of
from qinn_bench.training.cycles import most_steps
from qinn_bench.values import Refused, Row, Study, Use

HELD_MB = 320.0
"""What a worker holds before its cell: the libraries."""


def engine_cost(study: Study, slot: Slot, drawn: Drawn) -> Expected | None:
    """Seconds and memory of the circuits of a cell, each layer called once in every step, with derivatives along its
    inputs where the model has a density; an order of magnitude.

    None where the engine has no forecast: for the model of another row, simulators without a rate, or no circuits.
    """
    simulator = str(backend_names.parse(backend_names.resolve(slot.cell.backend)))
    data = drawn.data
    row = next((one for one in grid.rows_of(study, drawn) if label_of(one) == slot.family), None)
    if simulator not in RATES or row is None:
        return None
    try:
        model = make_model(_model_of(study, row, slot, data), data, backend=slot.cell.backend)
    except (Refused, ValueError, TypeError, RuntimeError):
        return None
    budget = slot.cell.budget
    mode: ForecastMode = "nll" if isinstance(model, Density) else "gradient"
    circuits = [layer.circuit for layer in circuit_layers(model).values()]
    precision = getattr(torch, budget.precision)
    # A circuit that reads nothing runs once for all rows, and has no derivatives along them.
    steps = [
        forecast(simulator, one, budget.batch, precision, mode)
        if one.n_inputs
        else forecast(simulator, one, 1, precision, "gradient")
        for one in circuits
    ]
    if not steps:
        return None
    seconds = most_steps(budget) * sum(one.seconds for one in steps)
    return Expected(seconds, HELD_MB + sum(one.bytes for one in steps) / 2**20, "engine")


def _model_of(study: Study, row: Row, slot: Slot, data: Dataset) -> Use:
    """The model of a cell: the one that is known, or else what the matcher says."""
    if len(slot.models) == 1:
        return slot.models[0]
    if reason := why_not(row.model, data):
        raise Refused(reason)
    sized = study.model_copy(update={"sizes": (slot.size,) if slot.size else ()})
    return next(islice(planning.planned_models(sized, row, data), 1)).model
