"""What a simulator executes: a circuit's gates merged into products of rotations, diagonals and permutations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from qinn_bench.quantum.circuit import Angle, Circuit
from qinn_bench.quantum.compiler.decompose import Exchange, GatePhases, Indices, Turn, decompose, exchanged, times

RotationAxis = tuple[float, float, float]
AXES: dict[str, RotationAxis] = {
    "X": (1.0, 0.0, 0.0),
    "Y": (0.0, 1.0, 0.0),
    "Z": (0.0, 0.0, 1.0),
    "H": (1 / sqrt(2), 0.0, 1 / sqrt(2)),
}


@dataclass(frozen=True)
class Rotation:
    """``exp(-i angle/2 axis.sigma)`` on one wire."""

    axis: RotationAxis
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


ProgramStep = Locals | Diagonal | Permutation


@dataclass(frozen=True)
class Program:
    """Steps in order, and the constant global phase."""

    steps: tuple[ProgramStep, ...]
    phase: complex


@lru_cache(maxsize=256)
def compile_circuit(circuit: Circuit) -> Program:
    """Merge the gates of a circuit; the order of gates that share a wire is kept."""
    steps: list[ProgramStep] = []
    pending = Locals()
    decomposed = decompose(circuit)
    for part in decomposed.parts:
        wires = (part.wire,) if isinstance(part, Turn) else part.wires
        joins = isinstance(part, Turn) and part.angle.input is None
        if not joins and not pending.runs.keys().isdisjoint(wires):
            steps.append(pending)
            pending = Locals()
        if isinstance(part, Turn):
            pending.runs.setdefault(part.wire, []).append(Rotation(AXES[part.axis], part.angle))
        else:
            steps = _with(steps, _step(part, circuit.n_wires))
    if pending.runs:
        steps.append(pending)
    if decomposed.angles:
        steps = _with(steps, Diagonal([(times(angle, -2.0), ()) for angle in decomposed.angles]))
    return Program(tuple(steps), decomposed.phase)


def _step(part: GatePhases | Exchange, n_wires: int) -> Diagonal | Permutation:
    if isinstance(part, GatePhases):
        return Diagonal(list(part.terms))
    bits = [n_wires - 1 - wire for wire in part.wires]
    return Permutation(exchanged(part.name, np.arange(2**n_wires), bits))


def _with(steps: list[ProgramStep], step: Diagonal | Permutation) -> list[ProgramStep]:
    """The steps with one more, merged into the last one if that is of the same kind."""
    last = steps[-1] if steps else None
    if isinstance(last, Diagonal) and isinstance(step, Diagonal):
        return [*steps[:-1], Diagonal(last.terms + step.terms)]
    if isinstance(last, Permutation) and isinstance(step, Permutation):
        return [*steps[:-1], Permutation(last.source[step.source])]
    return [*steps, step]


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
