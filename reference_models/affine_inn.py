"""The simplest classical invertible network: couplings that scale and shift (RealNVP)."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.contracts import DensityModel
from qinn_bench.values import Role
from reference_models._flow import coupling_flow, dense

CITATION = "Dinh, Sohl-Dickstein, Bengio, Density estimation using Real NVP, arXiv:1605.08803"
PUBLISHED: dict[str, str] = {}
ROLE: Role = "model"
KNOBS: dict[str, tuple[int, ...]] = {
    "blocks": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20),
    "hidden": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128),
    "hidden_layers": (1, 2),
}
DEPTH = "blocks"
TINY: dict[str, int] = {"blocks": 2, "hidden": 2}
STEEPEST = 2.0


class Affine:
    """``y = x exp(s) + t`` with ``|s| < 2``, bounded smoothly because an unbounded exponent makes training diverge."""

    width = 2

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, 2) -> (n, k), (n, k)``: image and log-slope."""
        log_slope, shift = self._read(numbers)
        return x * log_slope.exp() + shift, log_slope

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, 2) -> (n, k)``."""
        log_slope, shift = self._read(numbers)
        return (y - shift) * (-log_slope).exp()

    def _read(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return STEEPEST * torch.tanh(numbers[..., 0] / STEEPEST), numbers[..., 1]


def build(dim: int, *, blocks: int = 8, hidden: int = 16, hidden_layers: int = 1) -> DensityModel:
    """Affine couplings, steered by dense networks of `hidden` units.

    Raises:
        Refused: fewer than two features.
    """
    return coupling_flow(dim, Affine(), dense(hidden, hidden_layers), blocks)
