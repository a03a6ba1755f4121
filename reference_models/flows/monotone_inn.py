"""A classical network that maps each feature by a small monotone network, steered by all features before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import DensityModel
from qinn_bench.values import Refused
from reference_models._parts.base import on_base
from reference_models._parts.flow import Composition, Mixing, Univariate
from reference_models._parts.made import Autoregressive, made
from reference_models._parts.mixture import Mixture
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS

ABOUT = About(
    citation="Huang, Krueger, Lacoste, Courville, Neural Autoregressive Flows, arXiv:1804.00779 (deep sigmoidal flow)",
    deviations=("a triangular mixing stands before each block", "slopes and their inverses are bounded by e^5 a layer"),
    knobs={
        "blocks": (1, 2, 3, 4, 5, 6, 8),
        "hidden": HIDDEN,
        "hidden_layers": HIDDEN_LAYERS,
        "units": (2, 3, 4, 5, 6, 8, 10),
    },
    depth="blocks",
    tiny={"blocks": 1, "hidden": 2, "units": 2},
    tune={"base": ("normal", "student")},
)


@dataclass(frozen=True)
class Sigmoidal(Univariate):
    """Layers ``y = logit(sum_j w_j sigmoid((x - c_j) / s_j))`` of so many units (arXiv:1804.00779, equation 8).

    A sum of sigmoids with positive weights that add up to 1 is the distribution function of a mixture of logistic
    distributions. All ``layers (3 units - 1)`` numbers at zero, a layer is nearly the identity.

    Example:
        >>> one = Sigmoidal(units=3, layers=2)
        >>> x = torch.tensor([[-6.0, 0.5]], dtype=torch.float64)
        >>> image, slope = one.forward(x, x.new_zeros(1, 2, one.width))
        >>> one.width, bool(torch.allclose(one.inverse(image, x.new_zeros(1, 2, one.width)), x))
        (16, True)
    """

    units: int
    layers: int

    @property
    def width(self) -> int:
        """How many numbers steer one map."""
        return self.layers * self._layer.width

    @property
    def _layer(self) -> Mixture:
        return Mixture(("logistic",) * self.units, logistic=True)

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, width) -> (n, k), (n, k)``: image and log-slope."""
        total = torch.zeros_like(x)
        for part in numbers.chunk(self.layers, -1):
            x, log_slope = self._layer.forward(x, part)
            total = total + log_slope
        return x, total

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, width) -> (n, k)``; NaN where a number is not finite."""
        for part in reversed(numbers.chunk(self.layers, -1)):
            y = self._layer.inverse(y, part)
        return y


def build(
    dim: int,
    *,
    blocks: int = 2,
    hidden: int = 16,
    hidden_layers: int = 1,
    units: int = 4,
    layers: int = 1,
    base: str = "normal",
    condition: int = 0,
) -> DensityModel:
    """Monotone networks of `layers` with `units` sigmoids, steered by masked networks of `hidden` units.

    Masked networks also read `condition` numbers a row. Before each block there is a mixing; the triangle and the
    order of the features alternate. The `base` is as in `spline_inn`.

    Raises:
        Refused: fewer than two features, no unit or layer, or a base that does not exist.
    """
    if dim < 2:
        raise Refused(f"an autoregressive flow was asked for dim {dim}, but it orders 2 features or more")
    if units < 1 or layers < 1:
        raise Refused(f"monotone_inn was given units={units}, layers={layers}; 1 or more of both are expected")
    sigmoidal = Sigmoidal(units, layers)
    steps: list[DensityModel] = []
    for k in range(blocks):
        network = made(dim, sigmoidal.width, hidden, hidden_layers, condition)
        steps += [Mixing(dim, upper=k % 2 == 1), Autoregressive(dim, sigmoidal, network, backward=k % 2 == 1)]
    return on_base(Composition(dim, steps), base)
