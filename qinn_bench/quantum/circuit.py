"""A circuit is a value: gates, wires, which angle each gate takes, and what is read out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import pi, prod
from typing import Literal

from qinn_bench.values import Refused

GateName = Literal[
    "RX", "RY", "RZ", "PhaseShift", "Rot", "U3", "H", "X", "Y", "Z", "S", "T",
    "CNOT", "CZ", "CY", "SWAP", "CRX", "CRY", "CRZ", "CPhase", "IsingXX", "IsingYY", "IsingZZ",
    "Toffoli", "CSWAP",
]  # fmt: skip
WIRES: dict[str, int] = {
    **dict.fromkeys(("CNOT", "CZ", "CY", "SWAP", "CRX", "CRY", "CRZ", "CPhase", "IsingXX", "IsingYY", "IsingZZ"), 2),
    **dict.fromkeys(("Toffoli", "CSWAP"), 3),
}
ANGLES: dict[str, int] = {
    **dict.fromkeys(("RX", "RY", "RZ", "PhaseShift", "CPhase"), 1),
    **dict.fromkeys(("CRX", "CRY", "CRZ", "IsingXX", "IsingYY", "IsingZZ"), 1),
    **dict.fromkeys(("Rot", "U3"), 3),
}
EIGHTHS: dict[str, int] = {"S": 2, "T": 1}


@dataclass(frozen=True)
class Angle:
    """The angle ``factor * (constant + weights[weight] + s * inputs[input])`` with ``s = weights[scale]`` or 1.

    Each part is left out where its index is None. Angles are in radians.

    Example:
        >>> Angle(weight=0, input=1, factor=2.0).constant
        0.0
    """

    weight: int | None = None
    input: int | None = None
    scale: int | None = None
    constant: float = 0.0
    factor: float = 1.0


@dataclass(frozen=True)
class Gate:
    """A gate on wires; conventions (signs, halves, order of wires) are PennyLane's.

    ``Rot`` takes (phi, theta, omega) and is RZ(omega) RY(theta) RZ(phi); ``U3`` takes (theta, phi, delta) and is
    PhaseShift(phi) RY(theta) PhaseShift(delta). Controls come first among the wires. ``CPhase`` is PennyLane's
    ControlledPhaseShift.

    Example:
        >>> Gate("CNOT", (0, 1)).wires
        (0, 1)
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
    """The observable that is a product of Pauli letters on wires, such as ``Pauli("ZZ", (0, 1))``.

    Example:
        >>> Pauli("ZZ", (0, 1)).word
        'ZZ'
    """

    word: str
    wires: tuple[int, ...]


@dataclass(frozen=True)
class WeightedSum:
    """The observable ``sum_k coefficients[k] * paulis[k]``; the empty word is the identity.

    Example:
        >>> WeightedSum((0.5, 0.5), (Pauli("Z", (0,)), Pauli("X", (1,)))).coefficients
        (0.5, 0.5)
    """

    coefficients: tuple[float, ...]
    paulis: tuple[Pauli, ...]


@dataclass(frozen=True)
class Probabilities:
    """The probability of each outcome of measuring these wires, ``2^len(wires)``; the first wire is the highest bit.

    Example:
        >>> Probabilities((0, 1)).wires
        (0, 1)
    """

    wires: tuple[int, ...]


@dataclass(frozen=True)
class AllZero:
    """The probability that all of these wires are measured 0: the projector on their |0...0>.

    Example:
        >>> AllZero((0, 1, 2)).wires
        (0, 1, 2)
    """

    wires: tuple[int, ...]


Observable = Pauli | WeightedSum | Probabilities | AllZero


def width(observable: Observable) -> int:
    """How many numbers an observable gives."""
    return 2 ** len(observable.wires) if isinstance(observable, Probabilities) else 1


@dataclass(frozen=True)
class WeightBlock:
    """A named, shaped run of a circuit's weights.

    Example:
        >>> WeightBlock("angles", (2, 3)).size
        6
    """

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of weights in the block."""
        return prod(self.shape)


@dataclass(frozen=True)
class Circuit:
    """Gates applied to |0...0>, then what is read out, in order; wire 0 is the most significant bit.

    `weights` lays out the flat weight vector block by block.

    Raises:
        Refused: a gate or an observable names a wire, a weight or an input that is not there, a wire twice, a register
            without wires, or letters other than I, X, Y and Z.

    Example:
        >>> circuit = Circuit(1, 1, (WeightBlock("w", (1,)),), (Gate("RY", (0,), (Angle(weight=0, input=0),)),),
        ...     (Pauli("Z", (0,)),))
        >>> circuit.n_weights, circuit.n_outputs, circuit.depth, circuit.counts
        (1, 1, 1, {'RY': 1})
    """

    n_wires: int
    n_inputs: int
    weights: tuple[WeightBlock, ...]
    gates: tuple[Gate, ...]
    readout: tuple[Observable, ...] = ()

    def __post_init__(self) -> None:
        for gate in self.gates:
            self._check_wires(gate.name, gate.wires)
            for angle in gate.angles:
                self._check_indices(gate.name, angle)
        for observable in self.readout:
            for item in observable.paulis if isinstance(observable, WeightedSum) else (observable,):
                self._check_wires(str(item), item.wires)
                if not isinstance(item, Pauli) and not item.wires:
                    raise Refused(f"{item} was given, but a register has at least one wire")
                if isinstance(item, Pauli) and (len(item.word) != len(item.wires) or set(item.word) - set("IXYZ")):
                    raise Refused(f"{item} was given, but a word has one letter of I, X, Y, Z for each of its wires")
            if isinstance(observable, WeightedSum) and len(observable.coefficients) != len(observable.paulis):
                raise Refused(f"{observable} was given, but a sum has one coefficient for each of its words")

    def _check_wires(self, name: str, wires: tuple[int, ...]) -> None:
        if len(set(wires)) != len(wires) or any(not 0 <= wire < self.n_wires for wire in wires):
            raise Refused(
                f"{name} was put on the wires {wires}, but it takes different ones of the circuit's wires "
                f"0 to {self.n_wires - 1}"
            )

    def _check_indices(self, name: str, angle: Angle) -> None:
        kinds = ("weight", angle.weight, self.n_weights), ("weight", angle.scale, self.n_weights)
        for kind, index, count in (*kinds, ("input", angle.input, self.n_inputs)):
            if index is not None and not 0 <= index < count:
                raise Refused(f"{name} was given {kind} {index}, but the circuit has {count} {kind}s, counted from 0")

    @property
    def n_weights(self) -> int:
        """Length of the flat weight vector."""
        return sum(block.size for block in self.weights)

    @property
    def n_outputs(self) -> int:
        """How many numbers the readout gives."""
        return sum(width(observable) for observable in self.readout)

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
    if gate.name in EIGHTHS:
        return Gate("PhaseShift", gate.wires, (Angle(constant=-pi / 4 * EIGHTHS[gate.name]),))
    order = (0, 2, 1) if gate.name == "U3" else range(len(gate.angles))[::-1]
    return replace(gate, angles=tuple(replace(gate.angles[k], factor=-gate.angles[k].factor) for k in order))


def z_on(wires: range | tuple[int, ...]) -> tuple[Pauli, ...]:
    """The readout <Z> of each of these wires."""
    return tuple(Pauli("Z", (wire,)) for wire in wires)
