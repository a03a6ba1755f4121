"""The classical invertible network: couplings by rational-quadratic splines (a neural spline flow)."""

from __future__ import annotations

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from reference_models._parts.base import on_base
from reference_models._parts.flow import coupling_flow, dense
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models._parts.sizes import SPLINE_KNOBS

ABOUT = About(
    citation="Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, arXiv:1906.04032",
    published={"parameters": "the classical networks of arXiv:2302.12906 have 6k to 16k parameters"},
    knobs=SPLINE_KNOBS,
    depth="blocks",
    tiny={"blocks": 2, "hidden": 2, "bins": 3},
    later={"base": "normal"},
    tune={"bound": KnobSpan(low=3.0, high=10.0), "base": ("normal", "student")},
)


def build(
    dim: int,
    *,
    blocks: int = 8,
    hidden: int = 4,
    hidden_layers: int = 1,
    bins: int = 4,
    bound: float = 5.0,
    base: str = "normal",
    condition: int = 0,
) -> DensityModel:
    """Couplings whose splines live on [-bound, bound], with `bins` bins; dense networks of `hidden` units steer them.

    The networks also read `condition` numbers a row. The latent space is standard `normal`, or for each feature a
    `student` distribution of 4 degrees of freedom, or a `mixture` of two normals.

    Raises:
        Refused: fewer than two features, or a base that does not exist.
    """
    spline = RationalQuadratic(bins, bound)
    return on_base(coupling_flow(dim, spline, dense(hidden, hidden_layers), blocks, condition), base)
