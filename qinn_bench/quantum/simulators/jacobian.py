"""Jacobians of simulators that give values only: one backward pass per output; and values that refuse to be trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qinn_bench.values import Refused


def by_backward_passes(
    run: Callable[[Tensor], Tensor], inputs: Tensor, trainable: bool = True
) -> tuple[Tensor, Tensor]:
    """The values ``run(inputs)``, ``(B, n_outputs)``, and their derivatives ``(B, n_outputs, n_inputs)``.

    Row b of the values must depend on row b of the inputs only. The Jacobian has a graph of its own where `trainable`
    holds and gradients are enabled.
    """
    trained = torch.is_grad_enabled()
    twice = trained and trainable
    with torch.enable_grad():
        leaf = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
        values = run(leaf)
        rows = [_row(value, leaf, twice) for value in values.unbind(1)]
        jacobian = torch.stack(rows, 1) if rows else values.new_zeros(*values.shape, inputs.shape[1])
    return (values, jacobian) if trained else (values.detach(), jacobian.detach())


def _row(value: Tensor, inputs: Tensor, twice: bool) -> Tensor:
    """The derivative of one output along the inputs, ``(B, n_inputs)``."""
    if not value.requires_grad:
        return torch.zeros_like(inputs)
    (row,) = torch.autograd.grad(value.sum(), inputs, retain_graph=True, create_graph=twice, allow_unused=True)
    return torch.zeros_like(inputs) if row is None else row


def untrainable(values: Tensor, weights: Tensor, refusal: str) -> Tensor:
    """The values, tied to the graph by the weights; differentiating them raises `Refused` with this sentence."""
    if not torch.is_grad_enabled():
        return values.detach()
    refusing: Tensor = _Untrainable.apply(values, weights, refusal)  # type: ignore[no-untyped-call]
    return refusing


class _Untrainable(torch.autograd.Function):
    """Passes values on and refuses to differentiate them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, _: Tensor, refusal: str) -> Tensor:
        """The values."""
        ctx.refusal = refusal
        return values.detach().clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[None, ...]:
        """Refuse."""
        raise Refused(ctx.refusal)
