"""The three-dimensional residual network by which the CaloChallenge tells showers of datasets 2 and 3 apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PLANES = (32, 64, 64, 128)
"""Channels of the four stages, each of two blocks."""


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 x 3 with batch normalisation, added to the input (arXiv:1512.03385).

    Example:
        >>> tuple(ResidualBlock(2, 4, stride=2)(torch.zeros(3, 2, 4, 4, 4)).shape)
        (3, 4, 2, 2, 2)
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(),
            nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm3d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, inputs, depth, height, width) -> (n, outputs, ...)``."""
        return torch.relu(self.layers(x) + self.shortcut(x))


class ShowerResNet(nn.Module):
    """Eighteen layers on voxels in layers, sectors and rings; the energy joins before the last one.

    Example:
        >>> sum(p.numel() for p in ShowerResNet((45, 16, 9)).parameters())
        2516644
    """

    def __init__(self, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.grid = grid
        stem = [
            nn.Conv3d(1, PLANES[0], 7, 2, 3, bias=False),
            nn.BatchNorm3d(PLANES[0]),
            nn.ReLU(),
            nn.MaxPool3d(3, 2, 1),
        ]
        blocks, inputs = [], PLANES[0]
        for stage, planes in enumerate(PLANES):
            blocks += [ResidualBlock(inputs, planes, 1 + (stage > 0)), ResidualBlock(planes, planes, 1)]
            inputs = planes
        self.layers = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.energy = nn.BatchNorm1d(1)
        self.last = nn.Linear(inputs + 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """The logarithm of the energy and the voxels, ``(n, 1 + voxels) -> (n, 1)``."""
        seen = self.layers(x[:, 1:].reshape(len(x), 1, *self.grid))
        logit: Tensor = self.last(torch.cat([seen, self.energy(x[:, :1])], dim=1))
        return logit
