"""Functions of torch inside autograd's graph, differentiable to any order in reverse and in forward mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from autograd import numpy as anp
from autograd.extend import defjvp, defvjp, primitive
from autograd.numpy.numpy_boxes import ArrayBox
from torch import Tensor

Function = Callable[[Tensor], Tensor]
Layout = tuple[tuple[int, ...], bool]
"""The shape of an array, and whether it is complex."""


def is_followed(value: Any) -> bool:
    """Whether autograd follows a value."""
    return isinstance(value, ArrayBox)


def through_autograd(function: Callable[[list[Tensor]], Sequence[Tensor]], arrays: Sequence[Any]) -> tuple[Any, ...]:
    """What a function of tensors gives at arrays that autograd follows, as arrays that it follows.

    All numbers go through one real vector, so that complex parameters have autograd's convention of their gradient.
    """
    given = [(anp.shape(array), anp.iscomplexobj(getattr(array, "_value", array))) for array in arrays]
    wanted: list[Layout] = []

    def on_vectors(vector: Tensor) -> Tensor:
        results = function([_complex(part, imaginary) for part, imaginary in _parts(vector, given)])
        wanted[:] = [(tuple(result.shape), result.is_complex()) for result in results]
        return torch.cat([part for result in results for part in _reals(result)])

    flat = [part for array, (_, both) in zip(arrays, given, strict=True) for part in _reals(array, both)]
    joined = _call(anp.concatenate(flat), on_vectors)
    return tuple(real if imaginary is None else real + 1j * imaginary for real, imaginary in _parts(joined, wanted))


def _reals(array: Any, both: bool | None = None) -> list[Any]:
    """The real numbers of an array or a tensor in one or two vectors."""
    if isinstance(array, Tensor):
        parts = [array.real, array.imag] if array.is_complex() else [array]
        return [part.to(torch.float64).reshape(-1) for part in parts]
    return [anp.reshape(part, (-1,)) for part in ([anp.real(array), anp.imag(array)] if both else [array])]


def _parts(vector: Any, layouts: Sequence[Layout]) -> list[tuple[Any, Any]]:
    """Each array's real and imaginary part, or None for the latter, as slices of a vector."""
    at, parts = 0, []
    for shape, both in layouts:
        size = int(np.prod(shape, dtype=int))
        pieces = [vector[at + k * size : at + (k + 1) * size].reshape(shape) for k in range(1 + both)]
        parts.append((pieces[0], pieces[1] if both else None))
        at += size * (1 + both)
    return parts


def _complex(real: Tensor, imaginary: Tensor | None) -> Tensor:
    return real if imaginary is None else torch.complex(real, imaginary)


@primitive  # type: ignore[untyped-decorator]
def _call(vector: Any, function: Function) -> Any:
    return function(torch.as_tensor(np.asarray(vector, dtype=np.float64))).detach().numpy()


def _pulling(answer: Any, vector: Any, function: Function) -> Callable[[Any], Any]:  # noqa: ARG001
    n = len(vector)

    def pulled(given: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf, value = _valued(function, given, n)
            further = given.requires_grad
            return _gradient(value, leaf, given[n:], further)

    return lambda cotangent: _call(anp.concatenate((vector, cotangent)), pulled)


def _pushing(tangent: Any, answer: Any, vector: Any, function: Function) -> Any:  # noqa: ARG001
    n = len(vector)

    def pushed(given: Tensor) -> Tensor:
        """The product of a Jacobian with a tangent is the gradient of what pulls a cotangent back, along it."""
        with torch.enable_grad():
            leaf, value = _valued(function, given, n)
            cotangent = torch.zeros_like(value, requires_grad=True)
            pulled = _gradient(value, leaf, cotangent, True)
            return _gradient(pulled, cotangent, given[n:], given.requires_grad)

    return _call(anp.concatenate((vector, tangent)), pushed)


def _valued(function: Function, given: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The first `n` numbers as a leaf or in the graph that they are in, and the function there."""
    leaf = given[:n] if given.requires_grad else given[:n].detach().clone().requires_grad_()
    return leaf, function(leaf)


def _gradient(value: Tensor, leaf: Tensor, cotangent: Tensor, further: bool) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(leaf)
    return torch.autograd.grad(value, leaf, cotangent, create_graph=further, allow_unused=True, materialize_grads=True)[
        0
    ]


defvjp(_call, _pulling, argnums=(0,))
defjvp(_call, _pushing, argnums=(0,))
