"""Results as JSON in which every number has its uncertainty, one entry a cell, with a JSON Schema; after metriq-gym."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field, TypeAdapter

from qinn_bench import __version__
from qinn_bench.values import Direction, Knob, Record, Status, Value, Verdict

SCHEMA_ID = "qinn-bench/results/1"


class ExportedNumber(Value):
    """A number with its uncertainty, one standard deviation; `better` says which way it is.

    Example:
        >>> ExportedNumber(value=0.036, uncertainty=0.003, unit="sd", better="lower").value
        0.036
    """

    value: float | None
    uncertainty: float | None = None
    unit: str = ""
    better: Direction = "none"
    n: int = 0


class Platform(Value):
    """What a cell ran on: the simulator as the device, and the machine.

    Example:
        >>> Platform(device="native").provider
        'local'
    """

    provider: str = "local"
    device: str
    device_metadata: dict[str, Knob] = Field(default_factory=dict)


class ExportedResult(Value):
    """A cell of a study: what it is, what it ran on, and its results; of a cell that failed `status` and `reason`.

    Example:
        >>> ExportedResult.model_json_schema()["required"][:3]
        ['app_version', 'timestamp', 'suite']
    """

    app_version: str
    timestamp: str
    suite: str
    job_id: str
    job_type: str
    status: Status
    reason: str
    certificate: Verdict | None
    platform: Platform
    params: dict[str, Any]
    results: dict[str, ExportedNumber]


RESULTS = TypeAdapter(list[ExportedResult])


def results_json(records: Sequence[Record]) -> str:
    """The records in this form, in their order."""
    made = [_result(record) for record in records]
    return RESULTS.dump_json(made, indent=1, by_alias=True).decode() + "\n"


def schema_text() -> str:
    """The JSON Schema of such a file, as `results/schema/results.schema.json` holds it."""
    return json.dumps({"$id": SCHEMA_ID} | RESULTS.json_schema(), indent=1, sort_keys=True) + "\n"


def _result(record: Record) -> ExportedResult:
    cell = record.cell
    machine: dict[str, Knob] = {
        name: record.provenance[name] for name in ("machine", "processor", "system") if name in record.provenance
    }
    counted = record.parameters
    params: dict[str, Any] = {
        "row": record.row,
        "role": record.role,
        "control": cell.control,
        "model": cell.model.name,
        "model_knobs": dict(cell.model.knobs),
        "data": cell.data.name,
        "data_knobs": dict(cell.data.knobs),
        "seed": cell.seed,
        "budget": cell.budget.model_dump(),
        "parameters": counted.total if counted else None,
        "quantum_parameters": counted.quantum if counted else None,
    }
    results = {
        name: ExportedNumber(value=one.value, uncertainty=one.error, unit=one.unit, better=one.better, n=one.n)
        for name, one in record.metrics.items()
    }
    return ExportedResult(
        app_version=str(record.provenance.get("qinn-bench", __version__)),
        timestamp=str(record.provenance.get("finished_utc", "")),
        suite=record.study,
        job_id=record.key,
        job_type=record.family or record.row,
        status=record.status,
        reason=record.reason,
        certificate=record.certificate.verdict if record.certificate else None,
        platform=Platform(device=f"{cell.backend}:{cell.device}", device_metadata=machine),
        params=params,
        results=results,
    )
