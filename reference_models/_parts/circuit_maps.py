"""The elementwise maps around a circuit: features to angles in (0, pi), and expectation values to latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SHRINK = 1 - 1e-6
"""Expectation values are shrunk by this before the inverse hyperbolic tangent, which is infinite at 1."""


def log_sech(u: Tensor) -> Tensor:
    """``log(1 / cosh u)`` without overflow."""
    return math.log(2) - u.abs() - torch.log1p(torch.exp(-2 * u.abs()))


class ToAngles(nn.Module):
    """``h = 2 atan(exp(a x + b))`` with a > 0, elementwise: a sigmoid onto (0, pi) for which cos h = -tanh(a x + b).

    Example:
        >>> maps = ToAngles(2)
        >>> angles, slope = maps(torch.zeros(1, 2))
        >>> bool(torch.allclose(maps.inverse(angles), torch.zeros(1, 2), atol=1e-6))
        True
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((dim,), math.log(0.5)))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Angles and ``log dh/dx``, each ``(n, dim)``."""
        u = self.log_scale.exp() * x + self.shift
        return 2 * torch.atan(torch.exp(u)), self.log_scale + log_sech(u)

    def inverse(self, h: Tensor) -> Tensor:
        """The features of angles in (0, pi)."""
        return (torch.log(torch.tan(h / 2)) - self.shift) / self.log_scale.exp()


class ToLatent(nn.Module):
    """``z = a atanh(-c y) + b`` with a > 0 and c just below 1, elementwise.

    With ``y = cos h`` it undoes `ToAngles`, so that a circuit that does nothing gives the identity.

    Example:
        >>> z, slope = ToLatent(2)(torch.zeros(1, 2))
        >>> z.shape, slope.shape
        (torch.Size([1, 2]), torch.Size([1, 2]))
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((dim,), math.log(2.0)))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and ``log |dz/dy|``, each ``(n, dim)``."""
        shrunk = SHRINK * y
        slope = self.log_scale + math.log(SHRINK) - torch.log1p(-shrunk.square())
        return self.log_scale.exp() * torch.atanh(-shrunk) + self.shift, slope

    def inverse(self, z: Tensor) -> Tensor:
        """The expectation values of latents, kept inside (-1, 1)."""
        y = -torch.tanh((z - self.shift) / self.log_scale.exp()) / SHRINK
        return y.clamp(-SHRINK, SHRINK)
