"""What a scan over numbers of qubits is asked and finds, as values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qinn_bench.performance import engine
from qinn_bench.performance.engine import Mode
from qinn_bench.performance.scaling.fit import GrowthFit
from qinn_bench.performance.timing import Clock
from qinn_bench.values import Knob, Positive, Status, Value

Quantity = Literal["seconds", "peak_bytes"]


class ScanRequest(Value):
    """What is measured: backends x qubits x modes at one batch size.

    `budget` is in seconds: how long each point is sampled, and what one step may take; a backend whose next step is
    predicted to take longer goes no further. `memory` is the share of the free memory that a step may take.
    """

    backends: Annotated[tuple[str, ...], Field(min_length=1)]
    qubits: Annotated[tuple[Positive, ...], Field(min_length=1)]
    batch: Positive = 64
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("gradient",)
    layers: Positive = engine.LAYERS
    budget: Annotated[float, Field(gt=0)] = 2.0
    threads: Positive = 1
    memory: Annotated[float, Field(gt=0, le=1)] = 0.5


class ScanRow(Value):
    """One point of one backend: median seconds a step with standard error and quartiles, and peak memory of a step.

    `first_seconds` is the very first step, which contains planning and compiling; `rounds` counts samples; `clock`
    says whether seconds are of CPU time or of wall time; `load` is the system's load average before. A row that was
    not measured has a status other than ok and says why.
    """

    backend: str
    precision: Literal["complex64", "complex128"]
    n_qubits: int
    batch: int
    mode: Mode
    layers: int
    threads: int
    status: Status
    reason: str = ""
    clock: Clock = "cpu"
    seconds: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    first_seconds: float | None = None
    peak_bytes: int | None = None
    load: float | None = None


class Growth(Value):
    """The fit of one quantity of one backend in one mode, or why there is none; bytes or seconds."""

    backend: str
    mode: Mode
    quantity: Quantity
    fit: GrowthFit | None = None
    note: str = ""


class Scan(Value):
    """A finished scan: one JSON file."""

    schema_version: Literal[1] = 1
    request: ScanRequest
    rows: tuple[ScanRow, ...]
    fits: tuple[Growth, ...]
    provenance: dict[str, Knob]
