"""Finite shots whose derivatives come from simultaneous perturbations: two evaluations for all angles of a circuit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.opened import radians
from qinn_bench.quantum.simulators.shifts import Evaluate
from qinn_bench.quantum.simulators.shots import Shots

STEP = 0.2
"""By so many radians every angle is moved up or down."""


class Perturbed(Shots):
    """Estimates from shots as `Shots`, but with derivatives by simultaneous perturbation (Spall, 1992).

    Every angle of every row is moved by a step c times its own random sign s, once forwards and once backwards: the
    derivative along angle k is ``s_k (f(angles + c s) - f(angles - c s)) / 2c``. Its mean is the true one up to terms
    of c^2; its scatter grows with the number of angles and falls with that of rows.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> circuit = reuploading(2, uploads=1)
        >>> weights = torch.zeros(circuit.n_weights, requires_grad=True)
        >>> Perturbed("spsa:100", 100, seed=0).run(circuit, torch.zeros(3, 2), weights).sum().backward()
        >>> weights.grad.shape == weights.shape
        True
    """

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Estimates of the readout, ``(B, n_outputs)``, once differentiable."""
        angles = radians(circuit, inputs).rows(inputs, weights)
        values: Tensor = _Moved.apply(angles, circuit, self._estimate, self._signs)  # type: ignore[no-untyped-call]
        return values

    def _signs(self, like: Tensor) -> Tensor:
        """An own sign for each angle of each row."""
        return torch.from_numpy(2.0 * self._rng.integers(0, 2, tuple(like.shape)) - 1.0).to(like)


class _Moved(torch.autograd.Function):
    """An estimate as a function of the angles ``(B, n_angles)``, differentiated by moving all of them at once."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, circuit: Circuit, estimate: Evaluate, signs: Any) -> Tensor:
        """``(B, n_outputs)``."""
        ctx.save_for_backward(angles)
        ctx.circuit, ctx.estimate, ctx.signs = circuit, estimate, signs
        return estimate(circuit, angles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None, None, None]:
        """``(B, n_angles)``."""
        (angles,) = ctx.saved_tensors
        signs = ctx.signs(angles)
        moved = torch.cat((angles + STEP * signs, angles - STEP * signs))
        forwards, backwards = ctx.estimate(ctx.circuit, moved).chunk(2)
        along = (cotangents[0] * (forwards - backwards)).sum(1, keepdim=True) / (2 * STEP)
        return along * signs, None, None, None
