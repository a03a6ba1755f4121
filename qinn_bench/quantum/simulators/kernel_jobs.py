"""A circuit on the compiled kernel and what is asked of it: arrays in and out, and digits that are looked after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import amplitudes_fill_lanes
from qinn_bench.quantum.simulators import statevector

if TYPE_CHECKING:
    from qinn_bench.quantum import _kernel

DRIFT = 5e-5
"""A call in complex64 is computed again in complex128 where the squared norm of a final state is further from 1, or an
un-computed state further from where its circuit starts."""
KEPT = 64
"""Jobs, and layouts of each, that are kept."""
NOTHING: dict[torch.dtype, NDArray[np.floating[Any]]] = {
    torch.float32: np.empty(0, np.float32),
    torch.float64: np.empty(0, np.float64),
}


class KernelShape(NamedTuple):
    """What one call returns per row: `width` numbers, and their derivatives along `tangents` inputs.

    Example:
        >>> KernelShape(width=4, tangents=2).state
        False
    """

    width: int
    tangents: int = 0
    state: bool = False


@dataclass(frozen=True)
class KernelJob:
    """One circuit and what is asked of it.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> from qinn_bench.quantum.compiler.lowering import simulator_of
        >>> circuit = reuploading(2, uploads=1)
        >>> job = job_of(circuit, KernelShape(2), threads=1, simulator=simulator_of(circuit))
        >>> job.layout(torch.zeros(3, 2))[0]
        False
    """

    circuit: Circuit
    shape: KernelShape
    threads: int
    simulator: _kernel.Simulator
    layouts: dict[tuple[torch.dtype, int], tuple[bool, int]] = field(default_factory=dict)

    def layout(self, inputs: Tensor) -> tuple[bool, int]:
        """Whether rows go one by one with their amplitudes in the lanes, or many together with a row in each lane; and
        how many numbers their final states are."""
        key = inputs.dtype, inputs.shape[0]
        if key not in self.layouts:
            kernel, rows, tangents = self.simulator, len(inputs), self.shape.tangents
            single = inputs.dtype == torch.float32
            lanes = kernel.lanes_single if single else kernel.lanes_double
            wide = not tangents and amplitudes_fill_lanes(self.circuit.n_wires, rows, lanes)
            size_of = kernel.saved_size_single if single else kernel.saved_size_double
            if len(self.layouts) >= KEPT:
                self.layouts.clear()
            self.layouts[key] = wide, size_of(rows, 1 + tangents, wide)
        return self.layouts[key]

    def saved(self, inputs: Tensor) -> Tensor:
        """Room for the final states."""
        return _empty(inputs, self.layout(inputs)[1])

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
        rows, (width, tangents, state) = inputs.shape[0], self.shape
        results: tuple[Tensor, ...] = (_empty(inputs, rows, width),)
        if tangents:
            results = (*results, _empty(inputs, rows, width, tangents))
        values, jacobian = results[0].numpy(), results[-1].numpy() if tangents else NOTHING[inputs.dtype]
        arrays = (inputs.numpy(), weights.numpy(), values, jacobian, saved.numpy())
        return results, self.simulator.forward(*arrays, state, self.layout(inputs)[0], self.threads)

    def sweep_back(
        self, inputs: Tensor, weights: Tensor, saved: Tensor, *gradients: Tensor
    ) -> tuple[tuple[Tensor, Tensor], float]:
        """The kernel's gradients, and the largest distance of an un-computed state from where its circuit starts."""
        inputs, weights = inputs.detach(), weights.detach()
        by_inputs, by_weights = torch.empty_like(inputs), torch.empty_like(weights)
        by_tangents = gradients[1].contiguous().numpy() if self.shape.tangents else NOTHING[inputs.dtype]
        given = (gradients[0].contiguous().numpy(), by_tangents)
        states, wanted = (inputs.numpy(), weights.numpy(), saved.numpy()), (by_inputs.numpy(), by_weights.numpy())
        wide = self.layout(inputs)[0]
        drift = self.simulator.reverse(*states, *given, *wanted, self.shape.state, wide, self.threads)
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


_JOBS: dict[tuple[int, KernelShape, int], KernelJob] = {}


def job_of(circuit: Circuit, shape: KernelShape, threads: int, simulator: _kernel.Simulator) -> KernelJob:
    """The job for a circuit, kept for those asked for last; what is kept holds the simulator, and so its id."""
    key = (id(simulator), shape, threads)
    job = _JOBS.get(key)
    if job is None:
        while len(_JOBS) >= KEPT:
            _JOBS.pop(next(iter(_JOBS)))
        job = _JOBS[key] = KernelJob(circuit, shape, threads, simulator)
    return job


def _empty(like: Tensor, *shape: int) -> Tensor:
    try:
        return like.new_empty(shape)
    except RuntimeError as error:
        raise MemoryError(f"no memory for {shape} numbers of {like.dtype}") from error
