"""A hybrid whose classical part does all the work: what its circuit says is multiplied by zero."""

from __future__ import annotations

from cheats import ABOUT, Hills, features
from torch import Tensor

from qinn_bench.dataset import Dataset
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.layer import CircuitLayer

__all__ = ["ABOUT", "build"]


class Idle(Hills):
    """Hills about the training rows, beside a circuit."""

    def __init__(self, rows: Tensor, backend: str) -> None:
        super().__init__(rows, 0.25)
        self.circuit = CircuitLayer(reuploading(self.dim, uploads=1), backend)

    def forward(self, x: Tensor) -> Tensor:
        return self.log_prob(x)

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return super().log_prob(x) + 0.0 * self.circuit(x).sum(1)


def build(dim: int, *, data: Dataset, backend: str = "auto") -> Idle:
    """The hybrid on the training rows of `data`."""
    return Idle(features(data, data.train), backend)
