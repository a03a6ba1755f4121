"""What a circuit will cost on a simulator, in bytes and seconds, told before it runs; what cannot fit is refused."""

from __future__ import annotations

import resource
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import amplitudes_fill_lanes
from qinn_bench.quantum.compiler.program import Locals, compile_circuit
from qinn_bench.values import Refused

ForecastMode = Literal["forward", "gradient", "jacobian", "nll"]
"""Values; values and a gradient; values and their Jacobian along the inputs; these and a gradient of both."""
SMALL, UNNOTICED = 1 << 22, 1 << 28
"""Bytes of all states below which no forecast is made, and bytes of a forecast below which nothing is refused."""


class StepForecast(NamedTuple):
    """Bytes at the peak beyond what the process holds already, and CPU seconds of one thread (order of magnitude)."""

    bytes: int
    seconds: float


class _Rate(NamedTuple):
    """Seconds per call and per sample, and nanoseconds per amplitude and gate of values in complex64."""

    call: float
    sample: float
    nanoseconds: float


RATES = {
    "native": _Rate(1e-4, 0.0, 0.025),
    "torch": _Rate(2e-3, 0.0, 0.2),
    "default.qubit": _Rate(1e-2, 0.0, 4.0),
    "lightning.qubit": _Rate(1e-3, 5e-3, 0.5),
}
"""Measured on one core of a server processor of 2024."""


def forecast(
    backend: str, circuit: Circuit, batch: int, dtype: torch.dtype, mode: ForecastMode = "gradient"
) -> StepForecast:
    """The cost of one call for a batch of samples; inputs are `dtype`, amplitudes the complex type that goes with it.

    A simulator of PennyLane computes in complex128 whatever the inputs are.

    Raises:
        KeyError: no rate is known for the backend.
    """
    rate = RATES[backend]
    double = dtype == torch.float64 or backend not in ("native", "torch")
    amplitudes = batch << circuit.n_wires
    work = amplitudes * len(circuit.gates) * rate.nanoseconds * 1e-9 * (2 if double else 1) * _passes(circuit, mode)
    copies = COPIES[backend](circuit, batch, mode)
    return StepForecast(int(copies * amplitudes * (16 if double else 8)), rate.call + batch * rate.sample + work)


def require_room(backend: str, circuit: Circuit, inputs: Tensor, weights: Tensor, *, jacobian: bool = False) -> None:
    """Let a call pass that fits into the memory that is free; other devices than the CPU are not looked at.

    Raises:
        Refused: it does not fit; what it needs and what is free are named.
    """
    batch = len(inputs)
    if batch << (circuit.n_wires + 4) < SMALL or inputs.device.type != "cpu":
        return
    gradient = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    mode: ForecastMode = ("nll" if gradient else "jacobian") if jacobian else ("gradient" if gradient else "forward")
    cost = forecast(backend, circuit, batch, inputs.dtype, mode)
    free = free_bytes() if cost.bytes > UNNOTICED else None
    if free is not None and cost.bytes > free:
        raise Refused(
            f"{circuit.n_wires} wires and {batch} samples need about {_gibibytes(cost.bytes)} on '{backend}' "
            f"({mode}, {str(inputs.dtype).removeprefix('torch.')}), and {_gibibytes(free)} are free"
        )


def free_bytes() -> int | None:
    """Memory that this process may still take: the machine's, its control group's or its own limit; None if unknown."""
    limits = [limit for limit in (_machine(), _control_group(), _own_limit()) if limit is not None]
    return min(limits, default=None)


def _passes(circuit: Circuit, mode: ForecastMode) -> int:
    """Sweeps over the state compared with plain values: a reverse sweep is worth two, tangents go beside the state."""
    states = 1 + circuit.n_inputs if mode in ("jacobian", "nll") else 1
    return states * (3 if mode in ("gradient", "nll") else 1)


def _native_copies(circuit: Circuit, batch: int, mode: ForecastMode) -> float:
    """The final states of all samples are kept for a gradient; all else is held for one sample or vector of samples."""
    if mode in ("forward", "gradient") and amplitudes_fill_lanes(circuit.n_wires, batch, 16):
        return 2 / batch if mode == "forward" else 1 + 4 / batch
    states = 1 + circuit.n_inputs if mode in ("jacobian", "nll") else 1
    kept, reverse = (states, 2) if mode in ("gradient", "nll") else (0, 1)
    return kept + (states * reverse + 3 * reverse) * min(1.0, 16 / batch)


def _torch_copies(circuit: Circuit, _: int, mode: ForecastMode) -> float:
    """For a gradient, autograd keeps what goes into each operation and what it gives."""
    states = 1 + circuit.n_inputs if mode in ("jacobian", "nll") else 1
    groups = ceil(circuit.n_wires / 4)
    operations = sum(groups if isinstance(step, Locals) else 1 for step in compile_circuit(circuit).steps)
    return states * (7 + (2.3 * operations if mode in ("gradient", "nll") else 0))


def _broadcast_copies(circuit: Circuit, _: int, mode: ForecastMode) -> float:
    """As for torch, gate by gate; a Jacobian is one backward pass per output, all of them kept for its gradient."""
    if mode == "forward":
        return 9
    return 8 + 1.8 * len(circuit.gates) * (1 if mode == "gradient" else 2 + circuit.n_outputs)


def _adjoint_copies(circuit: Circuit, batch: int, mode: ForecastMode) -> float:
    """One sample at a time; a gradient holds one state per output."""
    return (3 if mode == "forward" else 4 + circuit.n_outputs) / batch


COPIES = {
    "native": _native_copies,
    "torch": _torch_copies,
    "default.qubit": _broadcast_copies,
    "lightning.qubit": _adjoint_copies,
}


def _machine() -> int | None:
    return _listed(Path("/proc/meminfo"), "MemAvailable:")


def _control_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (folder.joinpath(name).read_text(encoding="ascii") for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return None if limit.strip() == "max" else int(limit) - int(used)


def _own_limit() -> int | None:
    limit, used = resource.getrlimit(resource.RLIMIT_DATA)[0], _listed(Path("/proc/self/status"), "VmData:")
    return None if limit == resource.RLIM_INFINITY or used is None else limit - used


def _listed(path: Path, name: str) -> int | None:
    """The bytes that a file of the kernel lists in kB under a name."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
