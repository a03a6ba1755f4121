"""Rational-quadratic splines as single compiled calls under torch, with the gradients of their gradients by a twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from qinn_bench.quantum.compiler.lowering import AVAILABLE, instruction_sets

if TYPE_CHECKING:
    from qinn_bench.quantum import _kernel
if AVAILABLE:
    from qinn_bench.quantum import _kernel

MOST_BINS = 32
Twin = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class CompiledSpline:
    """Splines on [-bound, bound] whose `width` numbers each are widths, heights and inner slopes, 3 bins - 1.

    The `twin` gives images and log-slopes by torch operations; derivatives beyond the first gradient are taken of it.

    Example:
        >>> covers(CompiledSpline(3, 5.0, 1e-2, 1e-3, 0.5, lambda x, numbers: (x, x)), torch.zeros(1).half())
        False
    """

    bins: int
    bound: float
    narrowest: float
    least_slope: float
    unit_slope: float
    twin: Twin


def covers(spline: CompiledSpline, x: Tensor) -> bool:
    """Whether the compiled calls can map these values."""
    here = AVAILABLE and x.device.type == "cpu" and spline.bins <= MOST_BINS
    return here and x.dtype in (torch.float32, torch.float64)


def forward(spline: CompiledSpline, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """``(*), (*, width) -> (*), (*)``: image and log-slope; differentiable as often as wanted."""
    found: tuple[Tensor, Tensor] = _Forward.apply(x, numbers, spline)  # type: ignore[no-untyped-call]
    return found


def inverse(spline: CompiledSpline, y: Tensor, numbers: Tensor) -> Tensor:
    """``(*), (*, width) -> (*)``: the values with these images, found in float64; NaN where a number is not finite."""
    found: Tensor = _Inverse.apply(y, numbers, spline)  # type: ignore[no-untyped-call]
    return found


@cache
def _kernel_of(bins: int, bound: float, narrowest: float, least_slope: float, unit_slope: float) -> _kernel.Spline:
    return _kernel.Spline(bins, bound, narrowest, least_slope, unit_slope, instruction_sets()[0])


def _call(spline: CompiledSpline) -> _kernel.Spline:
    return _kernel_of(spline.bins, spline.bound, spline.narrowest, spline.least_slope, spline.unit_slope)


class _Forward(torch.autograd.Function):
    """Images and log-slopes; the gradient is one more compiled call."""

    @staticmethod
    def forward(x: Tensor, numbers: Tensor, spline: CompiledSpline) -> tuple[Tensor, Tensor]:
        x, numbers = x.detach().contiguous(), numbers.detach().contiguous()
        image, log_slope = torch.empty_like(x), torch.empty_like(x)
        _call(spline).forward(x.numpy(), numbers.numpy(), image.numpy(), log_slope.numpy())
        return image, log_slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        x, numbers, ctx.spline = inputs
        ctx.save_for_backward(x, numbers)
        ctx.save_for_forward(x, numbers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        given = (*ctx.saved_tensors, *gradients, ctx.spline)
        pulled = _Gradient.apply(*given) if torch.is_grad_enabled() else _Gradient.forward(*given)  # type: ignore[no-untyped-call]
        return *pulled, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        return _pushed(ctx.spline.twin, ctx.saved_tensors, tangents)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Values are mapped one by one anyway; a batch of them is one call."""
        return _Forward.apply(*_batched(info, in_dims, given)), (0, 0)  # type: ignore[no-untyped-call]


class _Gradient(torch.autograd.Function):
    """Gradients by images and log-slopes to those by values and numbers; its own derivatives are the twin's."""

    @staticmethod
    def forward(
        x: Tensor, numbers: Tensor, by_image: Tensor, by_log_slope: Tensor, spline: CompiledSpline
    ) -> tuple[Tensor, Tensor]:
        x, numbers = x.detach().contiguous(), numbers.detach().contiguous()
        cotangents = by_image.contiguous().numpy(), by_log_slope.contiguous().numpy()
        by_x, by_numbers = torch.empty_like(x), torch.empty_like(numbers)
        _call(spline).gradient(x.numpy(), numbers.numpy(), *cotangents, by_x.numpy(), by_numbers.numpy())
        return by_x, by_numbers

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        *given, ctx.spline = inputs
        ctx.save_for_backward(*given)
        ctx.save_for_forward(*given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pulled: tuple[Tensor, ...] = torch.func.vjp(_pull_of(ctx.spline), *ctx.saved_tensors)[1](gradients)
        return *pulled, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        return _pushed(_pull_of(ctx.spline), ctx.saved_tensors, tangents)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """As for images."""
        return _Gradient.apply(*_batched(info, in_dims, given)), (0, 0)  # type: ignore[no-untyped-call]


class _Inverse(torch.autograd.Function):
    """Values with given images; with x of y, dx/dy = 1 / slope and dx/dp = -(dy/dp) / slope at x."""

    @staticmethod
    def forward(y: Tensor, numbers: Tensor, spline: CompiledSpline) -> Tensor:
        image, exact = y.detach().double().contiguous(), numbers.detach().double().contiguous()
        x = torch.empty_like(image)
        _call(spline).inverse(image.numpy(), exact.numpy(), x.numpy())
        return x.to(y)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, numbers, ctx.spline = inputs
        ctx.save_for_backward(output, numbers)
        ctx.save_for_forward(output, numbers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, numbers = ctx.saved_tensors
        by_y = gradients[0] * (-forward(ctx.spline, x, numbers)[1]).exp()
        _, by_numbers = _Gradient.apply(x, numbers, -by_y, torch.zeros_like(x), ctx.spline)  # type: ignore[no-untyped-call]
        return by_y, by_numbers, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        x, numbers = ctx.saved_tensors
        along_y, along_numbers, _ = tangents
        moved = _pushed(ctx.spline.twin, (x, numbers), (None, along_numbers))[0]
        return ((0 if along_y is None else along_y) - moved) * (-forward(ctx.spline, x, numbers)[1]).exp()

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Tensor, int]:
        """As for images."""
        return _Inverse.apply(*_batched(info, in_dims, given)), 0  # type: ignore[no-untyped-call]


def _pull_of(spline: CompiledSpline) -> Callable[..., tuple[Tensor, ...]]:
    """What the compiled gradient gives, by torch operations."""

    def pull(x: Tensor, numbers: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
        pulled: tuple[Tensor, ...] = torch.func.vjp(spline.twin, x, numbers)[1](gradients)
        return pulled

    return pull


def _pushed(
    function: Callable[..., tuple[Tensor, ...]], at: tuple[Tensor, ...], tangents: tuple[Tensor | None, ...]
) -> tuple[Tensor, ...]:
    """Derivatives along tangents, of which those of what stands still are not given."""
    along = tuple(torch.zeros_like(x) if t is None else t for x, t in zip(at, tangents, strict=False))
    pushed: tuple[Tensor, ...] = torch.func.jvp(function, at, along)[1]
    return pushed


def _batched(info: Any, in_dims: tuple[int | None, ...], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors whose first axis is that of the batch, and the spline."""
    *tensors, spline = given
    moved = (
        x.expand(info.batch_size, *x.shape) if at is None else x.movedim(at, 0)
        for x, at in zip(tensors, in_dims, strict=False)
    )
    return *moved, spline


# torch asks for these signatures at each call, which takes as long as a small spline.
_Forward.forward.__signature__ = signature(_Forward.forward)  # type: ignore[attr-defined]
_Gradient.forward.__signature__ = signature(_Gradient.forward)  # type: ignore[attr-defined]
_Inverse.forward.__signature__ = signature(_Inverse.forward)  # type: ignore[attr-defined]
