"""One particle a wire (arXiv:2502.17301): how the constituents of a jet become the angles of a circuit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REACH, MARGIN = 0.8, 1e-4
"""Pseudorapidities and azimuths from -0.8 to 0.8 go to angles from -pi to pi - 1e-4; nothing is clipped."""
START = 0.1
"""Where bias and coefficients of a sum of expectation values start."""


def angle_of(place: Tensor) -> Tensor:
    """The angle of a place in the jet, eta or phi in radians, linearly.

    Example:
        >>> [round(float(angle_of(torch.tensor(x, dtype=torch.float64))), 4) for x in (-0.8, 0.8)]
        [-3.1416, 3.1415]
    """
    return (place + REACH) / (2 * REACH) * (2 * torch.pi - MARGIN) - torch.pi


class ParticleAngles(nn.Module):
    """Constituents ``pt_1, eta_1, phi_1, pt_2, ...`` as the angles ``s pt eta`` of all, then ``s pt phi`` of all.

    The transverse momenta are shares of that of the jet. Where it is `scaled`, ``s = 1 + 2 pi sigmoid(w)`` with one
    trained w; else s is 1.

    Example:
        >>> angles = ParticleAngles(scaled=True)
        >>> angles(torch.tensor([[0.5, 0.8, -0.8, 0.0, 0.3, 0.3]])).shape, round(float(angles.scale), 4)
        (torch.Size([1, 4]), 4.1416)
    """

    def __init__(self, *, scaled: bool) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(())) if scaled else None

    @property
    def scale(self) -> Tensor | float:
        """What all angles are multiplied by."""
        return 1.0 if self.w is None else 1 + 2 * torch.pi * torch.sigmoid(self.w)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, 3 N) -> (n, 2 N)``."""
        pt, eta, phi = x.reshape(len(x), -1, 3).unbind(2)
        return self.scale * torch.cat((pt * angle_of(eta), pt * angle_of(phi)), 1)
