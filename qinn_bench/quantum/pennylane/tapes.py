"""PennyLane's operations as circuits: parameters with a batch axis become inputs, the others weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Pauli, WeightBlock
from qinn_bench.quantum.pennylane.tape_gates import BACKWARD, GATES
from qinn_bench.quantum.pennylane.unitaries import N_INPUTS, angles_of, sampled_unitary


@dataclass(frozen=True)
class Precision:
    """The type of real numbers, and how many threads the kernel may use (None: as many as torch)."""

    real: torch.dtype = torch.float64
    threads: int | None = None


class TapeStep(NamedTuple):
    """One operation of a tape with its parameters, and whether the kernel's gates are that operation."""

    operation: Any
    data: tuple[Any, ...]
    native: bool


class TapeOperation(NamedTuple):
    """What a circuit depends on: which of an operation's parameters have a batch axis, but not their values."""

    name: str
    wires: tuple[int, ...]
    batched: tuple[bool, ...]


class Values:
    """The parameters of a circuit as they are met: angles, and matrices of one wire."""

    def __init__(self) -> None:
        self.angles: list[Any] = []
        self.matrices: list[Any] = []

    def tensor(self, real: torch.dtype, axis: int) -> Tensor:
        """``(n,)`` without a batch axis (`axis` 0) or ``(B, n)`` with one: the angles, then those of the matrices."""
        parts = [stacked(self.angles, real, axis)] if self.angles else []
        if self.matrices:
            parts.append(angles_of(stacked(self.matrices, torch.complex128, axis)).flatten(-2).to(real))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0] if parts else torch.empty(0, dtype=real)


def places_of(tape: Any) -> dict[Any, int]:
    """Where each wire of the tape lies in its circuit: integers from 0 on keep their places."""
    labels = tape.wires.labels
    if set(labels) == set(range(len(labels))):
        return {k: k for k in range(len(labels))}
    return {label: k for k, label in enumerate(labels)}


def compiled(
    steps: Sequence[TapeStep],
    places: dict[Any, int],
    words: tuple[Pauli, ...] | None,
    precision: Precision,
) -> tuple[Circuit, Tensor, Tensor]:
    """The circuit of native steps that reads out `words`: with inputs ``(B, n_inputs)`` and weights ``(n_weights,)``.

    B is 1 and there is no input if no parameter has a batch axis. With `words` None the circuit is wanted for its
    state: then global phases count.
    """
    structure: list[TapeOperation] = []
    fed, shared = Values(), Values()
    for operation, data, _ in steps:
        rank = 2 if operation.name == "QubitUnitary" else 0
        batched = []
        for value in data:
            is_input = getattr(value, "ndim", 0) > rank
            values = fed if is_input else shared
            (values.matrices if rank else values.angles).append(value)
            batched.append(is_input)
        wires = tuple([places[wire] for wire in operation.wires])
        structure.append(TapeOperation(operation.name, wires, tuple(batched)))
    counts = (len(fed.angles), len(fed.matrices)), (len(shared.angles), len(shared.matrices))
    inputs = fed.tensor(precision.real, 1) if any(counts[0]) else torch.empty(1, 0, dtype=precision.real)
    circuit = _circuit(max(1, len(places)), tuple(structure), *counts, words)
    return circuit, inputs, shared.tensor(precision.real, 0)


def stacked(values: Sequence[Any], kind: torch.dtype, axis: int = 0) -> Tensor:
    """Numbers or arrays of any library in one tensor on the CPU, differentiable where torch tensors are among them."""
    if not any(isinstance(value, Tensor) for value in values):
        array = np.stack([np.asarray(value) for value in values], axis) if axis else np.array(values)
        return torch.from_numpy(array).to(kind)
    tensors = [value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value)) for value in values]
    return torch.stack(tensors, axis).to("cpu", kind)


@lru_cache(maxsize=64)
def _circuit(
    n_wires: int,
    operations: tuple[TapeOperation, ...],
    fed: tuple[int, int],
    shared: tuple[int, int],
    words: tuple[Pauli, ...] | None,
) -> Circuit:
    """The circuit of a structure with these numbers of angles and of matrices, as `Values` lays them out."""
    gates: list[Gate] = []
    angles = [0, 0]
    matrices = [shared[0], fed[0]]
    for name, wires, batched in operations:
        if name == "QubitUnitary":
            first = matrices[batched[0]]
            gates += [gate if batched[0] else _with_weights(gate) for gate in sampled_unitary(wires[0], first)]
            matrices[batched[0]] += N_INPUTS
            continue
        taken = []
        for is_input in batched:
            taken.append(Angle(input=angles[1]) if is_input else Angle(weight=angles[0]))
            angles[is_input] += 1
        gates += _gates(name, wires, tuple(taken), phased=words is None)
    n_inputs, n_weights = (scalars + N_INPUTS * count for scalars, count in (fed, shared))
    return Circuit(n_wires, n_inputs, (WeightBlock("parameters", (n_weights,)),), tuple(gates), words or ())


def _with_weights(gate: Gate) -> Gate:
    """The gate with the weights of the same numbers in place of its inputs."""
    return replace(gate, angles=tuple(replace(angle, weight=angle.input, input=None) for angle in gate.angles))


def _gates(name: str, wires: tuple[int, ...], angles: tuple[Angle, ...], *, phased: bool) -> list[Gate]:
    if name in BACKWARD:
        return [Gate("PhaseShift", wires, (Angle(constant=BACKWARD[name]),))]
    if name == "GlobalPhase" and phased:
        down, up = (replace(angles[0], factor=factor) for factor in (-2.0, 2.0))
        return [Gate("PhaseShift", (0,), (down,)), Gate("RZ", (0,), (up,))]
    return [Gate(GATES[name], wires, angles)] if name in GATES else []
