"""A circuit is a value: gates, wires, which angle each gate takes, and what is read out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

GateName = Literal["RX", "RY", "RZ", "Rot", "H", "X", "Y", "Z", "CNOT", "CZ", "SWAP", "CSWAP", "IsingZZ"]
ANGLES: dict[str, int] = {"RX": 1, "RY": 1, "RZ": 1, "Rot": 3, "IsingZZ": 1}
WIRES: dict[str, int] = {"CNOT": 2, "CZ": 2, "SWAP": 2, "IsingZZ": 2, "CSWAP": 3}


@dataclass(frozen=True)
class Angle:
    """The angle ``factor * (constant + weights[weight] + s * inputs[input])`` with ``s = weights[scale]`` or 1.

    Each part is left out where its index is None. Angles are in radians.
    """

    weight: int | None = None
    input: int | None = None
    scale: int | None = None
    constant: float = 0.0
    factor: float = 1.0


@dataclass(frozen=True)
class Gate:
    """A gate on wires; conventions (signs, halves, order of wires) are PennyLane's.

    ``Rot`` takes (phi, theta, omega) and is RZ(omega) RY(theta) RZ(phi).
    """

    name: GateName
    wires: tuple[int, ...]
    angles: tuple[Angle, ...] = ()

    def __post_init__(self) -> None:
        if len(self.wires) != WIRES.get(self.name, 1) or len(set(self.wires)) != len(self.wires):
            raise ValueError(f"{self.name} acts on {WIRES.get(self.name, 1)} different wires, not on {self.wires}")
        if len(self.angles) != ANGLES.get(self.name, 0):
            raise ValueError(f"{self.name} takes {ANGLES.get(self.name, 0)} angles, not {len(self.angles)}")


@dataclass(frozen=True)
class Pauli:
    """The observable that is a product of Pauli letters on wires, such as ``Pauli("ZZ", (0, 1))``."""

    word: str
    wires: tuple[int, ...]


@dataclass(frozen=True)
class WeightBlock:
    """A named, shaped run of a circuit's weights."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of weights in the block."""
        return prod(self.shape)


@dataclass(frozen=True)
class Circuit:
    """Gates applied to |0...0>, followed by expectation values; wire 0 is the most significant bit.

    `weights` lays out the flat weight vector block by block.
    """

    n_wires: int
    n_inputs: int
    weights: tuple[WeightBlock, ...]
    gates: tuple[Gate, ...]
    readout: tuple[Pauli, ...] = ()

    @property
    def n_weights(self) -> int:
        """Length of the flat weight vector."""
        return sum(block.size for block in self.weights)

    def block(self, name: str) -> slice:
        """Where a named block lies in the flat weight vector.

        Raises:
            KeyError: no block has that name.
        """
        start = 0
        for block in self.weights:
            if block.name == name:
                return slice(start, start + block.size)
            start += block.size
        raise KeyError(f"no weight block is called '{name}'; there are: {', '.join(b.name for b in self.weights)}")

    @property
    def depth(self) -> int:
        """Number of time steps when gates on different wires run side by side."""
        busy = [0] * self.n_wires
        for gate in self.gates:
            step = 1 + max(busy[wire] for wire in gate.wires)
            for wire in gate.wires:
                busy[wire] = step
        return max(busy, default=0)

    @property
    def counts(self) -> dict[str, int]:
        """How many gates of each name."""
        return dict(Counter(gate.name for gate in self.gates))

    def adjoint(self) -> Circuit:
        """The inverse circuit: gates reversed and each turned back."""
        return replace(self, gates=tuple(_inverse(gate) for gate in reversed(self.gates)))


def _inverse(gate: Gate) -> Gate:
    angles = tuple(replace(angle, factor=-angle.factor) for angle in reversed(gate.angles))
    return replace(gate, angles=angles)


def z_on(wires: range | tuple[int, ...]) -> tuple[Pauli, ...]:
    """The readout <Z> of each of these wires."""
    return tuple(Pauli("Z", (wire,)) for wire in wires)
