"""What a simulator executes: a circuit's gates merged into products of rotations, diagonals and permutations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from qinn_bench.quantum.circuit import Angle, Circuit, Gate

Axis = tuple[float, float, float]
Indices = NDArray[np.int64]
AXES: dict[str, Axis] = {
    "X": (1.0, 0.0, 0.0),
    "Y": (0.0, 1.0, 0.0),
    "Z": (0.0, 0.0, 1.0),
    "H": (1 / sqrt(2), 0.0, 1 / sqrt(2)),
}


@dataclass(frozen=True)
class Rotation:
    """``exp(-i angle/2 axis.sigma)`` on one wire."""

    axis: Axis
    angle: Angle


@dataclass
class Locals:
    """One product of rotations on each wire, all wires side by side; only the first of a product may have an input."""

    runs: dict[int, list[Rotation]] = field(default_factory=dict)


@dataclass
class Diagonal:
    """``exp(-i/2 sum_k angle_k Z_k)`` where ``Z_k`` is the product of Z on the wires of term k."""

    terms: list[tuple[Angle, tuple[int, ...]]] = field(default_factory=list)


@dataclass
class Permutation:
    """The new amplitude k is the old amplitude ``source[k]``."""

    source: Indices


Step = Locals | Diagonal | Permutation


@dataclass(frozen=True)
class Program:
    """Steps in order, and the constant phase that turning fixed gates into rotations has left over."""

    steps: tuple[Step, ...]
    phase: complex


@lru_cache(maxsize=256)
def compile_circuit(circuit: Circuit) -> Program:
    """Merge the gates of a circuit; the order of gates that share a wire is kept."""
    steps: list[Step] = []
    pending = Locals()
    phase = 1.0 + 0.0j
    for gate in circuit.gates:
        if len(gate.wires) == 1:
            for rotation in _rotations(gate):
                run = pending.runs.setdefault(gate.wires[0], [])
                if rotation.angle.input is not None and run:
                    steps.append(pending)
                    pending = Locals()
                    run = pending.runs.setdefault(gate.wires[0], [])
                run.append(rotation)
            phase *= 1j if gate.name in AXES else 1
            continue
        if not pending.runs.keys().isdisjoint(gate.wires):
            steps.append(pending)
            pending = Locals()
        if gate.name in ("CZ", "IsingZZ"):
            phase *= np.exp(0.25j * pi) if gate.name == "CZ" else 1
            steps = _with(steps, Diagonal(_terms(gate)))
        else:
            steps = _with(steps, Permutation(_source(gate, circuit.n_wires)))
    return Program((*steps, pending) if pending.runs else tuple(steps), complex(phase))


def _with(steps: list[Step], step: Diagonal | Permutation) -> list[Step]:
    """The steps with one more, merged into the last one if that is of the same kind."""
    last = steps[-1] if steps else None
    if isinstance(last, Diagonal) and isinstance(step, Diagonal):
        return [*steps[:-1], Diagonal(last.terms + step.terms)]
    if isinstance(last, Permutation) and isinstance(step, Permutation):
        return [*steps[:-1], Permutation(last.source[step.source])]
    return [*steps, step]


def _rotations(gate: Gate) -> list[Rotation]:
    """A one-wire gate as rotations in time order, up to the phase i of X, Y, Z and H."""
    if gate.name in AXES:
        return [Rotation(AXES[gate.name], Angle(constant=pi))]
    axes = "ZYZ" if gate.name == "Rot" else gate.name[-1]
    return [Rotation(AXES[axis], angle) for axis, angle in zip(axes, gate.angles, strict=True)]


def _terms(gate: Gate) -> list[tuple[Angle, tuple[int, ...]]]:
    """A diagonal two-wire gate as products of Z, up to the phase exp(i pi/4) of CZ."""
    if gate.name == "IsingZZ":
        return [(gate.angles[0], gate.wires)]
    first, second = gate.wires
    half = Angle(constant=pi / 2)
    return [(half, (first,)), (half, (second,)), (Angle(constant=-pi / 2), gate.wires)]


def _source(gate: Gate, n_wires: int) -> Indices:
    """Where each amplitude comes from when a CNOT, SWAP or CSWAP acts."""
    index: Indices = np.arange(2**n_wires)
    bits = [(index >> (n_wires - 1 - wire)) & 1 for wire in gate.wires]
    shifts = [n_wires - 1 - wire for wire in gate.wires]
    if gate.name == "CNOT":
        return np.asarray(index ^ (bits[0] << shifts[1]))
    differ = (bits[-1] ^ bits[-2]) & (bits[0] if gate.name == "CSWAP" else 1)
    return np.asarray(index ^ (differ << shifts[-1]) ^ (differ << shifts[-2]))


def z_signs(n_wires: int, wires: tuple[int, ...]) -> NDArray[np.float64]:
    """The diagonal ``(2^n,)`` of a product of Z on these wires."""
    index = np.arange(2**n_wires)
    parity = np.zeros_like(index)
    for wire in wires:
        parity ^= (index >> (n_wires - 1 - wire)) & 1
    return np.asarray(1.0 - 2.0 * parity)


def pauli(n_wires: int, word: str, wires: tuple[int, ...]) -> tuple[int, NDArray[np.complex128]]:
    """A Pauli product as (mask, phases): it takes psi to ``phases[k] * psi[k ^ mask]``."""
    letters = dict(zip(wires, word, strict=True))
    mask = sum(1 << (n_wires - 1 - wire) for wire, letter in letters.items() if letter in "XY")
    signed = tuple(wire for wire, letter in letters.items() if letter in "YZ")
    return mask, np.asarray(z_signs(n_wires, signed) * (-1j) ** word.count("Y"))
