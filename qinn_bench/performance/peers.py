"""Simulators of others, written for the engine's circuit: JAX by hand and qulacs (extra ``[peers]``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from qinn_bench.values import Array, Refused

PEERS = ("jax", "qulacs")
GROUPED = 6
"""Wires from which on matrix products of groups of wires beat elementwise products in JAX (measured)."""


class Problem(NamedTuple):
    """Numbers of one batch, all in float64.

    `inputs` and `targets` (B, n); `scale` and `shift` (layers, n) of the uploads RY(scale x + shift); `angles`
    (layers, n, 3) of the RZ, RY, RZ that follow.
    """

    inputs: Array
    scale: Array
    shift: Array
    angles: Array
    targets: Array

    @property
    def weights(self) -> Array:
        """Scale, shift and angles as one flat vector."""
        return np.concatenate([self.scale.ravel(), self.shift.ravel(), self.angles.ravel()])


def step(name: str, problem: Problem, mode: str, precision: str) -> Callable[[], tuple[Any, ...]]:
    """One step of a mode (see `engine.step`) on a peer.

    Raises:
        Refused: the library is not installed, or it does not know the mode.
    """
    if find_spec(name) is None:
        raise Refused(f"{name} is not installed; it comes with the extra [peers]")
    return _jax_step(problem, mode, precision) if name == "jax" else _qulacs_step(problem, mode)


def ring_source(n: int) -> Array:
    """Where each amplitude comes from under the CNOTs (0, 1), (1, 2), ..., (n - 1, 0); wire 0 is the highest bit."""
    state = np.arange(2**n).reshape((2,) * n)
    for control in range(n if n > 2 else n - 1):
        target = (control + 1) % n
        moved = np.moveaxis(state, (control, target), (0, 1))
        state = np.moveaxis(np.stack([moved[0], moved[1][::-1]]), (0, 1), (control, target))
    return state.ravel()


@cache
def _jax() -> Any:
    """JAX in float64 on one thread: the size of its pool is that of the affinity mask it first meets."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    try:
        jax = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
    return jax


def _jax_step(problem: Problem, mode: str, precision: str) -> Callable[[], tuple[Any, ...]]:
    """A jitted statevector: the gates of a wire are one 2x2 matrix a sample, the ring one permutation."""
    jax = _jax()
    jnp, real = jax.numpy, "float32" if precision == "complex64" else "float64"
    inputs, weights, targets = (
        jnp.asarray(array, dtype=real) for array in (problem.inputs, problem.weights, problem.targets)
    )
    n_layers, n = problem.scale.shape
    values = partial(_jax_values, jnp, jnp.asarray(ring_source(n)), n_layers, precision)
    batched = jax.vmap(values, (0, None))

    def squared_error(weights: Any, inputs: Any) -> Any:
        return jnp.mean((batched(inputs, weights) - targets) ** 2)

    def likelihood(weights: Any) -> Any:
        z = batched(inputs, weights)
        jacobian = jax.vmap(jax.jacfwd(values), (0, None))(inputs, weights)
        return jnp.mean(jnp.sum(z**2, 1)) / 2 - jnp.mean(jnp.linalg.slogdet(jacobian)[1])

    forward = jax.jit(batched)
    gradient = jax.jit(jax.value_and_grad(squared_error, (0, 1)))
    nll = jax.jit(jax.value_and_grad(likelihood))

    def forward_step() -> tuple[Any, ...]:
        return (forward(inputs, weights).block_until_ready(),)

    def gradient_step() -> tuple[Any, ...]:
        loss, gradients = jax.block_until_ready(gradient(weights, inputs))
        return loss, *gradients

    def nll_step() -> tuple[Any, ...]:
        return tuple(jax.block_until_ready(nll(weights)))

    return {"forward": forward_step, "gradient": gradient_step, "nll": nll_step}[mode]


def _jax_values(jnp: Any, source: Any, n_layers: int, precision: str, x: Any, weights: Any) -> Any:
    """<Z> of each wire for one sample: ``(n,) -> (n,)``."""
    n = len(x)
    scale, shift = weights[: 2 * n_layers * n].reshape(2, n_layers, n)
    angles = weights[2 * n_layers * n :].reshape(n_layers, n, 3)
    state = jnp.zeros(2**n, precision).at[0].set(1)
    for layer in range(n_layers):
        matrices = _jax_matrices(jnp, scale[layer] * x + shift[layer], angles[layer])
        state = (_jax_wires if n < GROUPED else _jax_groups)(jnp, state, matrices)[source]
    probabilities = jnp.real(state) ** 2 + jnp.imag(state) ** 2
    sums = (probabilities.reshape(2**wire, 2, -1).sum((0, 2)) for wire in range(n))
    return jnp.stack([low - high for low, high in sums])


def _jax_wires(jnp: Any, state: Any, matrices: Any) -> Any:
    """The 2x2 matrices one wire after the other, element by element."""
    for wire, ((m00, m01), (m10, m11)) in enumerate(matrices):
        split = state.reshape(2**wire, 2, -1)
        low, high = split[:, 0], split[:, 1]
        state = jnp.stack([m00 * low + m01 * high, m10 * low + m11 * high], 1).ravel()
    return state


def _jax_groups(jnp: Any, state: Any, matrices: Any) -> Any:
    """The Kronecker products of three neighbouring wires at a time, as matrix products."""
    for first in range(0, len(matrices), 3):
        matrix = matrices[first]
        for other in matrices[first + 1 : first + 3]:
            matrix = jnp.kron(matrix, other)
        state = jnp.einsum("ij,ajb->aib", matrix, state.reshape(2**first, len(matrix), -1)).ravel()
    return state


def _jax_matrices(jnp: Any, upload: Any, angles: Any) -> Any:
    """RZ RY RZ RY(upload) of each wire as one matrix: ``(n,), (n, 3) -> (n, 2, 2)``."""
    first, middle, last = angles.T
    up, turn = _jax_ry(jnp, upload), _jax_ry(jnp, middle)
    return _jax_phases(jnp, last)[:, :, None] * turn * _jax_phases(jnp, first)[:, None, :] @ up


def _jax_ry(jnp: Any, angle: Any) -> Any:
    cos, sin = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.stack([jnp.stack([cos, -sin], -1), jnp.stack([sin, cos], -1)], -2)


def _jax_phases(jnp: Any, angle: Any) -> Any:
    """The diagonal of RZ."""
    return jnp.exp(0.5j * jnp.stack([-angle, angle], -1))


def _qulacs_step(problem: Problem, mode: str) -> Callable[[], tuple[Any, ...]]:
    """One parametric circuit, its samples in a Python loop; gradients by qulacs's own reverse pass."""
    if mode == "nll":
        raise Refused("qulacs gives first derivatives only, so it has no gradient of a Jacobian")
    work = _Qulacs(problem)
    return work.forward if mode == "forward" else work.gradient


class _Qulacs:
    """The circuit of qulacs, whose angles have the opposite sign and whose qubits are counted from the lowest bit."""

    def __init__(self, problem: Problem) -> None:
        self.library, self.problem = import_module("qulacs"), problem
        n_layers, n = problem.scale.shape
        self.circuit = self.library.ParametricQuantumCircuit(n)
        self.state = self.library.QuantumState(n)
        self.uploads = np.arange(n_layers * n * 4).reshape(n_layers, n, 4)
        for layer in range(n_layers):
            for wire in range(n):
                first, middle, last = -problem.angles[layer, wire]
                self.circuit.add_parametric_RY_gate(wire, 0.0)
                self.circuit.add_parametric_RZ_gate(wire, first)
                self.circuit.add_parametric_RY_gate(wire, middle)
                self.circuit.add_parametric_RZ_gate(wire, last)
            for wire in range(n if n > 2 else n - 1):
                self.circuit.add_CNOT_gate(wire, (wire + 1) % n)
        self.places = self.uploads[:, :, 0].ravel().tolist()

    def _load(self, x: Array) -> None:
        for place, angle in zip(self.places, (self.problem.scale * x + self.problem.shift).ravel(), strict=True):
            self.circuit.set_parameter(place, -angle)

    def _values(self, x: Array) -> Array:
        self._load(x)
        self.state.set_zero_state()
        self.circuit.update_quantum_state(self.state)
        return np.array([2 * self.state.get_zero_probability(wire) - 1 for wire in range(len(x))])

    def _by_angles(self, cotangent: Array) -> Array:
        """The gradient of ``sum_i cotangent_i <Z_i>`` with respect to every angle: ``(layers, n, 4)``."""
        observable = self.library.Observable(len(cotangent))
        for wire, factor in enumerate(cotangent):
            observable.add_operator(float(factor), f"Z {wire}")
        return -np.asarray(self.circuit.backprop(observable))[self.uploads]

    def forward(self) -> tuple[Any, ...]:
        """Values ``(B, n)``."""
        return (np.stack([self._values(x) for x in self.problem.inputs]),)

    def gradient(self) -> tuple[Any, ...]:
        """Loss, gradients with respect to weights and inputs."""
        problem, loss = self.problem, 0.0
        by_scale, by_shift, by_angles = (np.zeros_like(part) for part in problem[1:4])
        by_inputs = np.zeros_like(problem.inputs)
        for b, (x, target) in enumerate(zip(problem.inputs, problem.targets, strict=True)):
            miss = self._values(x) - target
            loss += float(np.sum(miss**2)) / problem.targets.size
            by_angle = self._by_angles(2 * miss / problem.targets.size)
            uploaded = by_angle[:, :, 0]
            by_shift += uploaded
            by_scale += uploaded * x
            by_inputs[b] = (uploaded * problem.scale).sum(0)
            by_angles += by_angle[:, :, 1:]
        return loss, np.concatenate([by_scale.ravel(), by_shift.ravel(), by_angles.ravel()]), by_inputs
