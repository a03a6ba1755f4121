"""Layers whose weights have a spectral norm of 1, estimated by steps of a power iteration that are taken when asked."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

AT_FIRST = 15
"""Steps of the power iteration before training."""


class SpectralNorm(nn.Module):
    """``W / |W v|`` with v after one step of the power iteration from a vector that is kept.

    What a layer gives depends on its weights and on that vector alone: unlike `torch.nn.utils`, which steps at every
    call, `advance` does when a training step begins. Source: Miyato et al., arXiv:1802.05957, algorithm 1.

    Example:
        >>> layer = normed(nn.Linear(2, 1))
        >>> round(float(torch.linalg.matrix_norm(layer.weight.detach(), 2)), 4)
        1.0
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", F.normalize(torch.randn(len(weight)), dim=0))
        for _ in range(0 if weight.is_meta else AT_FIRST):
            self.advance(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight ``(out, ...)`` over its spectral norm."""
        matrix = weight.flatten(1)
        left, right = self._stepped(matrix)
        norm: Tensor = left @ matrix @ right
        return weight / norm

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """Take a step of the power iteration."""
        self.get_buffer("left").copy_(self._stepped(weight.flatten(1))[0])

    @torch.no_grad()
    def _stepped(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        right = F.normalize(matrix.mT @ self.get_buffer("left"), dim=0)
        return F.normalize(matrix @ right, dim=0), right


def normed(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """The layer with its weight held to a spectral norm of 1."""
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight.detach()))
    return layer


@torch.no_grad()
def advance(model: nn.Module) -> None:
    """Take a step of the power iteration in every layer of a model."""
    for held in model.modules():
        if isinstance(held, parametrize.ParametrizationList):
            for step in held:
                if isinstance(step, SpectralNorm):
                    step.advance(held.original)
