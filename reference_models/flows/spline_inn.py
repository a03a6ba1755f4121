"""The classical invertible network: couplings by rational-quadratic splines (a neural spline flow)."""

from __future__ import annotations

from qinn_bench.contracts import DensityModel
from qinn_bench.values import Role
from reference_models._parts.flow import coupling_flow, dense
from reference_models._parts.rational_quadratic import RationalQuadratic

CITATION = "Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, arXiv:1906.04032"
PUBLISHED: dict[str, str] = {
    "parameters": "the classical networks of arXiv:2302.12906 have 6k to 16k parameters",
}
ROLE: Role = "model"
KNOBS: dict[str, tuple[int, ...]] = {
    "blocks": (1, 2, 3, 4, 5, 6, 8, 10, 12),
    "hidden": (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80),
    "hidden_layers": (1, 2),
    "bins": (2, 3, 4, 5, 6, 8, 10),
}
DEPTH = "blocks"
TINY: dict[str, int] = {"blocks": 2, "hidden": 2, "bins": 3}


def build(
    dim: int,
    *,
    blocks: int = 8,
    hidden: int = 4,
    hidden_layers: int = 1,
    bins: int = 4,
    bound: float = 5.0,
    condition: int = 0,
) -> DensityModel:
    """Couplings whose splines live on [-bound, bound], with `bins` bins; dense networks of `hidden` units steer them.

    The networks also read `condition` numbers a row.

    Raises:
        Refused: fewer than two features.
    """
    return coupling_flow(dim, RationalQuadratic(bins, bound), dense(hidden, hidden_layers), blocks, condition)
