"""Circuits that steer the maps of a flow: what they read, and linear heads on what is read out of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from reference_models._parts.circuit_form import CircuitForm


class CircuitConditioner(nn.Module):
    """Reads numbers off features: a circuit of them, its readout, and a linear head that starts at zero.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> CircuitConditioner(5, reuploading(2, uploads=1), "torch")(torch.zeros(3, 2)).shape
        torch.Size([3, 5])
    """

    def __init__(self, n_out: int, circuit: Circuit, backend: str) -> None:
        super().__init__()
        self.circuit = CircuitLayer(circuit, backend)
        self.head = nn.Linear(len(circuit.readout), n_out)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.circuit.weights.normal_(0, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, n_in) -> (n, n_out)``."""
        numbers: Tensor = self.head(self.circuit(x))
        return numbers


class SideBySide(nn.Module):
    """Networks that each give one of the numbers of every map: ``(n, n_in) -> (n, n_maps * len(networks))``.

    The numbers of one map lie side by side, as couplings read them.

    Example:
        >>> SideBySide([nn.Linear(2, 3), nn.Linear(2, 3)])(torch.zeros(5, 2)).shape
        torch.Size([5, 6])
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """The first number of the first map, the second one of it, and so on."""
        return torch.stack([network(x) for network in self.networks], 2).flatten(1)


def circuit_of(form: CircuitForm, n_features: int, uploads: int, trim: bool) -> Circuit:
    """A circuit of this form; with `trim` without what its readout cannot see."""
    circuit = form.circuit(n_features, uploads=uploads)
    return trimmed(circuit)[0] if trim else circuit
