"""The distribution that a flow ends in, where it is not the standard normal: heavier tails, or several hills."""

from __future__ import annotations

from qinn_bench.contracts import DensityModel
from qinn_bench.values import Refused
from reference_models._parts.flow import Composition
from reference_models._parts.mixture import Mixture
from reference_models.bounds.elementwise import Elementwise

BASES: dict[str, tuple[str, ...]] = {
    "normal": (),
    "student": ("student",),
    "mixture": ("normal", "normal"),
}
"""The components that each feature has in the latent space, with trained centres, scales and weights.

Student-t bases: arXiv:2107.07352 (tails), of mixtures: arXiv:1912.13025.
"""


def on_base(flow: DensityModel, base: str) -> DensityModel:
    """The flow with another base, which is one more step: the map of each latent feature from the base to the normal.

    Densities, samples, round trips and log-determinants are then those of any flow, by the same formulas.

    Raises:
        Refused: a base that does not exist.

    Example:
        >>> from reference_models._parts.flow import Mixing
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(on_base(Mixing(2, upper=True), base)).total for base in BASES]
        [1, 5, 11]
    """
    if base not in BASES:
        raise Refused(f"no base is called '{base}'; there are: {', '.join(BASES)}")
    kinds = BASES[base]
    return Composition(flow.dim, [flow, Elementwise(flow.dim, Mixture(kinds))]) if kinds else flow
