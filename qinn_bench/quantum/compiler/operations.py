"""The operations on a batch of states with tangents; torch differentiates them.

States are ``(B, high, 1 + n, low)``: psi and its tangents d psi / d x_j lie side by side in the third axis, and the
amplitudes are split into the wires before the last group of wires and that group.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        if self.last:
            return (states.flatten(1, 2) @ matrix.mT).view(states.shape)
        right = states.shape[1:].numel() // (self.left * self.size)
        if self.left == 1:
            return (matrix @ states.reshape(len(states), self.size, right)).view(states.shape)
        matrix = matrix if matrix.ndim == 2 else matrix[:, None]
        return (matrix @ states.reshape(len(states), self.left, self.size, right)).view(states.shape)


@dataclass(frozen=True)
class Phase:
    """A diagonal matrix; its operand is ``(B or 1, high, 1, low)``."""

    def apply(self, states: Tensor, factors: Tensor) -> Tensor:
        """The states after the matrix."""
        return states * factors


@dataclass(frozen=True)
class Permute:
    """A permutation of the amplitudes, as indices into the flattened ``(high, 1 + n, low)``; it ignores its operand."""

    source: Tensor

    def apply(self, states: Tensor, _: Tensor) -> Tensor:
        """The states after the permutation."""
        return states.flatten(1)[:, self.source].view(states.shape)


@dataclass(frozen=True)
class Inject:
    """What the inputs of the following operation add to the tangents.

    Tangent ``inputs[g]`` receives ``slope_g (-i/2 P_g) psi``, where ``exp(-i angle/2 P_g)`` is the gate that the input
    enters: `source` and `phases`, both ``(high, generators, low)``, say where each amplitude of ``-i/2 P_g psi`` comes
    from in psi and what it is multiplied by. The operand are the slopes ``(generators,)`` = d angle / d input.
    `in_order` holds if there is one generator for every tangent, in their order.
    """

    inputs: Tensor
    source: Tensor
    phases: Tensor
    in_order: bool

    def apply(self, states: Tensor, slopes: Tensor) -> Tensor:
        """The states with the new terms in their tangents."""
        psi, tangents = states[:, :, :1], states[:, :, 1:]
        moved = psi.flatten(1)[:, self.source.flatten()].view(len(states), *self.source.shape)
        added = moved * (self.phases * slopes[:, None])
        tangents = tangents + added if self.in_order else tangents.index_add(2, self.inputs, added)
        return torch.cat([psi, tangents], 2)


Operation = Matrix | Phase | Permute | Inject
