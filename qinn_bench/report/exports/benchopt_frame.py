"""The finished cells of a study in the columns of benchopt's results: objective, data set, solver, time and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from qinn_bench.statistics import direction
from qinn_bench.values import Record

FIRST = "nll"
"""The objective, where it was measured; else it is the first number that has a better side."""


def benchopt_frame(records: Sequence[Record], columns: Sequence[str] = ()) -> pd.DataFrame:
    """One row a finished cell: its row is the solver, its seed the repetition, its training steps the stopping value.

    `objective_value` is the loss of the first of the `columns` that a cell has and that has a better side (the
    likelihood before all): less is better. Every number stands in ``objective_NAME`` with its error in
    ``objective_NAME_error``; knobs in ``p_solver_KNOB`` and ``p_dataset_KNOB``; `time` is the wall time of training in
    seconds. What a cell lacks is missing.
    """
    rows = [_row(record, columns) for record in records if record.status == "ok"]
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows]) for name in names})


def _row(record: Record, columns: Sequence[str]) -> dict[str, Any]:
    cell = record.cell
    values: dict[str, Any] = {
        "objective_name": record.study,
        "dataset_name": cell.data.name,
        "solver_name": record.row,
        "idx_rep": cell.seed,
        "stop_val": record.training.steps if record.training else None,
        "time": record.cost.get("train_wall_s"),
        "objective_value": _objective(record, columns),
    }
    for name, one in record.metrics.items():
        values |= {f"objective_{name}": one.value, f"objective_{name}_error": one.error}
    values |= {f"p_solver_{knob}": _one_type(value) for knob, value in cell.model.knobs.items()}
    values |= {f"p_dataset_{knob}": _one_type(value) for knob, value in cell.data.knobs.items()}
    values |= {f"p_obj_{name}": _one_type(value) for name, value in cell.budget.model_dump().items()}
    versions = ("numpy", "scipy", "torch", "pennylane")
    values |= {f"version-{name}": str(record.provenance[name]) for name in versions if name in record.provenance}
    return values | {
        "platform": str(record.provenance.get("system", "")),
        "platform-architecture": str(record.provenance.get("machine", "")),
        "system-processor": str(record.provenance.get("processor", "")),
        "env-OMP_NUM_THREADS": str(record.provenance.get("threads", "")),
        "benchmark-git-tag": str(record.provenance.get("commit", "")),
    }


def _one_type(value: Any) -> str:
    """A knob as text: models that share its name may have numbers and words there, and a column has one type."""
    return str(value)


def _objective(record: Record, columns: Sequence[str]) -> float | None:
    names = [name for name in (FIRST, *columns, *record.metrics) if name in record.metrics]
    known = [record.metrics[name] for name in names]
    competing = (one for one in known if one.value is not None and direction.competes(one.better))
    first = next(competing, None)
    return None if first is None or first.value is None else direction.loss(first.value, first.better)
