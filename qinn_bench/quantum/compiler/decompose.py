"""Every gate as turns of one wire, phases of products of Z, and permutations of the basis: what simulators execute."""

from __future__ import annotations

import cmath
from dataclasses import dataclass, replace
from functools import partial
from math import pi
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qinn_bench.quantum.circuit import EIGHTHS, Angle, Circuit, Gate

Letter = Literal["X", "Y", "Z", "H"]
Indices = NDArray[np.int64]
HALF_TURN = Angle(constant=pi)
QUARTER_TURN = Angle(constant=pi / 2)
LINEAR = ("CNOT", "SWAP")


@dataclass(frozen=True)
class Turn:
    """``exp(-i angle/2 sigma)`` on one wire; the axis H is (X + Z)/sqrt(2) and only turns by pi."""

    axis: Letter
    wire: int
    angle: Angle


@dataclass(frozen=True)
class GatePhases:
    """``exp(-i/2 sum_k angle_k Z_k)`` where ``Z_k`` is the product of Z on the wires of term k."""

    wires: tuple[int, ...]
    terms: tuple[tuple[Angle, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Exchange:
    """A permutation of the basis states: CNOT, SWAP, Toffoli or CSWAP; each is its own inverse."""

    name: str
    wires: tuple[int, ...]


@dataclass(frozen=True)
class GlobalPhase:
    """``exp(i angle)``."""

    angle: Angle


GatePart = Turn | GatePhases | Exchange
GateParts = tuple[GatePart | GlobalPhase, ...]


@dataclass(frozen=True)
class Decomposition:
    """The parts of a circuit in time order; then the state is multiplied by ``phase * exp(i sum(angles))``.

    `angles` are those that have a weight or an input.
    """

    parts: tuple[GatePart, ...]
    phase: complex
    angles: tuple[Angle, ...]


def decompose(circuit: Circuit) -> Decomposition:
    """The gates of a circuit, global phase included."""
    parts: list[GatePart] = []
    angles: list[Angle] = []
    phase = 1 + 0j
    for gate in circuit.gates:
        for part in parts_of(gate):
            if not isinstance(part, GlobalPhase):
                parts.append(part)
            elif part.angle.weight is None and part.angle.input is None:
                phase *= cmath.exp(1j * part.angle.factor * part.angle.constant)
            else:
                angles.append(part.angle)
    return Decomposition(tuple(parts), phase, tuple(angles))


def parts_of(gate: Gate) -> GateParts:
    """The parts of one gate in time order; their product is the gate exactly."""
    name, wires = gate.name, gate.wires
    match name:
        case "X" | "Y" | "Z" | "H":
            return Turn(name, wires[0], HALF_TURN), GlobalPhase(QUARTER_TURN)
        case "S" | "T":
            return _phase_shift(Angle(constant=pi / 4 * EIGHTHS[name]), wires[0])
        case "CZ":
            return _controlled_phase(HALF_TURN, wires)
        case "CY":
            return _turned("Z", wires[1:], Exchange("CNOT", wires))
        case "CNOT" | "SWAP" | "Toffoli" | "CSWAP":
            return (Exchange(name, wires),)
    return _with_angles(gate)


def _with_angles(gate: Gate) -> GateParts:
    wires, angle = gate.wires, gate.angles[0]
    match gate.name:
        case "Rot":
            first, middle, last = gate.angles
            return Turn("Z", wires[0], first), Turn("Y", wires[0], middle), Turn("Z", wires[0], last)
        case "U3":
            middle, last, first = gate.angles
            return *_phase_shift(first, wires[0]), Turn("Y", wires[0], middle), *_phase_shift(last, wires[0])
        case "PhaseShift":
            return _phase_shift(angle, wires[0])
        case "CPhase":
            return _controlled_phase(angle, wires)
        case "CRX" | "CRY" | "CRZ":
            terms = ((times(angle, 0.5), wires[1:]), (times(angle, -0.5), wires))
            return _from_z(gate.name[-1], wires[1:], GatePhases(wires, terms))
        case "IsingXX" | "IsingYY" | "IsingZZ":
            return _from_z(gate.name[-1], wires, GatePhases(wires, ((angle, wires),)))
    axes: dict[str, Letter] = {"RX": "X", "RY": "Y", "RZ": "Z"}
    return (Turn(axes[gate.name], wires[0], angle),)


def _phase_shift(angle: Angle, wire: int) -> GateParts:
    """``diag(1, exp(i angle))``."""
    return Turn("Z", wire, angle), GlobalPhase(times(angle, 0.5))


def _controlled_phase(angle: Angle, wires: tuple[int, ...]) -> GateParts:
    """``exp(i angle (1 - Z_a)(1 - Z_b)/4)``."""
    half = times(angle, 0.5)
    terms = ((half, wires[:1]), (half, wires[1:]), (times(angle, -0.5), wires))
    return GatePhases(wires, terms), GlobalPhase(times(angle, 0.25))


def _from_z(letter: str, wires: tuple[int, ...], part: GatePhases) -> GateParts:
    """Phases with the Z of these wires replaced by another letter: RY(pi/2) takes Z to X, RX(-pi/2) takes Z to Y."""
    if letter == "Z":
        return (part,)
    return _turned("Y", wires, part) if letter == "X" else _turned("X", wires, part, -1.0)


def _turned(axis: Letter, wires: tuple[int, ...], part: GatePart, sign: float = 1.0) -> GateParts:
    """``V part V^-1`` where V is a quarter turn of each of these wires."""
    turn = partial(Turn, axis)
    back = tuple(turn(wire, times(QUARTER_TURN, -sign)) for wire in wires)
    return *back, part, *(turn(wire, times(QUARTER_TURN, sign)) for wire in wires)


def times(angle: Angle, factor: float) -> Angle:
    """The angle multiplied by a number."""
    return replace(angle, factor=angle.factor * factor)


def exchanged(name: str, index: Indices, bits: list[int]) -> Indices:
    """Where an `Exchange` takes basis states; `bits` are the places of its wires in their binary numbers."""
    if name in ("CNOT", "Toffoli"):
        flip = np.bitwise_and.reduce([index >> bit & 1 for bit in bits[:-1]])
        return np.asarray(index ^ flip << bits[-1])
    a, b = bits[-2:]
    differ = (index >> a ^ index >> b) & (index >> bits[0] if name == "CSWAP" else 1) & 1
    return np.asarray(index ^ (differ << a | differ << b))
