"""The exact statevector of a batch of circuits in torch, with its derivatives along the inputs.

Matrices of neighbouring wires are multiplied together and applied as one matrix to psi and all its tangents
d psi / d x_j at once; an input enters a tangent through the generator of its rotation, ``dU/dx = slope U (-i/2 P)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit
from qinn_bench.quantum.operations import Inject, Matrix, Operation, Permute, Phase, ReversibleEvolution, evolve
from qinn_bench.quantum.program import (
    AXES,
    Axis,
    Diagonal,
    Locals,
    Permutation,
    Rotation,
    compile_circuit,
    pauli,
    z_signs,
)

MAX_GROUP = 4
NO_ANGLE = Angle()


def run(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_readout)``, differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.
    """
    plan = _plan(circuit, False, inputs.dtype, inputs.device)
    return plan.expectations(plan.evolve(inputs, weights))[:, 0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_readout)`` and their derivatives along the inputs ``(B, n_readout, n_inputs)``."""
    plan = _plan(circuit, True, inputs.dtype, inputs.device)
    values = plan.expectations(plan.evolve(inputs, weights))
    return values[:, 0], 2 * values[:, 1:].mT


def state(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    return _plan(circuit, False, inputs.dtype, inputs.device).evolve(inputs, weights).reshape(len(inputs), -1)


class _Angles:
    """Angles of many gates as index vectors; a missing weight or scale points at a 0 or 1 put behind the weights."""

    def __init__(self, angles: list[Angle], n_weights: int, dtype: torch.dtype, device: torch.device) -> None:
        def index(values: Iterable[int | None], missing: int) -> Tensor:
            return torch.tensor([missing if v is None else v for v in values], dtype=torch.long, device=device)

        self.factor = torch.tensor([angle.factor for angle in angles], dtype=dtype, device=device)
        self.constant = torch.tensor([angle.constant for angle in angles], dtype=dtype, device=device)
        self.weight = index((angle.weight for angle in angles), n_weights)
        self.scale = index((angle.scale for angle in angles), n_weights + 1)
        self.input = index((angle.input for angle in angles), 0)

    def shared(self, padded: Tensor) -> Tensor:
        """The part without inputs, ``(n,)``."""
        return self.factor * (self.constant + padded[self.weight])

    def slope(self, padded: Tensor) -> Tensor:
        """The derivative of each angle along its input, ``(n,)``."""
        return self.factor * padded[self.scale]


@dataclass(frozen=True)
class _Block:
    """A Locals step on one group of wires: for each wire the index of its run, or None."""

    runs: tuple[int | None, ...]
    sampled: bool


class _Plan:
    """A program laid out as tensors for one precision and device.

    `operations` run in order; their operands are made from the angles by `operands`. A run is a product of rotations
    on one wire; all runs of the circuit are multiplied out together, then all blocks of equal size.
    """

    def __init__(self, circuit: Circuit, tangents: bool, dtype: torch.dtype, device: torch.device) -> None:
        self.circuit, self.dtype, self.device = circuit, dtype, device
        self.complex = torch.complex128 if dtype == torch.float64 else torch.complex64
        self.groups = _groups(circuit.n_wires)
        self.low = 2 ** len(self.groups[-1])
        self.high = 2**circuit.n_wires // self.low
        self.width = 1 + circuit.n_inputs if tangents else 1
        self.operations: list[Operation] = []
        self.sources: list[tuple[str, int | slice]] = []
        self.runs: list[list[Rotation]] = []
        self.driven: list[Angle] = []
        self.driven_runs: list[tuple[int, Axis, int]] = []
        self.blocks: list[_Block] = []
        self.diagonals: list[Diagonal] = []
        program = compile_circuit(circuit)
        for step in program.steps:
            self._lay_out(step)
        ...
