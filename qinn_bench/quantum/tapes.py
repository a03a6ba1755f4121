"""PennyLane's operations as circuits: parameters with a batch axis become inputs, the others weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import pi
from typing import Any, NamedTuple

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Pauli, WeightBlock
from qinn_bench.quantum.unitaries import N_INPUTS, angles_of, sampled_unitary

GATES: dict[str, GateName] = {
    "RX": "RX", "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "Rot": "Rot", "U3": "U3",
    "Hadamard": "H", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "S": "S", "T": "T",
    "CNOT": "CNOT", "CZ": "CZ", "CY": "CY", "SWAP": "SWAP", "CRX": "CRX", "CRY": "CRY", "CRZ": "CRZ",
    "ControlledPhaseShift": "CPhase", "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
    "Toffoli": "Toffoli", "CSWAP": "CSWAP",
}  # fmt: skip
BACKWARD = {"Adjoint(S)": -pi / 2, "Adjoint(T)": -pi / 4}
IDLE = frozenset(("Identity", "Barrier", "WireCut", "Snapshot"))
NATIVE = frozenset((*GATES, *BACKWARD, *IDLE, "GlobalPhase"))


@dataclass(frozen=True)
class Precision:
    """The type of real numbers, and how many threads the kernel may use (None: as many as torch)."""

    real: torch.dtype = torch.float64
    threads: int | None = None


class Operation(NamedTuple):
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


def is_native(operation: Any) -> bool:
    """Whether the kernel has gates for an operation."""
    return operation.name in NATIVE or (operation.name == "QubitUnitary" and len(operation.wires) == 1)


def is_foreign(operation: Any) -> bool:
    """Whether PennyLane has to apply an operation: it has a matrix, but no exact, differentiable decomposition."""
    if operation.name == "QubitUnitary":
        return operation.batch_size is not None or qml.math.requires_grad(operation.data[0])
    return (operation.has_matrix or operation.has_sparse_matrix) and not operation.has_decomposition


def decomposition(operation: Any) -> list[Any]:
    """PennyLane's decomposition, except that ``exp(-i angle/2 P)`` of a Pauli word P may have an angle from torch."""
    sentence = operation.base.pauli_rep if isinstance(operation, qml.ops.Exp) else None
    if sentence is not None and len(sentence) == 1:
        ((word, coefficient),) = sentence.items()
        angle = 2j * operation.coeff * coefficient
        if word and qml.math.ndim(angle) == 0 and qml.math.allclose(qml.math.imag(angle), 0):
            return [qml.PauliRot(qml.math.real(angle), "".join(word.values()), wires=list(word))]
    found: list[Any] = operation.decomposition()
    return found


def places_of(tape: Any) -> dict[Any, int]:
    """Where each wire of the tape lies in its circuit: integers from 0 on keep their places."""
    labels = tape.wires.labels
    if set(labels) == set(range(len(labels))):
        return {k: k for k in range(len(labels))}
    return {label: k for k, label in enumerate(labels)}


def compiled(
    operations: Sequence[Any],
    data: Sequence[Any],
    places: dict[Any, int],
    words: tuple[Pauli, ...] | None,
    precision: Precision,
) -> tuple[Circuit, Tensor, Tensor]:
    """The circuit of operations that reads out `words`, with its inputs ``(B, n_inputs)`` and weights ``(n_weights,)``.

    B is 1 and there is no input if no parameter has a batch axis. `data` are the parameters of the operations in
    order, in place of their own. With `words` None the circuit is wanted for its state: then global phases count.
    """
    structure: list[Operation] = []
    fed, shared = Values(), Values()
    left = iter(data)
    for operation in operations:
        rank = 2 if operation.name == "QubitUnitary" else 0
        batched = []
        for _ in range(operation.num_params):
            value = next(left)
            is_input = getattr(value, "ndim", 0) > rank
            values = fed if is_input else shared
            (values.matrices if rank else values.angles).append(value)
            batched.append(is_input)
        wires = tuple([places[wire] for wire in operation.wires])
        structure.append(Operation(operation.name, wires, tuple(batched)))
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
    operations: tuple[Operation, ...],
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
