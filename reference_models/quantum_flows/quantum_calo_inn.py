"""Showers by two flows whose couplings are steered by circuits: layers given the condition, then the rest.

It is `calo_inn` with circuits in the place of its networks: for the scale s and the shift t of affine couplings, each
its own circuit, or for the numbers of splines. It is one-to-one by construction, and its likelihood is exact.
"""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from qinn_bench.values import Knob, Knobs, Refused
from reference_models._parts.chain import chain
from reference_models._parts.circuit_conditioner import CircuitConditioner, circuit_of
from reference_models._parts.circuit_couplings import affine_in, known_maps, one_for_each_number
from reference_models._parts.circuit_form import CircuitForm
from reference_models._parts.flow import Univariate
from reference_models._parts.rational_quadratic import RationalQuadratic

ABOUT = About(
    citation="Corchia, Franchini, FastCaloQ (slides): circuits for s and t of affine couplings as the next step; the "
    "classical flow: Ernst et al., arXiv:2312.09290",
    published={"claim": "none yet: the slides announce it; quantum conditioning is said to improve the INN"},
    deviations=(
        "a reconstruction: no circuit, size or result is published for it",
        "the circuits upload their inputs again before every layer, and their readout goes through a linear head",
        "scales are bounded, so that all couplings together stretch by e^3 at most",
        "layers are mapped before all other features, given which these are mapped",
        "with wires > 0 a linear map takes what a circuit reads to so many angles",
    ),
    knobs={
        "blocks": (1, 2, 3, 4, 6, 8, 12),
        "bins": (2, 3, 4, 6, 8),
        "uploads": (*range(1, 25), *range(26, 50, 2), *range(52, 84, 4)),
    },
    depth="blocks",
    tiny={"layers": 1, "blocks": 1, "bins": 2, "uploads": 1},
    tune={
        "steers": ("affine", "spline"),
        "entangler": ("zz", "cnot"),
        "encoding": ("ry", "ry-rx", "ry-rx-rz"),
        "bound": KnobSpan(low=3.0, high=10.0),
    },
)
STEERS = {"affine": ("blocks", "uploads"), "spline": ("blocks", "bins", "uploads")}
"""What circuits may steer, with the knobs that set the size then."""
NAME = "quantum_calo_inn"


def open_knobs(knobs: Knobs) -> dict[str, tuple[Knob, ...]]:
    """The knobs that the matcher may turn, given what circuits steer."""
    return {name: ABOUT.knobs[name] for name in STEERS[known_maps(NAME, str(knobs["steers"]), STEERS)]}


def build(
    dim: int,
    *,
    layers: int = 5,
    steers: str = "affine",
    blocks: int = 4,
    bins: int = 4,
    uploads: int = 3,
    wires: int = 0,
    bound: float = 5.0,
    entangler: str = "zz",
    encoding: str = "ry",
    readout: str = "z",
    condition: int = 0,
    backend: str = "auto",
) -> DensityModel:
    """Two flows of so many `blocks`, of the first `layers` features and of the others, as in `calo_inn`.

    A circuit has a wire for each number that it reads (kept features, layers, conditions), or so many `wires`, before
    which is a linear map; it has `uploads`, and the forms of `hybrid_qinn`. ``spline`` has `bins` bins on
    [-bound, bound], which ``affine`` leaves unused.

    Raises:
        Refused: a name that does not exist, or a negative number of layers or wires.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> model = build(5, layers=5, condition=1, backend="torch")
        >>> count_parameters(model).quantum
        448
    """
    if wires < 0:
        raise Refused(f"circuits of {wires} wires were asked for; 0, for a wire of each number, or more are expected")
    form = CircuitForm(1, entangler, encoding, readout)

    def steering(n_in: int, n_out: int) -> nn.Module:
        circuit = circuit_of(form, wires or n_in, uploads, trim=True)
        one = CircuitConditioner(n_out, circuit, backend)
        return nn.Sequential(nn.Linear(n_in, wires), one) if wires else one

    if known_maps(NAME, steers, STEERS) == "spline":
        univariate: Univariate = RationalQuadratic(bins, bound)
        return chain(dim, layers, univariate, steering, blocks=blocks, condition=condition)

    return chain(dim, layers, affine_in(blocks), one_for_each_number(steering), blocks=blocks, condition=condition)
