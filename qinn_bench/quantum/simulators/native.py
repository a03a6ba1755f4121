"""The compiled simulator under torch: first derivatives by the kernel, higher ones by the torch simulator."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import ABSENCE as ABSENCE
from qinn_bench.quantum.compiler.lowering import AVAILABLE as AVAILABLE
from qinn_bench.quantum.compiler.lowering import BUILT_FROM as BUILT_FROM
from qinn_bench.quantum.compiler.lowering import instruction_sets as instruction_sets
from qinn_bench.quantum.compiler.lowering import simulator_of
from qinn_bench.quantum.simulators.forecast import require_room
from qinn_bench.quantum.simulators.kernel_jobs import KernelJob, KernelShape, job_of
from qinn_bench.values import Refused

SMALL = 1 << 16
"""Amplitudes of all rows up to which a step costs more in torch than in the kernel."""


def run(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_outputs)``.

    float32 inputs are simulated in complex64, float64 inputs in complex128, on as many threads as asked, or else as
    torch uses (``torch.set_num_threads``); the results do not depend on their number.

    Raises:
        Refused: the kernel was not built, or the tensors are not on the CPU.
    """
    return _call(circuit, inputs, weights, KernelShape(circuit.n_outputs), threads)[0]


def run_with_jacobian(
    circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None
) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_outputs)`` and their derivatives along the inputs ``(B, n_outputs, n_inputs)``.

    Both are differentiable, so a function of values and Jacobian has its exact gradient.
    """
    shape = KernelShape(circuit.n_outputs, tangents=circuit.n_inputs)
    values, *jacobian = _call(circuit, inputs, weights, shape, threads)
    return values, jacobian[0] if jacobian else values.new_zeros(*values.shape, 0)


def state(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int | None = None) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    flat = _call(circuit, inputs, weights, KernelShape(2 << circuit.n_wires, state=True), threads)[0]
    return torch.view_as_complex(flat.view(len(inputs), 1 << circuit.n_wires, 2))


def _call(
    circuit: Circuit, inputs: Tensor, weights: Tensor, shape: KernelShape, threads: int | None
) -> tuple[Tensor, ...]:
    if inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64):
        raise Refused(f"the compiled simulator takes float32 or float64 on the CPU, not {inputs.dtype} {inputs.device}")
    if inputs.shape != (len(inputs), circuit.n_inputs) or weights.shape != (circuit.n_weights,):
        raise Refused(
            f"inputs {tuple(inputs.shape)} and weights {tuple(weights.shape)} do not fit a circuit of "
            f"{circuit.n_inputs} inputs and {circuit.n_weights} weights"
        )
    keep = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    require_room("native", circuit, inputs, weights, jacobian=shape.tangents > 0)
    job = job_of(circuit, shape, threads or torch.get_num_threads(), simulator_of(circuit))
    inputs, weights = inputs.contiguous(), weights.to(inputs).contiguous()
    if _transformed() or len(inputs) << circuit.n_wires > SMALL:
        results: tuple[Tensor, ...] = _Simulate.apply(inputs, weights, job, keep)  # type: ignore[no-untyped-call]
        return results[:-1]
    if not keep:
        return job.forward(inputs.detach(), weights.detach(), inputs.new_empty(0))
    direct: tuple[Tensor, ...] = _Direct.apply(inputs, weights, job)  # type: ignore[no-untyped-call]
    return direct


def _transformed() -> bool:
    """Whether torch.func or a forward-mode derivative is at work, which have to be told how a call transforms."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


class _Direct(torch.autograd.Function):
    """The kernel under plain autograd: what `_Simulate` gives, without what only transforms of torch.func ask for.

    At a small circuit most of a step is what torch does around a call.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: Tensor, job: KernelJob) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs, weights)
        # No tensor of the graph, so that torch need not look after it; it is small, and ends with the graph.
        ctx.job, ctx.states = job, job.saved(inputs)
        results = job.forward(inputs.detach(), weights.detach(), ctx.states)
        ctx.shapes = [result.shape for result in results]
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        made = (inputs.new_zeros(s) if g is None else g for s, g in zip(ctx.shapes, gradients, strict=True))
        if torch.is_grad_enabled():
            pulled = _Pull.apply(inputs, weights, ctx.states, ctx.job, *made)  # type: ignore[no-untyped-call]
            return *pulled, None
        return *ctx.job.reverse(inputs, weights, ctx.states, *made), None


class _Simulate(torch.autograd.Function):
    """The kernel under autograd: results, then the final states, from which the reverse sweep un-computes the rest.

    Without `keep` no states are kept, and a derivative that is wanted all the same runs the circuit again.
    """

    @staticmethod
    def forward(inputs: Tensor, weights: Tensor, job: KernelJob, keep: bool) -> tuple[Tensor, ...]:
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
    def forward(
        inputs: Tensor, weights: Tensor, saved: Tensor, job: KernelJob, *gradients: Tensor
    ) -> tuple[Tensor, ...]:
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
