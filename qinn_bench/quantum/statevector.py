"""The exact statevector of a batch of circuits in torch, with its derivatives along the inputs.

The state is carried as ``(batch, high, 1 + n, low)``: the amplitudes split into the wires before and in the last group
of wires, and beside psi its n tangents d psi / d x_j, so that each step of the program is applied once to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Pauli
from qinn_bench.quantum.program import (
    Diagonal,
    Locals,
    Permutation,
    Program,
    Rotation,
    Step,
    compile_circuit,
    pauli,
    z_signs,
)

MAX_GROUP = 4


def run(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_readout)``, differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.
    """
    return _expectations(circuit, _evolve(circuit, inputs, weights, tangents=False))[:, 0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_readout)`` and their derivatives along the inputs ``(B, n_readout, n_inputs)``."""
    values = _expectations(circuit, _evolve(circuit, inputs, weights, tangents=True))
    return values[:, 0], values[:, 1:].transpose(1, 2)


def state(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    return _evolve(circuit, inputs, weights, tangents=False).reshape(len(inputs), -1)


def _complex(real: torch.dtype) -> torch.dtype:
    return torch.complex128 if real == torch.float64 else torch.complex64


@dataclass(frozen=True)
class _Angles:
    """Angles of many gates as index vectors; missing weights and scales point at a 0 and a 1 put behind the weights."""

    factor: Tensor
    constant: Tensor
    weight: Tensor
    scale: Tensor
    input: Tensor

    @classmethod
    def of(cls, angles: list[Angle], n_weights: int, like: Tensor) -> _Angles:
        """Angles on the device and in the precision of `like`."""

        def index(values: list[int | None], missing: int) -> Tensor:
            return torch.tensor([missing if v is None else v for v in values], dtype=torch.long, device=like.device)

        return cls(
            factor=like.new_tensor([angle.factor for angle in angles]),
            constant=like.new_tensor([angle.constant for angle in angles]),
            weight=index([angle.weight for angle in angles], n_weights),
            scale=index([angle.scale for angle in angles], n_weights + 1),
            input=index([angle.input for angle in angles], 0),
        )

    def shared(self, padded: Tensor) -> Tensor:
        """The part without inputs, ``(n,)``."""
        return self.factor * (self.constant + padded[self.weight])

    def slope(self, padded: Tensor) -> Tensor:
        """The derivative of each angle along its input, ``(n,)``."""
        return self.factor * padded[self.scale]


@dataclass(frozen=True)
class _Injection:
    """What a step with inputs adds to the tangents: ``slope * (-i/2) P psi`` for each generator P.

    ``source`` and ``phases`` are ``(high, generators, low)``; `generators` picks the angles among those with inputs.
    """

    source: Tensor
    phases: Tensor
    inputs: Tensor
    generators: slice


def _evolve(circuit: Circuit, inputs: Tensor, weights: Tensor, *, tangents: bool) -> Tensor:
    """The final state and, if asked for, its tangents: ``(B, high, 1 + n or 1, low)``."""
    plan = _plan(circuit, tangents, inputs.dtype, inputs.device)
    padded = torch.cat([weights.to(inputs.dtype), plan.zero_one])
    slopes = plan.driven.slope(padded)
    angles = plan.driven.shared(padded)[:, None] + slopes[:, None] * inputs.T[plan.driven.input]
    matrices = plan.matrices(padded, angles)
    psi = plan.start.expand(len(inputs), *plan.start.shape[1:])
    for step in plan.steps:
        if step.injection is not None:
            psi = _inject(psi, step.injection, slopes)
        psi = step.apply(psi, padded, angles, matrices)
    return psi


def _inject(psi: Tensor, injection: _Injection, slopes: Tensor) -> Tensor:
    """Add what the inputs of the next step do to the tangents."""
    flat = psi[:, :, 0].reshape(len(psi), -1)
    moved = flat[:, injection.source.reshape(-1)].view(len(psi), *injection.source.shape)
    added = moved * (injection.phases * slopes[injection.generators, None])
    tangents = psi[:, :, 1:].index_add(2, injection.inputs, added)
    return torch.cat([psi[:, :, :1], tangents], 2)
