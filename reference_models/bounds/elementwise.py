"""The floor of independence: each feature has its own density, and the model is their product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import DensityModel
from reference_models._parts.flow import Univariate
from reference_models._parts.rational_quadratic import RationalQuadratic

ABOUT = About(
    citation="Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, arXiv:1906.04032 (the spline of one feature)",
    role="floor",
    knobs={
        "bins": (*range(2, 65), *range(66, 129, 2), *range(132, 257, 4), *range(264, 513, 8), *range(528, 1025, 16))
    },
    depth="bins",
    tiny={"bins": 3},
)


class Elementwise(DensityModel):
    """One monotone spline a feature, from the feature to a standard normal; sees no dependence between features.

    Example:
        >>> flow = build(2, bins=3)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(self, dim: int, spline: Univariate) -> None:
        super().__init__(dim)
        self.spline = spline
        self.numbers = nn.Parameter(torch.zeros(dim, spline.width))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        z, log_slope = self.spline.forward(x, self.numbers.expand(len(x), -1, -1))
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        return self.spline.inverse(z, self.numbers.expand(len(z), -1, -1))


def build(dim: int, *, bins: int = 8, bound: float = 5.0) -> DensityModel:
    """A spline on [-bound, bound] with `bins` bins for each feature: ``dim (3 bins - 1)`` parameters."""
    return Elementwise(dim, RationalQuadratic(bins, bound))
