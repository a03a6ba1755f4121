"""Noisy circuits: the density matrix as its Pauli coefficients, which gates and channels multiply by real matrices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.quantum.backend_names import Noise as Noise
from qinn_bench.quantum.circuit import Circuit, Gate
from qinn_bench.quantum.compiler.decompose import exchanged
from qinn_bench.quantum.compiler.opened import opened, radians
from qinn_bench.quantum.compiler.program import z_signs
from qinn_bench.quantum.simulators.measurement import Setting, measurement
from qinn_bench.values import Refused

MOST_WIRES = 8
"""A density matrix of n wires has 4^n numbers per row of a batch; training keeps one for each gate."""
AT_ONCE = 2**18
"""So many numbers of a batch are evolved together: they stay in the cache."""
PauliMap = NDArray[np.float64]
Unitary = NDArray[np.complex128]
LETTERS = "IXYZ"
PAULIS: dict[str, Unitary] = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], dtype=np.complex128),
}
GENERATORS = {"RX": "X", "RY": "Y", "RZ": "Z", "IsingZZ": "ZZ"}


class Noisy:
    """Exact expectation values of the noisy circuit, differentiable any number of times.

    Memory is ``4^n`` numbers for each row and, where gradients are taken, for each gate.
    """

    def __init__(self, name: str, noise: Noise) -> None:
        self.name, self.noise = name, noise

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The readout, ``(B, n_outputs)``, differentiable.

        Raises:
            Refused: the circuit has more than 8 wires.
        """
        angles = radians(circuit, inputs).rows(inputs, weights)
        return measurement(circuit.readout).outputs(noisy_outcomes(self.noise, circuit, angles), angles)

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The readout and its derivatives along the inputs, ``(B, n_outputs, n_inputs)``, both differentiable."""
        laid = radians(circuit, inputs)
        fed = dict(zip(laid.fed, zip(laid.inputs.tolist(), laid.slopes(weights), strict=True), strict=True))
        along = Along(circuit.n_inputs, fed)
        angles, measured = laid.rows(inputs, weights), measurement(circuit.readout)
        found = _outcomes(self.noise, circuit, angles, along)
        tangents = angles.new_zeros(len(angles), circuit.n_inputs, 1)
        values = measured.outputs([outcomes[:, 0] for outcomes in found], angles)
        return values, measured.slopes([outcomes[:, 1:] for outcomes in found], tangents).mT

    def state(self, *_: object, **__: object) -> Tensor:
        """Refused: a mixed state has no amplitudes."""
        raise Refused(f"backend '{self.name}' gives no amplitudes; backends that do: torch, native, default.qubit")


@dataclass(frozen=True)
class Along:
    """The inputs that derivatives are taken along: how many, and for an angle its input and its slope along it."""

    n_inputs: int = 0
    fed: dict[int, tuple[int, Tensor]] = field(default_factory=dict)


def noisy_outcomes(noise: Noise, circuit: Circuit, angles: Tensor) -> list[Tensor]:
    """The outcome probabilities ``(B, 2^wires)`` of each setting, the errors of the readout included.

    Raises:
        Refused: the circuit has more than 8 wires.
    """
    return [outcomes[:, 0] for outcomes in _outcomes(noise, circuit, angles, Along())]


def _outcomes(noise: Noise, circuit: Circuit, angles: Tensor, along: Along) -> list[Tensor]:
    """For each setting the outcome probabilities and their derivatives, ``(B, 1 + n_inputs, 2^wires)``."""
    if circuit.n_wires > MOST_WIRES:
        raise Refused(f"noise is simulated on at most {MOST_WIRES} wires (4^n numbers), not on {circuit.n_wires}")
    at_once = max(1, AT_ONCE >> 2 * circuit.n_wires)
    evolved = [_evolved(noise, circuit, rows, along) for rows in torch.split(angles, at_once)]
    found = []
    for setting in measurement(circuit.readout).settings:
        index, mix = _words(setting, circuit.n_wires, 1 - 2 * noise.readout)
        chosen, mixing = torch.as_tensor(index, device=angles.device), angles.new_tensor(mix)
        found.append(torch.cat([coefficients[:, :, chosen] @ mixing for coefficients in evolved]))
    return found


def _words(setting: Setting, n_wires: int, kept: float) -> tuple[NDArray[np.int64], PauliMap]:
    """Where the words of a setting's wires lie among the coefficients, and how they become probabilities.

    ``p(bits) = 2^-m sum_S (-1)^(bits . S) kept^|S| <word of S>`` over the subsets S of the m wires.
    """
    m = len(setting.wires)
    subsets = np.array(list(np.ndindex(*[2] * m)), dtype=np.int64)
    letters = np.array([LETTERS.index(letter) for letter in setting.basis])
    places = np.array([4 ** (n_wires - 1 - wire) for wire in setting.wires])
    signs = np.stack([z_signs(m, tuple(np.flatnonzero(subset))) for subset in subsets])
    return subsets @ (letters * places), signs * kept ** subsets.sum(1)[:, None] / 2**m


def _evolved(noise: Noise, circuit: Circuit, angles: Tensor, along: Along) -> Tensor:
    """All Pauli words' final expectation values and their derivatives, ``(B, 1 + n_inputs, 4^n)``.

    Wire 0 is the highest digit of the word. Matrices of one wire are multiplied together until they must be applied.
    """
    plain, state = opened(circuit), _start(circuit.n_wires, along.n_inputs, angles)
    channel = angles.new_tensor(_channel(noise))
    pending: dict[int, Tensor] = {}
    for gate, ended in zip(plain.circuit.gates, plain.ends, strict=True):
        driven = along.fed.get(gate.angles[0].input) if gate.angles and gate.angles[0].input is not None else None
        if len(gate.wires) == 1 and driven is None:
            pending[gate.wires[0]] = _after(pending.get(gate.wires[0]), _transfer(gate, angles))
        else:
            for wire in gate.wires:
                state = _applied(state, pending.pop(wire, None), (wire,))
            moved = _applied(state, _transfer(gate, angles), gate.wires)
            state = moved if driven is None else _injected(moved, state[:, :1], gate, angles, *driven)
        for wire in ended:
            pending[wire] = _after(pending.get(wire), channel)
    for wire, matrix in pending.items():
        state = _applied(state, matrix, (wire,))
    return state


def _start(n_wires: int, n_inputs: int, angles: Tensor) -> Tensor:
    """The words of |0...0> for each row of the angles, and zero derivatives."""
    words = _kron([np.array([[1.0, 0.0, 0.0, 1.0]], dtype=np.complex128)] * n_wires).real
    start = np.concatenate([words, np.zeros((n_inputs, 4**n_wires))])
    return angles.new_tensor(start).expand(len(angles), -1, -1)


def _injected(moved: Tensor, before: Tensor, gate: Gate, angles: Tensor, input: int, slope: Tensor) -> Tensor:
    """With what a rotation's own derivative, of the words `before` it, adds to the derivative along its input."""
    added = slope * _applied(before, _moving(gate, angles, torch.pi / 2), gate.wires)
    return moved.index_add(1, torch.tensor([1 + input], device=moved.device), added)


def _after(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else second @ first


def _applied(state: Tensor, matrix: Tensor | None, wires: tuple[int, ...]) -> Tensor:
    """The words ``(B, w, 4^n)`` after a matrix ``(4^k, 4^k)`` or ``(B, 4^k, 4^k)`` on k wires."""
    if matrix is None:
        return state
    n = state.shape[2].bit_length() // 2
    axes, front = [2 + wire for wire in wires], list(range(1, 1 + len(wires)))
    moved = state.reshape(*state.shape[:2], *[4] * n).movedim(axes, front)
    applied = matrix @ moved.reshape(len(state), matrix.shape[-1], -1)
    return applied.view(moved.shape).movedim(front, axes).reshape(state.shape)


def _transfer(gate: Gate, angles: Tensor) -> Tensor:
    """The matrix of an elementary gate on Pauli words, ``(B, 4^k, 4^k)`` where its angle varies."""
    if not gate.angles:
        return angles.new_tensor(_fixed(gate.name, len(gate.wires)))
    return angles.new_tensor(_rotation(gate.name)[0]) + _moving(gate, angles)


def _moving(gate: Gate, angles: Tensor, ahead: float = 0.0) -> Tensor:
    """The part of a rotation's matrix that depends on its angle; a quarter turn ahead it is its derivative."""
    _, cosine, sine = (angles.new_tensor(part) for part in _rotation(gate.name))
    angle = gate.angles[0]
    radians = angles.new_tensor(angle.factor * angle.constant) if angle.input is None else angles[:, angle.input]
    turn = radians[..., None, None] + ahead
    return turn.cos() * cosine + turn.sin() * sine


@lru_cache
def _rotation(name: str) -> tuple[PauliMap, PauliMap, PauliMap]:
    """The parts of a rotation's matrix that are constant, and that go with the cosine and the sine of its angle."""
    generator = _kron(PAULIS[letter] for letter in GENERATORS[name])
    identity = np.eye(len(generator))
    nothing, quarter, half = (
        _real(np.cos(angle / 2) * identity - 1j * np.sin(angle / 2) * generator) for angle in (0, np.pi / 2, np.pi)
    )
    still = (nothing + half) / 2
    return still, (nothing - half) / 2, quarter - still


@lru_cache
def _fixed(name: str, n_wires: int) -> PauliMap:
    if name == "H":
        return _real((PAULIS["X"] + PAULIS["Z"]) / np.sqrt(2))
    goes_to = exchanged(name, np.arange(2**n_wires), list(range(n_wires))[::-1])
    return _real(np.eye(2**n_wires, dtype=np.complex128)[:, goes_to])


def _real(unitary: Unitary) -> PauliMap:
    """``R[i, j] = tr(P_i U P_j U^+) / 2^k``: what a unitary does to expectation values of Pauli words."""
    k = len(unitary).bit_length() - 1
    words = np.array([_kron(word) for word in product(PAULIS.values(), repeat=k)])
    return np.asarray(np.einsum("iab,bc,jcd,ad->ij", words, unitary, words, unitary.conj(), optimize=True).real / 2**k)


def _kron(factors: Iterable[Unitary]) -> Unitary:
    made: Unitary = np.ones((1, 1), dtype=np.complex128)
    for factor in factors:
        made = np.asarray(np.kron(made, factor), dtype=np.complex128)
    return made


def _channel(noise: Noise) -> PauliMap:
    """Depolarizing, then damping of one wire, on the coefficients of I, X, Y, Z."""
    damping = np.diag([1.0, np.sqrt(1 - noise.damping), np.sqrt(1 - noise.damping), 1 - noise.damping])
    damping[3, 0] = noise.damping
    return np.asarray(damping @ np.diag([1.0, *[1 - 4 * noise.depolarizing / 3] * 3]))
