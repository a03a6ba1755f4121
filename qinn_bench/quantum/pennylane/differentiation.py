"""Derivatives of a function of a vector by each library that PennyLane has an interface to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import autograd
import numpy as np
import pennylane as qml
import torch
from autograd import numpy as anp

from qinn_bench.values import Array

Vector = Callable[[Any], Any]


class Library(Protocol):
    """What a library can do with a function ``(n,) -> (m,)`` at a point; results are NumPy's."""

    name: str

    def here(self) -> bool:
        """Whether the library is installed."""

    def stacked(self, results: Any) -> Any:
        """The outputs of a QNode side by side in the last axis."""

    def values(self, function: Vector, x: Array) -> Array:
        """The function's values."""

    def vjp(self, function: Vector, x: Array, cotangent: Array) -> Array:
        """The product of a cotangent with the Jacobian, in reverse mode."""

    def jvp(self, function: Vector, x: Array, tangent: Array) -> Array:
        """The product of the Jacobian with a tangent, in forward mode."""

    def hvp(self, function: Vector, x: Array, direction: Array) -> Array:
        """The product of the Hessian of the sum of the sines of the outputs with a direction."""

    def second(self, function: Vector, x: Array) -> Array:
        """The Jacobian of the Jacobian ``(m, n, n)``."""


class _Torch:
    """PyTorch: reverse mode twice, forward mode by dual numbers."""

    name = "torch"

    def here(self) -> bool:
        return True

    def stacked(self, results: Any) -> Any:
        return torch.stack(tuple(results), -1)

    def values(self, function: Vector, x: Array) -> Array:
        return _numbers(function(torch.tensor(x)))

    def vjp(self, function: Vector, x: Array, cotangent: Array) -> Array:
        leaf = torch.tensor(x, requires_grad=True)
        return _numbers(torch.autograd.grad(function(leaf), leaf, torch.tensor(cotangent))[0])

    def jvp(self, function: Vector, x: Array, tangent: Array) -> Array:
        return _numbers(torch.func.jvp(function, (torch.tensor(x),), (torch.tensor(tangent),))[1])

    def hvp(self, function: Vector, x: Array, direction: Array) -> Array:
        leaf = torch.tensor(x, requires_grad=True)
        gradient = torch.autograd.grad(function(leaf).sin().sum(), leaf, create_graph=True)[0]
        return _numbers(torch.autograd.grad(gradient @ torch.tensor(direction), leaf)[0])

    def second(self, function: Vector, x: Array) -> Array:
        leaf = torch.tensor(x, requires_grad=True)
        rows = [torch.autograd.grad(y, leaf, create_graph=True)[0] for y in function(leaf)]
        twice = [[torch.autograd.grad(entry, leaf, retain_graph=True)[0] for entry in row] for row in rows]
        return _numbers(torch.stack([torch.stack(row) for row in twice]))


class _Autograd:
    """HIPS autograd: reverse mode twice, forward mode where primitives have it."""

    name = "autograd"

    def here(self) -> bool:
        return True

    def stacked(self, results: Any) -> Any:
        return anp.stack(tuple(results), -1)

    def values(self, function: Vector, x: Array) -> Array:
        return np.asarray(function(_trainable(x)))

    def vjp(self, function: Vector, x: Array, cotangent: Array) -> Array:
        return np.asarray(qml.grad(lambda y: anp.sum(cotangent * function(y)))(_trainable(x)))

    def jvp(self, function: Vector, x: Array, tangent: Array) -> Array:
        return np.asarray(autograd.make_jvp(function)(_trainable(x))(tangent)[1])

    def hvp(self, function: Vector, x: Array, direction: Array) -> Array:
        gradient = qml.grad(lambda y: anp.sum(anp.sin(function(y))))
        return np.asarray(qml.grad(lambda y: anp.sum(gradient(y) * direction))(_trainable(x)))

    def second(self, function: Vector, x: Array) -> Array:
        return np.asarray(qml.jacobian(qml.jacobian(function))(_trainable(x)))


class _Jax:
    """JAX in double precision: reverse mode twice, and forward mode."""

    name = "jax"

    def here(self) -> bool:
        return find_spec("jax") is not None

    def stacked(self, results: Any) -> Any:
        return _jax().numpy.stack(tuple(results), -1)

    def values(self, function: Vector, x: Array) -> Array:
        return np.asarray(function(_jax().numpy.array(x)))

    def vjp(self, function: Vector, x: Array, cotangent: Array) -> Array:
        jax = _jax()
        return np.asarray(jax.vjp(function, jax.numpy.array(x))[1](jax.numpy.array(cotangent))[0])

    def jvp(self, function: Vector, x: Array, tangent: Array) -> Array:
        jax = _jax()
        return np.asarray(jax.jvp(function, (jax.numpy.array(x),), (jax.numpy.array(tangent),))[1])

    def hvp(self, function: Vector, x: Array, direction: Array) -> Array:
        jax = _jax()
        gradient = jax.grad(lambda y: jax.numpy.sin(function(y)).sum())
        return np.asarray(jax.grad(lambda y: gradient(y) @ jax.numpy.array(direction))(jax.numpy.array(x)))

    def second(self, function: Vector, x: Array) -> Array:
        jax = _jax()
        return np.asarray(jax.jacrev(jax.jacrev(function))(jax.numpy.array(x)))


LIBRARIES: tuple[Library, ...] = (_Torch(), _Autograd(), _Jax())


def _jax() -> Any:
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


def _numbers(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach())


_trainable = partial(qml.numpy.array, requires_grad=True)
