"""Circuits spelled as PennyLane's operators and measurements, in three forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import pennylane as qml
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import (
    ANGLES,
    WIRES,
    AllZero,
    Angle,
    Circuit,
    Gate,
    GateName,
    Observable,
    Pauli,
    Probabilities,
    WeightedSum,
)
from qinn_bench.quantum.compiler.decompose import Turn, parts_of
from qinn_bench.quantum.compiler.plan import Runs
from qinn_bench.quantum.compiler.program import AXES, Rotation
from qinn_bench.quantum.compiler.radians import Radians
from qinn_bench.quantum.compiler.tensor_kind import TensorKind

OPERATORS = {"H": "Hadamard", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "CPhase": "ControlledPhaseShift"}


class Written:
    """Gates one for one, with the angles of all of them in order."""

    def __init__(self, gates: Iterable[Gate], n_weights: int, kind: TensorKind) -> None:
        self._gates = [(getattr(qml, OPERATORS.get(gate.name, gate.name)), gate) for gate in gates]
        self.angles = Radians([angle for _, gate in self._gates for angle in gate.angles], n_weights, kind)

    def operators(self, inputs: Tensor, weights: Tensor) -> list[Any]:
        """The operators, broadcast over the rows of the inputs."""
        return self.with_radians(self.angles.mixed(inputs, weights))

    def with_radians(self, radians: Iterable[Any]) -> list[Any]:
        """The operators with these angles."""
        left = iter(radians)
        return [operator(*(next(left) for _ in gate.angles), wires=gate.wires) for operator, gate in self._gates]


class Folded:
    """All gates of a wire between two gates of several wires as one `QubitUnitary`; the global phase is left out.

    A product is split before each of its rotations that has an input, as `Runs` asks for.
    """

    def __init__(self, circuit: Circuit, kind: TensorKind) -> None:
        self._items = list(_folded(circuit))
        entangling = [item for item in self._items if isinstance(item, Gate)]
        self._entanglers = Written(entangling, circuit.n_weights, kind)
        splits = [list(_split(run)) for item in self._items if not isinstance(item, Gate) for run in [item[1]]]
        pieces = [piece for split in splits for piece in split]
        self._runs = Runs(pieces, circuit.n_weights, kind)
        self._driven = {piece: row for row, piece in enumerate(self._runs.driven)}
        numbers = iter(range(len(pieces)))
        self._products = [[next(numbers) for _ in split] for split in splits]
        self._fed = Radians([pieces[piece][0].angle for piece in self._runs.driven], circuit.n_weights, kind)
        self._zero_one = kind.reals([0.0, 1.0])

    def operators(self, inputs: Tensor, weights: Tensor) -> list[Any]:
        """The operators, broadcast over the rows of the inputs."""
        matrices = iter(self._matrices(inputs, weights))
        entanglers = iter(self._entanglers.operators(inputs, weights))
        return [
            next(entanglers) if isinstance(item, Gate) else qml.QubitUnitary(next(matrices), wires=item[0])
            for item in self._items
        ]

    def _matrices(self, inputs: Tensor, weights: Tensor) -> list[Tensor]:
        """One ``(2, 2)`` or ``(B, 2, 2)`` for each product."""
        if not self._products:
            return []
        shared = self._runs.shared(torch.cat([weights.to(self._zero_one), self._zero_one]))
        fed = self._fed.rows(inputs, weights)
        sampled = self._runs.sampled(shared, fed.T).unbind() if self._driven else ()
        pieces = [
            sampled[self._driven[k]] if k in self._driven else matrix[..., None]
            for k, matrix in enumerate(shared.unbind())
        ]
        return [_plain(_product([pieces[k] for k in numbers])) for numbers in self._products]


def _product(matrices: list[Tensor]) -> Tensor:
    """The product of ``(2, 2, B or 1)`` in time order."""
    result = matrices[0]
    for matrix in matrices[1:]:
        result = (matrix[:, :, None] * result[None]).sum(1)
    return result


def _plain(matrix: Tensor) -> Tensor:
    return matrix[..., 0] if matrix.shape[-1] == 1 else matrix.movedim(-1, 0)


def _folded(circuit: Circuit) -> Iterator[Gate | tuple[int, list[Rotation]]]:
    """Gates of several wires, and before each the products of rotations pending on its wires."""
    pending: dict[int, list[Rotation]] = {}
    for gate in circuit.gates:
        if WIRES.get(gate.name, 1) == 1:
            turns = [part for part in parts_of(gate) if isinstance(part, Turn)]
            pending.setdefault(gate.wires[0], []).extend(Rotation(AXES[turn.axis], turn.angle) for turn in turns)
            continue
        yield from ((wire, pending.pop(wire)) for wire in gate.wires if wire in pending)
        yield gate
    yield from pending.items()


def _split(run: list[Rotation]) -> Iterator[list[Rotation]]:
    starts = [k for k, rotation in enumerate(run) if k == 0 or rotation.angle.input is not None]
    for start, end in zip(starts, [*starts[1:], len(run)], strict=True):
        yield run[start:end]


@lru_cache(maxsize=64)
def natural(circuit: Circuit, kind: TensorKind) -> Written:
    """The gates as they are written."""
    return Written(circuit.gates, circuit.n_weights, kind)


@lru_cache(maxsize=64)
def one_angled(circuit: Circuit, kind: TensorKind) -> Written:
    """The gates with Rot and U3 spelled out, as adjoint differentiation wants it: one angle in each."""
    return Written([part for gate in circuit.gates for part in _spelled(gate)], circuit.n_weights, kind)


@lru_cache(maxsize=64)
def folded(circuit: Circuit, kind: TensorKind) -> Folded:
    """The gates with those of one wire folded into unitaries."""
    return Folded(circuit, kind)


def _spelled(gate: Gate) -> tuple[Gate, ...]:
    if ANGLES.get(gate.name, 0) < 3:
        return (gate,)
    outer: GateName = "RZ" if gate.name == "Rot" else "PhaseShift"
    first, middle, last = gate.angles if gate.name == "Rot" else (gate.angles[k] for k in (2, 0, 1))
    named: tuple[tuple[GateName, Angle], ...] = ((outer, first), ("RY", middle), (outer, last))
    return tuple(Gate(name, gate.wires, (angle,)) for name, angle in named)


def measurements(readout: Iterable[Observable]) -> list[Any]:
    """One measurement for each observable."""
    return [
        qml.probs(wires=item.wires) if isinstance(item, Probabilities) else qml.expval(_observable(item))
        for item in readout
    ]


def expectations(readout: Iterable[Observable]) -> list[Any]:
    """The same as expectation values only, one for each output: probabilities are those of projectors."""
    return [qml.expval(observable) for item in readout for observable in _projected(item)]


def _projected(item: Observable) -> list[Any]:
    if not isinstance(item, Probabilities):
        return [_observable(item)]
    return [qml.Projector(bits, wires=item.wires) for bits in product((0, 1), repeat=len(item.wires))]


def _observable(item: Pauli | WeightedSum | AllZero) -> Any:
    if isinstance(item, AllZero):
        return qml.Projector([0] * len(item.wires), wires=item.wires)
    if isinstance(item, WeightedSum):
        return qml.dot(item.coefficients, [_observable(word) for word in item.paulis])
    letters = [getattr(qml, letter)(wire) for letter, wire in zip(item.word, item.wires, strict=True)]
    return qml.prod(*letters) if len(letters) > 1 else next(iter(letters), qml.Identity(0))
