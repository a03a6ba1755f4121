"""The quantum modules of a model, and how their backends are put behind another one for the length of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from qinn_bench.quantum.backends import Backend
from qinn_bench.quantum.circuit import Circuit


def quantum_modules(model: nn.Module) -> list[nn.Module]:
    """The modules of a model that say ``is_quantum = True``, in the order of the model."""
    return [module for module in model.modules() if getattr(module, "is_quantum", False)]


@contextmanager
def wrapped(model: nn.Module, wrap: Callable[[Backend], Backend]) -> Iterator[None]:
    """Let the quantum modules of a model ask `wrap(backend)` instead of their backend inside the block."""
    asking: list[Any] = [module for module in quantum_modules(model) if hasattr(module, "backend")]
    before = [module.backend for module in asking]
    try:
        for module in asking:
            module.backend = wrap(module.backend)
        yield
    finally:
        for module, backend in zip(asking, before, strict=True):
            module.backend = backend


class Wrapper:
    """A backend that passes on what it is asked to another, and gives back what that answers.

    Example:
        >>> from qinn_bench.quantum.backends import Torch
        >>> Wrapper(Torch()).name
        'torch'
    """

    def __init__(self, backend: Backend) -> None:
        self.backend, self.name = backend, backend.name

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Values ``(B, n_outputs)``."""
        return self.backend.run(circuit, inputs, weights)

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values, and their derivatives along the inputs ``(B, n_outputs, n_inputs)``."""
        return self.backend.run_with_jacobian(circuit, inputs, weights)

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The amplitudes ``(B, 2^n_wires)``."""
        return self.backend.state(circuit, inputs, weights)
