"""Splines as single compiled calls under torch, with the gradients of their gradients by a twin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch._C import _are_functorch_transforms_active
from torch.autograd import forward_ad

from qinn_bench.quantum.compiler.lowering import AVAILABLE, instruction_sets
from reference_models._parts.flow import Univariate

if TYPE_CHECKING:
    from qinn_bench.quantum import _kernel
if AVAILABLE:
    from qinn_bench.quantum import _kernel

MOST_BINS = 32
VALUES = (1, 0, 1)
"""Rows of one column, which is mapped."""


class Form(NamedTuple):
    """What the numbers of splines on [-bound, bound] mean to the kernel: 3 bins - 1 of them, or 2 bins + 2 if `cubic`.

    Example:
        >>> Form(3, 5.0, 1e-2, 1e-3, 0.5, cubic=False).bins
        3
    """

    bins: int
    bound: float
    narrowest: float
    least_slope: float
    unit_slope: float
    cubic: bool


@dataclass(frozen=True)
class CompiledSpline(Univariate):
    """Splines on [-bound, bound] of so many bins, compiled where they can be, else by the operations of their twin.

    This is the only place where one is taken for the other. A subclass states its `form` and its twin. Derivatives
    beyond the first gradient are the twin's.

    Example:
        >>> class Straight(CompiledSpline):
        ...     width = 2
        ...     form = Form(40, 5.0, 1e-2, 1e-3, 0.5, cubic=False)
        ...     def twin(self, x, numbers):
        ...         return x, 0 * x
        ...     def twin_inverse(self, y, numbers):
        ...         return y
        >>> Straight(40, 5.0).covers(torch.zeros(1)), Straight(40, 5.0).forward(torch.ones(1, 1), torch.zeros(1, 1, 2))
        (False, (tensor([[1.]]), tensor([[0.]])))
    """

    bins: int
    bound: float

    @property
    @abstractmethod
    def form(self) -> Form:
        """What the kernel is told."""

    @abstractmethod
    def twin(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, by operations of torch."""

    @abstractmethod
    def twin_inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """What `inverse` gives, by operations of torch."""

    def covers(self, x: Tensor) -> bool:
        """Whether the compiled calls can map these values: not where tangents are pushed without `torch.func`."""
        here = AVAILABLE and x.device.type == "cpu" and self.bins <= MOST_BINS
        pushed = forward_ad._current_level >= 0 and not _are_functorch_transforms_active()
        return here and not pushed and x.dtype in (torch.float32, torch.float64)

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(*), (*, width) -> (*), (*)``: image and log-slope; differentiable as often as wanted."""
        return _map(x, numbers, Call(self, None)) if self.covers(x) else self.twin(x, numbers)

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(*), (*, width) -> (*)``: values with these images, found in float64; NaN where a number is not finite."""
        if not self.covers(y):
            return self.twin_inverse(y, numbers)
        found: Tensor = _Inverse.apply(y, numbers, self)  # type: ignore[no-untyped-call]
        return found

    def map_columns(self, x: Tensor, which: slice, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """As of any univariate map, in one call."""
        if not self.covers(x):
            return super().map_columns(x, which, numbers)
        return _map(x, numbers, Call(self, (x.shape[-1], which.start or 0, which.step or 1)))

    def unmap_columns(self, y: Tensor, which: slice, numbers: Tensor) -> Tensor:
        """As of any univariate map, in one call where no derivative is asked for."""
        if _followed() or not self.covers(y):
            return super().unmap_columns(y, which, numbers)
        return _values(y, numbers, Call(self, (y.shape[-1], which.start or 0, which.step or 1)))


class Call(NamedTuple):
    """A spline, and which columns of rows it maps: of how many, the first and the step to the next; else all values.

    Example:
        >>> from reference_models._parts.rational_quadratic import RationalQuadratic
        >>> rows, numbers = torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1, 1, 8)
        >>> image, logdet = Call(RationalQuadratic(3, 5.0), (3, 1, 2)).twin(rows, numbers)
        >>> image.allclose(rows), logdet.shape
        (True, torch.Size([1]))
    """

    spline: CompiledSpline
    columns: tuple[int, int, int] | None

    @property
    def kernel(self) -> _kernel.Spline:
        """The compiled spline."""
        return _kernel_of(self.spline)

    def twin(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """What the compiled call gives, by operations of torch."""
        if not self.columns:
            return self.spline.twin(x, numbers)
        _, start, step = self.columns
        image, log_slope = self.spline.twin(x[..., start::step], numbers)
        return x.slice_scatter(image, -1, start, None, step), log_slope.sum(-1)


@cache
def _kernel_of(spline: CompiledSpline) -> _kernel.Spline:
    return _kernel.Spline(*spline.form, instruction_sets()[0])


def _followed() -> bool:
    """Whether something may want to know how results come about: a graph or a transform of functions."""
    followed: bool = torch.is_grad_enabled() or _are_functorch_transforms_active()
    return followed


def _map(x: Tensor, numbers: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    function = _Transformed if _are_functorch_transforms_active() else _Map
    found: tuple[Tensor, Tensor] = function.apply(x, numbers, call)  # type: ignore[no-untyped-call]
    return found


def _images(x: Tensor, numbers: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    x, numbers = x.detach().contiguous(), numbers.detach().contiguous()
    image, log_slope = torch.empty_like(x), numbers.new_empty(numbers.shape[:-1])
    arrays = x.numpy(), numbers.numpy(), image.numpy(), log_slope.numpy()
    call.kernel.forward(*arrays, *(call.columns or VALUES))
    return image, log_slope.sum(-1) if call.columns else log_slope


def _values(y: Tensor, numbers: Tensor, call: Call) -> Tensor:
    y, numbers = y.detach().contiguous(), numbers.detach().to(y.dtype).contiguous()
    x = torch.empty_like(y)
    call.kernel.inverse(y.numpy(), numbers.numpy(), x.numpy(), *(call.columns or VALUES))
    return x


class _Derivatives:
    """Those of images and log-slopes; the gradient is one more compiled call."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        given = (*ctx.saved_tensors, *gradients, ctx.call)
        pulled = _Gradient.apply(*given) if _followed() else _Gradient.forward(*given)  # type: ignore[no-untyped-call]
        return *pulled, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        return _pushed(ctx.call.twin, ctx.saved_tensors, tangents)


def _keep(ctx: Any, *tensors: Tensor) -> None:
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


class _Map(_Derivatives, torch.autograd.Function):
    """Images and log-slopes; in this form torch calls it in half the time, but it takes part in no transform."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        ctx.call = call
        _keep(ctx, x, numbers)
        return _images(x, numbers, call)


class _Transformed(_Derivatives, torch.autograd.Function):
    """The same where functions are transformed."""

    @staticmethod
    def forward(x: Tensor, numbers: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        return _images(x, numbers, call)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        *given, ctx.call = inputs
        _keep(ctx, *given)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Values are mapped one by one anyway; a batch of them is one call."""
        return _Transformed.apply(*_batched(info, in_dims, given)), (0, 0)  # type: ignore[no-untyped-call]


class _Gradient(torch.autograd.Function):
    """Gradients by images and log-slopes to those by values and numbers; its own derivatives are the twin's."""

    @staticmethod
    def forward(
        x: Tensor, numbers: Tensor, by_image: Tensor, by_log_slope: Tensor, call: Call
    ) -> tuple[Tensor, Tensor]:
        x, numbers = x.detach().contiguous(), numbers.detach().contiguous()
        cotangents = by_image.detach().contiguous().numpy(), by_log_slope.detach().contiguous().numpy()
        by_x, by_numbers = torch.empty_like(x), torch.empty_like(numbers)
        arrays = x.numpy(), numbers.numpy(), *cotangents, by_x.numpy(), by_numbers.numpy()
        call.kernel.gradient(*arrays, *(call.columns or VALUES))
        return by_x, by_numbers

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        *given, ctx.call = inputs
        _keep(ctx, *given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pulled: tuple[Tensor, ...] = torch.func.vjp(_pull_of(ctx.call), *ctx.saved_tensors)[1](gradients)
        return *pulled, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        return _pushed(_pull_of(ctx.call), ctx.saved_tensors, tangents)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """As for images."""
        return _Gradient.apply(*_batched(info, in_dims, given)), (0, 0)  # type: ignore[no-untyped-call]


class _Inverse(torch.autograd.Function):
    """Values with given images; with x of y, dx/dy = 1 / slope and dx/dp = -(dy/dp) / slope at x."""

    @staticmethod
    def forward(y: Tensor, numbers: Tensor, spline: CompiledSpline) -> Tensor:
        return _values(y, numbers, Call(spline, None))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, numbers, ctx.spline = inputs
        _keep(ctx, output, numbers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, numbers = ctx.saved_tensors
        call = Call(ctx.spline, None)
        by_y = gradients[0] * (-_map(x, numbers, call)[1]).exp()
        _, by_numbers = _Gradient.apply(x, numbers, -by_y, torch.zeros_like(x), call)  # type: ignore[no-untyped-call]
        return by_y, by_numbers, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        x, numbers = ctx.saved_tensors
        along_y, along_numbers, _ = tangents
        moved = _pushed(ctx.spline.twin, (x, numbers), (None, along_numbers))[0]
        moved = (0 if along_y is None else along_y) - moved
        slope: Tensor = (-ctx.spline.forward(x, numbers)[1]).exp()
        return moved * slope

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Tensor, int]:
        """As for images."""
        return _Inverse.apply(*_batched(info, in_dims, given)), 0  # type: ignore[no-untyped-call]


def _pull_of(call: Call) -> Callable[..., tuple[Tensor, ...]]:
    """What the compiled gradient gives, by torch operations."""

    def pull(x: Tensor, numbers: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
        pulled: tuple[Tensor, ...] = torch.func.vjp(call.twin, x, numbers)[1](gradients)
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
    """Tensors whose first axis is that of the batch, and what is none."""
    *tensors, last = given
    moved = (
        x.expand(info.batch_size, *x.shape) if at is None else x.movedim(at, 0)
        for x, at in zip(tensors, in_dims, strict=False)
    )
    return *moved, last


# torch asks for these signatures at each call, which takes as long as a small spline.
_Transformed.forward.__signature__ = signature(_Transformed.forward)  # type: ignore[attr-defined]
_Gradient.forward.__signature__ = signature(_Gradient.forward)  # type: ignore[attr-defined]
_Inverse.forward.__signature__ = signature(_Inverse.forward)  # type: ignore[attr-defined]
