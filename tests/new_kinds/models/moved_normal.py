"""A normal whose mean is linear in the condition: the smallest conditional density."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import DensityModel

ABOUT = About(citation="nobody")


class MovedNormal(DensityModel):
    """``z = (x - A c - b) exp(-s)``."""

    def __init__(self, dim: int, condition: int) -> None:
        super().__init__(dim)
        self.mean = nn.Linear(condition, dim) if condition else None
        self.shift, self.log_scale = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    def _centre(self, condition: Tensor | None) -> Tensor:
        return self.shift if condition is None or self.mean is None else self.shift + self.mean(condition)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = (x - self._centre(condition)) * torch.exp(-self.log_scale)
        return z, -self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return z * torch.exp(self.log_scale) + self._centre(condition)


def build(dim: int, *, condition: int = 0) -> MovedNormal:
    """A normal of `dim` features given `condition` numbers."""
    return MovedNormal(dim, condition)
