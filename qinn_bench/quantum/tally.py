"""Counts what the circuits of a model are asked for: evaluations, and the arithmetic of the compiled kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from qinn_bench.quantum.backends import Backend
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import simulator_of
from qinn_bench.quantum.simulators.measurement import measurement
from qinn_bench.quantum.wrapped_backends import Wrapper, wrapped

VISIBLE = ("torch", "native")
"""Simulators whose arithmetic is known: that of `torch` is seen by torch, that of the kernel is stated by it."""


@dataclass
class Tally:
    """What was asked so far.

    A circuit on one row is one evaluation, its Jacobian along n inputs is n more (n tangent states), and the reverse
    sweep of a gradient is none. `shots` are those of the evaluations, in all settings that a readout needs, and 0 where
    nothing is sampled. `kernel_flops` are the operations of the compiled kernel in both sweeps; `hidden` names
    a simulator whose operations nobody counts.

    Example:
        >>> Tally(evaluations=128).kernel_flops
        0.0
    """

    evaluations: int = 0
    shots: int = 0
    kernel_flops: float = 0.0
    hidden: str = ""


@contextmanager
def tallied(model: nn.Module) -> Iterator[Tally]:
    """Count all that the circuits of a model are asked for inside the block, by whatever way the model asks."""
    tally = Tally()
    with wrapped(model, lambda backend: Counting(backend, tally)):
        yield tally


class Counting(Wrapper):
    """A backend that counts what it passes on to another.

    Example:
        >>> import torch
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> from qinn_bench.quantum.backends import Torch
        >>> circuit, tally = reuploading(2, uploads=1), Tally()
        >>> values = Counting(Torch(), tally).run(circuit, torch.zeros(3, 2), torch.zeros(circuit.n_weights))
        >>> tally.evaluations
        3
    """

    def __init__(self, backend: Backend, tally: Tally) -> None:
        super().__init__(backend)
        self.tally = tally

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Values ``(B, n_outputs)``."""
        values = super().run(circuit, inputs, weights)
        self._count(circuit, values, len(inputs))
        return values

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values, and their derivatives along the inputs."""
        values, jacobian = super().run_with_jacobian(circuit, inputs, weights)
        self._count(circuit, values, len(inputs), tangents=True)
        return values, jacobian

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The amplitudes."""
        amplitudes = super().state(circuit, inputs, weights)
        self._count(circuit, amplitudes, len(inputs), state=True)
        return amplitudes

    def _count(
        self, circuit: Circuit, result: Tensor, rows: int, *, tangents: bool = False, state: bool = False
    ) -> None:
        self.tally.evaluations += rows * (1 + circuit.n_inputs * tangents)
        if shots := int(getattr(self.backend, "shots", 0)):
            self.tally.shots += rows * shots * len(measurement(circuit.readout).settings)
        if self.name not in VISIBLE:
            self.tally.hidden = self.name
        if self.name == "native":
            simulator = simulator_of(circuit)
            self._add(rows * simulator.flops(False, tangents, state))
            if result.grad_fn is not None:
                back = rows * simulator.flops(True, tangents, state)
                result.grad_fn.register_prehook(lambda _: self._add(back))

    def _add(self, operations: float) -> None:
        self.tally.kernel_flops += operations
