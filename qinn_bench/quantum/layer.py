"""A circuit as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.visibility import blind_weights


class CircuitLayer(nn.Module):
    """A circuit with its trainable weights, which start at zero, on the simulator of that name.

    Attributes:
        circuit: what is run.
        weights: the flat weight vector, ``(circuit.n_weights,)``.
        compared: whether a model compares its states, which see every weight, beside its readout.

    Raises:
        Refused: the backend does not exist or cannot run here.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> layer = CircuitLayer(reuploading(2, uploads=1), backend="torch")
        >>> layer(torch.zeros(3, 2)).shape, layer.jacobian(torch.zeros(3, 2))[1].shape
        (torch.Size([3, 2]), torch.Size([3, 2, 2]))
    """

    is_quantum = True
    compared = False

    def __init__(self, circuit: Circuit, backend: str = "auto") -> None:
        super().__init__()
        self.circuit = circuit
        self.backend = backends.get(backend)
        self.weights = nn.Parameter(torch.zeros(circuit.n_weights))

    @property
    def blind(self) -> int:
        """How many of the weights have no effect on anything that the model uses."""
        return 0 if self.compared else blind_weights(self.circuit)

    def block(self, name: str) -> Tensor:
        """The weights of a named block in its shape; a view."""
        shape = next((block.shape for block in self.circuit.weights if block.name == name), ())
        return self.weights[self.circuit.block(name)].view(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Expectation values: ``(B, n_inputs) -> (B, n_readout)``."""
        return self.backend.run(self.circuit, x, self.weights)

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Expectation values and their derivatives along the inputs, ``(B, n_readout, n_inputs)``."""
        return self.backend.run_with_jacobian(self.circuit, x, self.weights)

    def state(self, x: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``."""
        return self.backend.state(self.circuit, x, self.weights)


def circuit_layers(model: nn.Module) -> dict[str, CircuitLayer]:
    """The circuits of a model by the name of their module, in the order of the model."""
    return {name: module for name, module in model.named_modules() if isinstance(module, CircuitLayer)}


def fidelity(psi: Tensor, phi: Tensor) -> Tensor:
    """``|<psi|phi>|^2`` of states ``(B, 2^n)``: ``(B,)``, between 0 and 1."""
    overlap: Tensor = (psi.conj() * phi).sum(-1)
    return overlap.real.square() + overlap.imag.square()
