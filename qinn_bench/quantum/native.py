"""The compiled simulator under torch; its results are once differentiable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.lowering import AVAILABLE as AVAILABLE
from qinn_bench.quantum.lowering import instruction_sets as instruction_sets
from qinn_bench.quantum.lowering import simulator_of
from qinn_bench.values import Refused

if TYPE_CHECKING:
    from qinn_bench.quantum import _kernel


def run(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_outputs)``, once differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.

    Raises:
        Refused: the kernel was not built, or the tensors are not on the CPU.
    """
    return _call(circuit, inputs, weights, _Shape(circuit.n_outputs), threads)[0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_outputs)`` and their derivatives along the inputs ``(B, n_outputs, n_inputs)``.

    Both are once differentiable, so a function of values and Jacobian has its exact gradient.
    """
    shape = _Shape(circuit.n_outputs, tangents=circuit.n_inputs)
    values, *jacobian = _call(circuit, inputs, weights, shape, threads)
    return values, jacobian[0] if jacobian else values.new_zeros(*values.shape, 0)


def state(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included, once differentiable."""
    flat = _call(circuit, inputs, weights, _Shape(2 << circuit.n_wires, state=True), threads)[0]
    return torch.view_as_complex(flat.view(len(inputs), -1, 2))


@dataclass(frozen=True)
class _Shape:
    """What one call returns per row: `width` numbers, and their derivatives along `tangents` inputs."""

    width: int
    tangents: int = 0
    state: bool = False


def _call(circuit: Circuit, inputs: Tensor, weights: Tensor, shape: _Shape, threads: int) -> tuple[Tensor, ...]:
    if inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64):
        raise Refused(f"the compiled simulator takes float32 or float64 on the CPU, not {inputs.dtype} {inputs.device}")
    if inputs.shape != (len(inputs), circuit.n_inputs) or weights.shape != (circuit.n_weights,):
        raise Refused(
            f"inputs {tuple(inputs.shape)} and weights {tuple(weights.shape)} do not fit a circuit of "
            f"{circuit.n_inputs} inputs and {circuit.n_weights} weights"
        )
    job = _Job(simulator_of(circuit), shape, threads)
    inputs, weights = inputs.contiguous(), weights.to(inputs).contiguous()
    if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
        results: tuple[Tensor, ...] = _Simulate.apply(inputs, weights, job)  # type: ignore[no-untyped-call]
        return results
    return job.forward(inputs.detach(), weights.detach(), inputs.new_empty(0))


@dataclass(frozen=True)
class _Job:
    """One kernel and what is asked of it."""

    simulator: _kernel.Simulator
    shape: _Shape
    threads: int

    def saved(self, inputs: Tensor) -> Tensor:
        single = inputs.dtype == torch.float32
        size_of = self.simulator.saved_size_single if single else self.simulator.saved_size_double
        return inputs.new_empty(size_of(len(inputs), 1 + self.shape.tangents))

    def forward(self, inputs: Tensor, weights: Tensor, saved: Tensor) -> tuple[Tensor, ...]:
        rows, width, tangents = len(inputs), self.shape.width, self.shape.tangents
        values, jacobian = inputs.new_empty(rows, width), inputs.new_empty(rows * width * tangents)
        arrays = (inputs.numpy(), weights.numpy(), values.numpy(), jacobian.numpy(), saved.numpy())
        self.simulator.forward(*arrays, self.shape.state, self.threads)
        return (values, jacobian.view(rows, width, tangents)) if tangents else (values,)

    def reverse(self, inputs: Tensor, weights: Tensor, saved: Tensor, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        by_values, *by_jacobian = (gradient.contiguous() for gradient in gradients)
        by_inputs, by_weights = torch.empty_like(inputs), torch.empty_like(weights)
        by_tangents = by_jacobian[0] if by_jacobian else inputs.new_empty(0)
        given = (inputs.detach().numpy(), weights.detach().numpy(), saved.numpy())
        cotangents = (by_values.numpy(), by_tangents.numpy())
        wanted = (by_inputs.numpy(), by_weights.numpy())
        self.simulator.reverse(*given, *cotangents, *wanted, self.shape.state, self.threads)
        return by_inputs, by_weights


class _Simulate(torch.autograd.Function):
    """The kernel under autograd: final states are kept, the rest is un-computed."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: Tensor, job: _Job) -> tuple[Tensor, ...]:
        saved = job.saved(inputs)
        results = job.forward(inputs.detach(), weights.detach(), saved)
        ctx.save_for_backward(inputs, weights, saved)
        ctx.job = job
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        return *ctx.job.reverse(*ctx.saved_tensors, *gradients), None
