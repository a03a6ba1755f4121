"""Counts what the circuits of a model are asked for: evaluations, and the arithmetic of the compiled kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from qinn_bench.quantum.backends import Backend
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import simulator_of

VISIBLE = ("torch", "native")
"""Simulators whose arithmetic is known: that of `torch` is seen by torch, that of the kernel is stated by it."""


@dataclass
class Tally:
    """What was asked so far.

    A circuit on one row is one evaluation, its Jacobian along n inputs is n more (n tangent states), and the reverse
    sweep of a gradient is none. `kernel_flops` are the operations of the compiled kernel in both sweeps; `hidden` names
    a simulator whose operations nobody counts.

    Example:
        >>> Tally(evaluations=128).kernel_flops
        0.0
    """

    evaluations: int = 0
    kernel_flops: float = 0.0
    hidden: str = ""


@contextmanager
def tallied(model: nn.Module) -> Iterator[Tally]:
    """Count all that the circuits of a model are asked for inside the block, by whatever way the model asks."""
    tally = Tally()
    layers = [module for module in model.modules() if getattr(module, "is_quantum", False)]
    with_backend: list[Any] = [layer for layer in layers if hasattr(layer, "backend")]
    before = [layer.backend for layer in with_backend]
    try:
        for layer in with_backend:
            layer.backend = _Counting(layer.backend, tally)
        yield tally
    finally:
        for layer, backend in zip(with_backend, before, strict=True):
            layer.backend = backend


class _Counting:
    """A backend that counts what it passes on to another."""

    def __init__(self, backend: Backend, tally: Tally) -> None:
        self.backend, self.tally, self.name = backend, tally, backend.name

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        values = self.backend.run(circuit, inputs, weights)
        self._count(circuit, values, len(inputs))
        return values

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        values, jacobian = self.backend.run_with_jacobian(circuit, inputs, weights)
        self._count(circuit, values, len(inputs), tangents=True)
        return values, jacobian

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        amplitudes = self.backend.state(circuit, inputs, weights)
        self._count(circuit, amplitudes, len(inputs), state=True)
        return amplitudes

    def _count(
        self, circuit: Circuit, result: Tensor, rows: int, *, tangents: bool = False, state: bool = False
    ) -> None:
        self.tally.evaluations += rows * (1 + circuit.n_inputs * tangents)
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
