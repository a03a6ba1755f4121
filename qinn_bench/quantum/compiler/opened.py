"""A circuit in which every elementary angle is an input of its own, as the parameter-shift rule and noise need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName
from qinn_bench.quantum.compiler.decompose import Exchange, GatePart, GlobalPhase, Turn, parts_of
from qinn_bench.quantum.compiler.radians import Radians
from qinn_bench.quantum.compiler.tensor_kind import TensorKind


@dataclass(frozen=True)
class Opened:
    """RX, RY, RZ, IsingZZ, H, CNOT, SWAP, Toffoli and CSWAP that make up a circuit, the global phase left out.

    Attributes:
        circuit: the same readout; input k is the angle of the k-th rotation that is not constant; no weights.
        angles: what these inputs are in the circuit that was opened.
        ends: for each gate the wires of the written gate that it completes, or nothing where more of it follows.
    """

    circuit: Circuit
    angles: tuple[Angle, ...]
    ends: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def opened(circuit: Circuit) -> Opened:
    """The elementary gates of a circuit: each rotation is ``exp(-i angle/2 P)`` with a Pauli word P."""
    gates: list[Gate] = []
    angles: list[Angle] = []
    ends: list[tuple[int, ...]] = []
    for written in circuit.gates:
        parts = (part for part in parts_of(written) if not isinstance(part, GlobalPhase))
        elementary = [gate for part in parts for gate in _elementary(part)]
        for gate in elementary:
            varied = [angle for angle in gate.angles if angle.weight is not None or angle.input is not None]
            gates.append(Gate(gate.name, gate.wires, (Angle(input=len(angles)),)) if varied else gate)
            angles += varied
        ends += [()] * (len(elementary) - 1) + [written.wires]
    return Opened(Circuit(circuit.n_wires, len(angles), (), tuple(gates), circuit.readout), tuple(angles), tuple(ends))


def _elementary(part: GatePart) -> Iterator[Gate]:
    if isinstance(part, Turn):
        rotations: dict[str, GateName] = {"X": "RX", "Y": "RY", "Z": "RZ"}
        # The axis H turns by pi only, which is the Hadamard gate up to a phase.
        yield Gate("H", (part.wire,)) if part.axis == "H" else Gate(rotations[part.axis], (part.wire,), (part.angle,))
    elif isinstance(part, Exchange):
        exchanges: dict[str, GateName] = {"CNOT": "CNOT", "SWAP": "SWAP", "Toffoli": "Toffoli", "CSWAP": "CSWAP"}
        yield Gate(exchanges[part.name], part.wires)
    else:
        for angle, wires in part.terms:
            yield Gate("RZ" if len(wires) == 1 else "IsingZZ", wires, (angle,))


def radians(circuit: Circuit, inputs: Tensor) -> Radians:
    """The angles of the opened circuit, in the precision and on the device of the inputs."""
    return _radians(circuit, TensorKind(inputs.dtype, inputs.device))


@lru_cache(maxsize=64)
def _radians(circuit: Circuit, kind: TensorKind) -> Radians:
    return Radians(opened(circuit).angles, circuit.n_weights, kind)
