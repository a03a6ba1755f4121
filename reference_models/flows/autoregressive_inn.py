"""A classical network that maps each feature by a spline steered by all features before it."""

from __future__ import annotations

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from qinn_bench.values import Refused
from reference_models._parts.base import on_base
from reference_models._parts.flow import Composition, Mixing
from reference_models._parts.made import Autoregressive, made
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models._parts.sizes import BINS, HIDDEN, HIDDEN_LAYERS

ABOUT = About(
    citation="Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, arXiv:1906.04032 (autoregressive)",
    knobs={"blocks": (1, 2, 3, 4, 5, 6, 8), "hidden": HIDDEN, "hidden_layers": HIDDEN_LAYERS, "bins": BINS},
    depth="blocks",
    tiny={"blocks": 1, "hidden": 2, "bins": 3},
    later={"base": "normal"},
    tune={"bound": KnobSpan(low=3.0, high=10.0), "base": ("normal", "student")},
)


def build(
    dim: int,
    *,
    blocks: int = 2,
    hidden: int = 16,
    hidden_layers: int = 1,
    bins: int = 4,
    bound: float = 5.0,
    base: str = "normal",
    condition: int = 0,
) -> DensityModel:
    """Splines on [-bound, bound] with `bins` bins, steered by masked networks of `hidden` units, which also read
    `condition` numbers a row.

    Before each there is a mixing; the triangle and the order of the features alternate. The `base` is as in
    `spline_inn`.

    Raises:
        Refused: fewer than two features, or a base that does not exist.
    """
    if dim < 2:
        raise Refused(f"an autoregressive flow was asked for dim {dim}, but it orders 2 features or more")
    spline = RationalQuadratic(bins, bound)
    steps: list[DensityModel] = []
    for k in range(blocks):
        network = made(dim, spline.width, hidden, hidden_layers, condition)
        steps += [Mixing(dim, upper=k % 2 == 1), Autoregressive(dim, spline, network, backward=k % 2 == 1)]
    return on_base(Composition(dim, steps), base)
