"""The operations on a batch of states with tangents, and their reversible adjoint as one torch function.

States are ``(B, high, 1 + n, low)``: psi and its tangents d psi / d x_j lie side by side in the third axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Matrix:
    """A matrix on one group of wires; its operand is ``(B, d, d)`` or, when no input enters it, ``(d, d)``.

    `left` counts the amplitudes of the wires before the group; the last group is multiplied from the right.
    """

    left: int
    size: int
    last: bool

    def apply(self, states: Tensor, matrix: Tensor) -> Tensor:
        """The states after the matrix."""
        batch = len(states)
        if self.last:
            return (states.view(batch, -1, self.size) @ matrix.mT).view_as(states)
        if self.left > 1 and matrix.ndim == 3:
            matrix = matrix.unsqueeze(1)
        shape = (batch, self.left, self.size, -1) if self.left > 1 else (batch, self.size, -1)
        return (matrix @ states.view(shape)).view_as(states)

    def undo(self, conjugate: Tensor, matrix: Tensor) -> Tensor:
        """The conjugate states before the matrix."""
        return self.apply(conjugate, matrix.mT)

    def pull(self, cotangent: Tensor, matrix: Tensor) -> Tensor:
        """The cotangent before the matrix."""
        return self.apply(cotangent, matrix.mH)

    def gradient(self, before: Tensor, cotangent: Tensor, matrix: Tensor) -> Tensor:
        """What the operand receives, from the conjugate states before and the cotangent after."""
        shape = (len(before), -1, self.size) if self.last else (len(before) * self.left, self.size, -1)
        rows, columns = cotangent.view(shape), before.view(shape)
        if self.last:
            rows, columns = rows.mT, columns.mT
        if matrix.ndim == 2:
            return torch.einsum("bik,bjk->ij", rows, columns)
        outer = rows @ columns.mT
        return outer if self.last else outer.view(len(before), self.left, self.size, self.size).sum(1)


@dataclass(frozen=True)
class Phase:
    """A diagonal matrix; its operand is ``(B or 1, high, 1, low)``."""

    def apply(self, states: Tensor, factors: Tensor) -> Tensor:
        """The states after the matrix."""
        return states * factors

    def undo(self, conjugate: Tensor, factors: Tensor) -> Tensor:
        """The conjugate states before the matrix."""
        return conjugate * factors

    def pull(self, cotangent: Tensor, factors: Tensor) -> Tensor:
        """The cotangent before the matrix."""
        return cotangent * factors.conj()

    def gradient(self, before: Tensor, cotangent: Tensor, factors: Tensor) -> Tensor:
        """What the operand receives, from the conjugate states before and the cotangent after."""
        return (cotangent * before).sum((0, 2) if len(factors) == 1 else 2, keepdim=True)


@dataclass(frozen=True)
class Permute:
    """A permutation of the amplitudes, as indices into the flattened ``(high, 1 + n, low)``; no operand."""

    source: Tensor
    target: Tensor

    def apply(self, states: Tensor, _: Tensor) -> Tensor:
        """The states after the permutation."""
        return states.reshape(len(states), -1)[:, self.source].view_as(states)

    def undo(self, conjugate: Tensor, _: Tensor) -> Tensor:
        """The conjugate states before the permutation."""
        return conjugate.reshape(len(conjugate), -1)[:, self.target].view_as(conjugate)

    pull = undo


@dataclass(frozen=True)
class Inject:
    """What the inputs of the following operation add to the tangents; in place.

    Tangent ``inputs[g]`` receives ``slope_g G_g psi`` with the anti-Hermitian generator ``G_g = -i/2 P_g``, a Pauli
    product given by `psi_source`, where in psi each amplitude comes from, and `phases` ``(high, generators, low)``;
    `source` is the same permutation inside ``(high, generators, low)``. The operand are the slopes ``(generators,)``.
    `consecutive` is the run of tangents that `inputs` are, if they are one.
    """

    inputs: Tensor
    psi_source: Tensor
    source: Tensor
    phases: Tensor
    consecutive: slice | None

    def apply(self, states: Tensor, slopes: Tensor) -> Tensor:
        """The states with the new terms in their tangents."""
        return self._add(states, self.phases * slopes[:, None])

    def undo(self, conjugate: Tensor, slopes: Tensor) -> Tensor:
        """The conjugate states without them."""
        return self._add(conjugate, self.phases.conj() * -slopes[:, None])

    def pull(self, cotangent: Tensor, conjugate: Tensor, slopes: Tensor) -> Tensor:
        """Turn the cotangent after into the one before, in place; returns what the slopes receive."""
        picked = cotangent[:, :, self.inputs if self.consecutive is None else self.consecutive]
        moved = picked.reshape(len(cotangent), -1)[:, self.source].view(len(cotangent), *self.phases.shape)
        received = torch.einsum("bhgl,bhl->hgl", moved, conjugate[:, :, 0])
        cotangent[:, :, 0] -= (moved * (self.phases * slopes[:, None])).sum(2)
        return -(received * self.phases).real.sum((0, 2))

    def _add(self, states: Tensor, factors: Tensor) -> Tensor:
        moved = states[:, :, 0].reshape(len(states), -1)[:, self.psi_source].view(len(states), *factors.shape)
        if self.consecutive is None:
            states.index_add_(2, self.inputs, moved * factors)
        else:
            states[:, :, self.consecutive].addcmul_(moved, factors)
        return states


Operation = Matrix | Phase | Permute | Inject


def evolve(start: Tensor, operations: tuple[Operation, ...], operands: tuple[Tensor, ...]) -> Tensor:
    """Apply the operations in order; differentiable by torch, at the price of keeping every intermediate state."""
    states = start.clone()
    for operation, operand in zip(operations, operands, strict=True):
        states = operation.apply(states, operand)
    return states


class ReversibleEvolution(torch.autograd.Function):
    """`evolve` whose backward pass un-computes the states instead of keeping them: memory does not grow with depth."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, operations: tuple[Operation, ...], *operands: Tensor) -> Tensor:
        """See `evolve`."""
        final = evolve(start, operations, operands)
        ctx.start, ctx.operations = start, operations
        ctx.save_for_backward(final, *operands)
        return final

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """Cotangents of the operands."""
        final, *operands = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable_backward(ctx, operands, cotangents[0])
        states, cotangent = final.conj().resolve_conj(), cotangents[0].contiguous()
        gradients: list[Tensor | None] = []
        for operation, operand in zip(reversed(ctx.operations), reversed(operands), strict=True):
            if isinstance(operation, Inject):
                operation.undo(states, operand)
                gradients.append(operation.pull(cotangent, states, operand))
                continue
            before = operation.undo(states, operand)
            gradients.append(None if isinstance(operation, Permute) else operation.gradient(before, cotangent, operand))
            states, cotangent = before, operation.pull(cotangent, operand)
        return (None, None, *reversed(gradients))


def _differentiable_backward(ctx: Any, operands: list[Tensor], cotangent: Tensor) -> tuple[Tensor | None, ...]:
    """The same cotangents by torch's own differentiation, so that they can be differentiated again."""
    final = evolve(ctx.start, ctx.operations, tuple(operands))
    wanted = [operand for operand in operands if operand.requires_grad]
    found = iter(torch.autograd.grad(final, wanted, cotangent, create_graph=True, allow_unused=True))
    return (None, None, *(next(found) if operand.requires_grad else None for operand in operands))
