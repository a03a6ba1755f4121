"""Showers by two spline flows: the energies of layers given the condition, then the rest given layers and condition."""

from __future__ import annotations

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from reference_models._parts.base import on_base
from reference_models._parts.chain import chain
from reference_models._parts.flow import dense
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models._parts.sizes import SPLINE_KNOBS

ABOUT = About(
    citation="Ernst, Favaro, Krause, Plehn, Shih, Normalizing Flows for High-Dimensional Detector Simulations, "
    "arXiv:2312.09290; two flows by the chain rule: Krause, Shih, CaloFlow, arXiv:2106.05285",
    published={
        "parameters": "26.6 million (pions) and 18.8 million (photons) in the CaloChallenge",
        "shape": "for pions 12 blocks, networks of 4 layers with 256 units, splines of 10 bins up to 18",
        "AUC": "low level 0.784 (pions) and 0.626 (photons), high level 0.732 and 0.638",
        "FPD": "0.0293 (pions) and 0.0039 (photons)",
    },
    deviations=(
        "the default is far smaller than what is published",
        "layers and voxels are mapped by two flows in turn, as those of CaloFlow, instead of together",
        "couplings map every second feature, between triangular mixings, instead of random halves",
        "the preprocessing is that of the data set, not that of the paper",
    ),
    knobs=SPLINE_KNOBS,
    depth="blocks",
    tiny={"layers": 1, "blocks": 2, "hidden": 2, "bins": 3},
    tune={"bound": KnobSpan(low=3.0, high=18.0), "base": ("normal", "student")},
)


def build(
    dim: int,
    *,
    layers: int = 5,
    blocks: int = 6,
    hidden: int = 16,
    hidden_layers: int = 1,
    bins: int = 6,
    bound: float = 5.0,
    base: str = "normal",
    condition: int = 0,
) -> DensityModel:
    """Splines on [-bound, bound] with `bins` bins; dense networks of `hidden` units steer them and read the condition.

    The first `layers` features are mapped first, by so many `blocks`, the others by as many blocks that read the layers
    too. With 0 layers, or where all features are layers, it is `spline_inn`, whose `base` it has.

    Raises:
        Refused: a negative number of layers, or a base that does not exist.

    Example:
        >>> import torch
        >>> showers = build(12, layers=5, condition=1).sample(3, torch.Generator().manual_seed(0), torch.ones(3, 1))
        >>> showers.shape
        torch.Size([3, 12])
    """
    spline, networks = RationalQuadratic(bins, bound), dense(hidden, hidden_layers)
    return on_base(chain(dim, layers, spline, networks, blocks=blocks, condition=condition), base)
