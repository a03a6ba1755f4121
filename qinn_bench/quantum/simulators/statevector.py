"""The exact statevector of a batch of circuits in torch, with its derivatives along the inputs."""

from __future__ import annotations

from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.plan import plan
from qinn_bench.quantum.simulators.forecast import require_room
from qinn_bench.quantum.simulators.readout import read


def run(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_outputs)``, differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.
    """
    return read(circuit, _evolve(circuit, inputs, weights, tangents=False))[:, 0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_outputs)`` and their derivatives along the inputs ``(B, n_outputs, n_inputs)``."""
    values = read(circuit, _evolve(circuit, inputs, weights, tangents=True))
    return values[:, 0], 2 * values[:, 1:].mT


def state(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    return _evolve(circuit, inputs, weights, tangents=False).flatten(1)


def state_from(start: Tensor, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)`` that a circuit makes of these, ``(B or 1, 2^n_wires)``, differentiable."""
    return _evolve(circuit, inputs, weights, tangents=False, start=start).flatten(1)


def _evolve(
    circuit: Circuit, inputs: Tensor, weights: Tensor, *, tangents: bool, start: Tensor | None = None
) -> Tensor:
    """The final psi and, if asked for, d psi / d x_j beside it: ``(B, high, 1 + n or 1, low)``."""
    require_room("torch", circuit, inputs, weights, jacobian=tangents)
    laid = plan(circuit, tangents, inputs.dtype, inputs.device)
    # The plan's start is |0...0> times the global phase of its circuit.
    given = laid.start if start is None else laid.start.flatten()[0] * start.reshape(-1, *laid.start.shape[1:])
    states = given.expand(len(inputs), *laid.start.shape[1:])
    for operation, operand in zip(laid.operations, laid.operands(inputs, weights), strict=True):
        states = operation.apply(states, operand)
    return states
