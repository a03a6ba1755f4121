"""The compiled simulator under torch: first derivatives by the kernel, higher ones by the torch simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import ABSENCE as ABSENCE
from qinn_bench.quantum.compiler.lowering import AVAILABLE as AVAILABLE
from qinn_bench.quantum.compiler.lowering import BUILT_FROM as BUILT_FROM
from qinn_bench.quantum.compiler.lowering import amplitudes_fill_lanes, simulator_of
from qinn_bench.quantum.compiler.lowering import instruction_sets as instruction_sets
from qinn_bench.quantum.simulators import statevector
from qinn_bench.quantum.simulators.forecast import require_room
from qinn_bench.values import Refused

if TYPE_CHECKING:
    from qinn_bench.quantum import _kernel

DRIFT = 5e-5
"""A call in complex64 is computed again in complex128 where the squared norm of a final state is further from 1, or an
un-computed state further from where its circuit starts."""


def run(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_outputs)``.

    float32 inputs are simulated in complex64, float64 inputs in complex128, on as many threads as asked, or else as
    torch uses (``torch.set_num_threads``); the results do not depend on their number.

    Raises:
        Refused: the kernel was not built, or the tensors are not on the CPU.
    """
    return _call(circuit, inputs, weights, _Shape(circuit.n_outputs), threads)[0]


def run_with_jacobian(
    circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None
) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_outputs)`` and their derivatives along the inputs ``(B, n_outputs, n_inputs)``.

    Both are differentiable, so a function of values and Jacobian has its exact gradient.
    """
    shape = _Shape(circuit.n_outputs, tangents=circuit.n_inputs)
    values, *jacobian = _call(circuit, inputs, weights, shape, threads)
    return values, jacobian[0] if jacobian else values.new_zeros(*values.shape, 0)


def state(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    flat = _call(circuit, inputs, weights, _Shape(2 << circuit.n_wires, state=True), threads)[0]
    return torch.view_as_complex(flat.view(len(inputs), 1 << circuit.n_wires, 2))


@dataclass(frozen=True)
class _Shape:
    """What one call returns per row: `width` numbers, and their derivatives along `tangents` inputs."""

    width: int
    tangents: int = 0
    state: bool = False


def _call(circuit: Circuit, inputs: Tensor, weights: Tensor, shape: _Shape, threads: int | None) -> tuple[Tensor, ...]:
    if inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64):
        raise Refused(f"the compiled simulator takes float32 or float64 on the CPU, not {inputs.dtype} {inputs.device}")
    if inputs.shape != (len(inputs), circuit.n_inputs) or weights.shape != (circuit.n_weights,):
        raise Refused(
            f"inputs {tuple(inputs.shape)} and weights {tuple(weights.shape)} do not fit a circuit of "
            f"{circuit.n_inputs} inputs and {circuit.n_weights} weights"
        )
    keep = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    require_room("native", circuit, inputs, weights, jacobian=shape.tangents > 0)
    job = _Job(circuit, shape, threads or torch.get_num_threads(), simulator_of(circuit))
    inputs, weights = inputs.contiguous(), weights.to(inputs).contiguous()
    results: tuple[Tensor, ...] = _Simulate.apply(inputs, weights, job, keep)  # type: ignore[no-untyped-call]
    return results[:-1]


@dataclass(frozen=True)
class _Job:
    """One circuit and what is asked of it."""

    circuit: Circuit
    shape: _Shape
    threads: int
    simulator: _kernel.Simulator

    def wide(self, inputs: Tensor) -> bool:
        """Whether rows go one by one with their amplitudes in the lanes, or many together with a row in each lane."""
        single = inputs.dtype == torch.float32
        lanes = self.simulator.lanes_single if single else self.simulator.lanes_double
        return not self.shape.tangents and amplitudes_fill_lanes(self.circuit.n_wires, len(inputs), lanes)

    def saved(self, inputs: Tensor) -> Tensor:
        single = inputs.dtype == torch.float32
        size_of = self.simulator.saved_size_single if single else self.simulator.saved_size_double
        return _empty(inputs, size_of(len(inputs), 1 + self.shape.tangents, self.wide(inputs)))

    def forward(self, inputs: Tensor, weights: Tensor, saved: Tensor) -> tuple[Tensor, ...]:
        """Values and, with tangents, the Jacobian; final states go to `saved`."""
        results, drift = self.sweep(inputs, weights, saved)
        if inputs.dtype == torch.float64 or drift <= DRIFT:
            return results
        exact, _ = self.sweep(inputs.double(), weights.double(), inputs.new_empty(0).double())
        return tuple(result.to(inputs) for result in exact)

    def reverse(self, inputs: Tensor, weights: Tensor, saved: Tensor, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of inputs and weights."""
        results, drift = self.sweep_back(inputs, weights, saved, *gradients)
        if inputs.dtype == torch.float64 or drift <= DRIFT:
            return results
        x, w = inputs.detach().double(), weights.detach().double()
        exact = self.saved(x)
        self.sweep(x, w, exact)
        (by_inputs, by_weights), _ = self.sweep_back(x, w, exact, *(gradient.double() for gradient in gradients))
        return by_inputs.to(inputs), by_weights.to(inputs)

    def sweep(self, inputs: Tensor, weights: Tensor, saved: Tensor) -> tuple[tuple[Tensor, ...], float]:
        """The kernel's results, and the largest deviation of a final state's squared norm from 1."""
        rows, width, tangents = len(inputs), self.shape.width, self.shape.tangents
        values, jacobian = _empty(inputs, rows, width), _empty(inputs, rows * width * tangents)
        arrays = (inputs.numpy(), weights.numpy(), values.numpy(), jacobian.numpy(), saved.numpy())
        drift = self.simulator.forward(*arrays, self.shape.state, self.wide(inputs), self.threads)
        return (values, jacobian.view(rows, width, tangents)) if tangents else (values,), drift

    def sweep_back(
        self, inputs: Tensor, weights: Tensor, saved: Tensor, *gradients: Tensor
    ) -> tuple[tuple[Tensor, Tensor], float]:
        """The kernel's gradients, and the largest distance of an un-computed state from where its circuit starts."""
        by_values, *by_jacobian = (gradient.contiguous() for gradient in gradients)
        by_inputs, by_weights = torch.empty_like(inputs), torch.empty_like(weights)
        by_tangents = by_jacobian[0] if by_jacobian else inputs.new_empty(0)
        given = (inputs.detach().numpy(), weights.detach().numpy(), saved.numpy())
        cotangents = (by_values.numpy(), by_tangents.numpy())
        wanted = (by_inputs.numpy(), by_weights.numpy())
        drift = self.simulator.reverse(*given, *cotangents, *wanted, self.shape.state, self.wide(inputs), self.threads)
        return (by_inputs, by_weights), drift

    def twin(self, inputs: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """What `forward` gives, by torch operations."""
        if self.shape.state:
            amplitudes = statevector.state(self.circuit, inputs, weights)
            return (torch.stack((amplitudes.real, (-1j * amplitudes).real), -1).flatten(1),)
        if self.shape.tangents:
            return statevector.run_with_jacobian(self.circuit, inputs, weights)
        return (statevector.run(self.circuit, inputs, weights),)

    def pull_by_twin(self, inputs: Tensor, weights: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
        """What `reverse` gives, by torch operations."""
        pulled: tuple[Tensor, ...] = torch.func.vjp(self.twin, inputs, weights)[1](gradients)
        return pulled


def _empty(like: Tensor, *shape: int) -> Tensor:
    try:
        return like.new_empty(shape)
    except RuntimeError as error:
        raise MemoryError(f"no memory for {shape} numbers of {like.dtype}") from error


class _Simulate(torch.autograd.Function):
    """The kernel under autograd: results, then the final states, from which the reverse sweep un-computes the rest.

    Without `keep` no states are kept, and a derivative that is wanted all the same runs the circuit again.
    """

    @staticmethod
    def forward(inputs: Tensor, weights: Tensor, job: _Job, keep: bool) -> tuple[Tensor, ...]:
        saved = job.saved(inputs) if keep else inputs.new_empty(0)
        return *job.forward(inputs.detach(), weights.detach(), saved), saved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weights, ctx.job, _ = inputs
        ctx.mark_non_differentiable(output[-1])
        # Otherwise torch makes zeros as large as the kept states.
        ctx.set_materialize_grads(False)
        ctx.shapes = [result.shape for result in output[:-1]]
        ctx.save_for_backward(x, weights, output[-1])
        ctx.save_for_forward(x, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, weights, saved = ctx.saved_tensors
        made = (inputs.new_zeros(s) if g is None else g for s, g in zip(ctx.shapes, gradients[:-1], strict=True))
        given = (inputs, weights, saved, ctx.job, *made)
        if torch.is_grad_enabled():
            return *_Pull.apply(*given), None, None  # type: ignore[no-untyped-call]
        return *_Pull.forward(*given), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        at = ctx.saved_tensors[:2]
        along = tuple(torch.zeros_like(x) if t is None else t for x, t in zip(at, tangents[:2], strict=True))
        return *torch.func.jvp(ctx.job.twin, at, along)[1], None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """Batches of inputs become rows of one call, which keeps no states; batches of weights go one by one."""
        inputs, weights, job, _ = given
        if in_dims[1] is not None:
            return _one_by_one(_Simulate.apply, info.batch_size, in_dims, given)
        rows = inputs.movedim(in_dims[0], 0).contiguous()
        *results, saved = _Simulate.apply(rows.flatten(0, 1), weights, job, False)  # type: ignore[no-untyped-call]
        split = (result.unflatten(0, rows.shape[:2]) for result in results)
        return (*split, saved), (*[0] * len(results), None)


class _Pull(torch.autograd.Function):
    """The reverse sweep: from gradients of results to those of inputs and weights; its derivatives are the twin's."""

    @staticmethod
    def forward(inputs: Tensor, weights: Tensor, saved: Tensor, job: _Job, *gradients: Tensor) -> tuple[Tensor, ...]:
        if not len(saved):
            saved = job.saved(inputs)
            job.forward(inputs.detach(), weights.detach(), saved)
        return job.reverse(inputs, weights, saved, *gradients)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        x, weights, _, ctx.job, *gradients = inputs
        ctx.save_for_backward(x, weights, *gradients)
        ctx.save_for_forward(x, weights, *gradients)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, *gradients = torch.func.vjp(ctx.job.pull_by_twin, *ctx.saved_tensors)[1](cotangents)
        return x, weights, None, None, *gradients

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, ...]:
        by_inputs, by_weights, _, _, *by_gradients = tangents
        along: tuple[Tensor, ...] = (by_inputs, by_weights, *by_gradients)
        pushed: tuple[Tensor, ...] = torch.func.jvp(ctx.job.pull_by_twin, ctx.saved_tensors, along)[1]
        return pushed

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """One by one, because each slice has its own gradient of the weights."""
        return _one_by_one(_Pull.apply, info.batch_size, in_dims, given)


def _one_by_one(
    function: Callable[..., tuple[Tensor, ...]], size: int, in_dims: tuple[int | None, ...], given: tuple[Any, ...]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """A function applied to each slice of what is batched, the results stacked."""
    parts = [
        function(*(x if at is None else x.select(at, k) for x, at in zip(given, in_dims, strict=True)))
        for k in range(size)
    ]
    stacked = tuple(torch.stack(column) for column in zip(*parts, strict=True))
    return stacked, (0,) * len(stacked)


# torch asks for these signatures at each call, and finding them out costs as much as a small circuit.
_Simulate.forward.__signature__ = signature(_Simulate.forward)  # type: ignore[attr-defined]
_Pull.forward.__signature__ = signature(_Pull.forward)  # type: ignore[attr-defined]
