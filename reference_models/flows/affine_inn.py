"""The simplest classical invertible network: couplings that scale and shift (RealNVP)."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import DensityModel
from reference_models._parts.flow import Univariate, coupling_flow, dense
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS

ABOUT = About(
    citation="Dinh, Sohl-Dickstein, Bengio, Density estimation using Real NVP, arXiv:1605.08803",
    knobs={"blocks": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20), "hidden": HIDDEN, "hidden_layers": HIDDEN_LAYERS},
    depth="blocks",
    tiny={"blocks": 2, "hidden": 2},
)
STEEPEST = 3.0
REACH = 3.0


class Affine(Univariate):
    """``y = x exp(s) + t`` with ``|s|`` below `steepest`, smoothly: an unbounded exponent makes training diverge.

    Example:
        >>> image, log_slope = Affine().forward(torch.ones(1, 2), torch.zeros(1, 2, 2))
        >>> image.tolist(), log_slope.tolist()
        ([[1.0, 1.0]], [[0.0, 0.0]])
    """

    width = 2

    def __init__(self, steepest: float = STEEPEST) -> None:
        self.steepest = steepest

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, 2) -> (n, k), (n, k)``: image and log-slope."""
        log_slope, shift = self._read(numbers)
        return x * log_slope.exp() + shift, log_slope

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, 2) -> (n, k)``."""
        log_slope, shift = self._read(numbers)
        return (y - shift) * (-log_slope).exp()

    def _read(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return self.steepest * torch.tanh(numbers[..., 0] / self.steepest), numbers[..., 1]


class Reach(nn.Module):
    """``x -> 3 tanh(x / 3)`` of each feature, in standard deviations: a network behind it sees no row as far out.

    Example:
        >>> round(float(Reach()(torch.tensor([100.0]))), 3)
        3.0
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(n, k) -> (n, k)``, within (-3, 3)."""
        return REACH * torch.tanh(x / REACH)


def build(dim: int, *, blocks: int = 8, hidden: int = 16, hidden_layers: int = 1, condition: int = 0) -> DensityModel:
    """Affine couplings, steered by dense networks of `hidden` units, which also read `condition` numbers a row.

    No feature is stretched by more than e^3 over all blocks together, of which each coupling has an equal share. With a
    bound for each layer alone, as is usual (e^2 in FrEIA), ten blocks stretch by up to e^10, and a row that is far out
    in one feature is thrown farther by every block that reads it. Networks read features within three standard
    deviations, so that beyond them slopes and shifts are constant: tails are linear, as those of spline flows
    (arXiv:1906.04032, section 3.1).

    Raises:
        Refused: fewer than two features.
    """
    conditioner = dense(hidden, hidden_layers)
    # Every second block maps the same half of the features.
    share = STEEPEST / ceil(blocks / 2)
    return coupling_flow(
        dim, Affine(share), lambda n, out: nn.Sequential(Reach(), conditioner(n, out)), blocks, condition
    )
