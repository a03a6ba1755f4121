"""A flow whose maps are steered by circuits: affine or spline couplings, or one circuit for each feature in turn.

It is one-to-one by construction, and its likelihood is exact: circuits only give the numbers of its maps. `hybrid_qinn`
with ``construction = "conditioner"`` is its spline couplings without conditions; the content of its published records
stays as it is, which is why what is new is here.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from qinn_bench.quantum.ansatz import Entangler
from qinn_bench.values import Knob, Knobs, Refused
from reference_models._parts.amplitude_circuit import AmplitudeConditioner
from reference_models._parts.circuit_conditioner import CircuitConditioner, circuit_of
from reference_models._parts.circuit_couplings import affine_in, known_maps, one_for_each_number
from reference_models._parts.circuit_form import ENTANGLERS, CircuitForm
from reference_models._parts.flow import Composition, Conditioner, Mixing, coupling_flow
from reference_models._parts.made import Autoregressive
from reference_models._parts.rational_quadratic import RationalQuadratic

ABOUT = About(
    citation="Zhang, Cui, Hybrid quantum-classical normalizing flow, arXiv:2405.13808; with amplitude encoding: "
    "Martinez, Delgado, arXiv:2505.10553; the flows: Dinh et al., arXiv:1605.08803, Durkan et al., arXiv:1906.04032",
    published={"claim": "fewer parameters than classical flows; a lower FID than quantum GANs (no size is at hand)"},
    deviations=(
        "a reconstruction: circuits, sizes and results of the works were not at hand",
        "circuits upload what they read again before every layer, or once as amplitudes beside a constant 1",
        "a linear head, which starts at zero, takes what is read out of a circuit to the numbers of the maps",
        "scales of affine couplings are bounded, so that all together stretch by e^3 at most",
        "the works' data are images and lattices, here rows of features",
    ),
    knobs={
        "blocks": (1, 2, 3, 4, 6, 8, 12),
        "bins": (2, 3, 4, 6, 8),
        "uploads": (*range(1, 25), *range(26, 50, 2), *range(52, 84, 4)),
    },
    depth="blocks",
    tiny={"blocks": 1, "bins": 2, "uploads": 1},
    tune={
        "couplings": ("affine", "spline", "autoregressive"),
        "encoding": ("ry", "ry-rx", "ry-rx-rz", "amplitude"),
        "entangler": ("zz", "cnot"),
        "bound": KnobSpan(low=3.0, high=10.0),
    },
)
COUPLINGS = {
    "affine": ("blocks", "uploads"),
    "spline": ("blocks", "bins", "uploads"),
    "autoregressive": ("blocks", "bins", "uploads"),
}
"""The kinds of maps, with the knobs that set their size."""
AMPLITUDE = "amplitude"
NAME = "quantum_flow"


def open_knobs(knobs: Knobs) -> dict[str, tuple[Knob, ...]]:
    """The knobs that the matcher may turn, given the kind of maps."""
    return {name: ABOUT.knobs[name] for name in COUPLINGS[known_maps(NAME, str(knobs["couplings"]), COUPLINGS)]}


class OneByOne(nn.Module):
    """A network for each feature that reads those before it, and the conditions, which come first.

    ``(n, condition + dim) -> (n, dim * width)``; the first feature has its own numbers without conditions.

    Example:
        >>> OneByOne(3, 2, lambda n_in, n_out: nn.Linear(n_in, n_out))(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(self, dim: int, width: int, conditioner: Conditioner, condition: int = 0) -> None:
        super().__init__()
        self.condition = condition
        self.first = None if condition else nn.Parameter(torch.zeros(width))
        read = range(condition if condition else 1, condition + dim)
        self.networks = nn.ModuleList([conditioner(n_in, width) for n_in in read])

    def forward(self, x: Tensor) -> Tensor:
        """The numbers of the first feature, then of the second one, and so on."""
        numbers = [] if self.first is None else [self.first.expand(len(x), -1)]
        begin = self.condition if self.condition else 1
        return torch.cat([*numbers, *(network(x[:, : begin + k]) for k, network in enumerate(self.networks))], 1)


def _steering(form: CircuitForm | None, uploads: int, entangler: str, backend: str) -> Conditioner:
    """A maker of circuits with a head; without a form they read amplitudes."""

    def conditioner(n_in: int, n_out: int) -> nn.Module:
        if form is None:
            return AmplitudeConditioner(
                n_in, n_out, layers=uploads, entangler=cast("Entangler", entangler), backend=backend
            )
        return CircuitConditioner(n_out, circuit_of(form, n_in, uploads, trim=True), backend)

    return conditioner


def build(
    dim: int,
    *,
    couplings: str = "spline",
    blocks: int = 3,
    bins: int = 4,
    uploads: int = 3,
    bound: float = 5.0,
    entangler: str = "zz",
    encoding: str = "ry",
    readout: str = "z",
    condition: int = 0,
    backend: str = "auto",
) -> DensityModel:
    """So many `blocks` of a mixing and of a map that circuits steer, which read the conditions too.

    ``affine`` couplings have a circuit each for scales and shifts; ``spline`` and ``autoregressive`` maps have `bins`
    bins on [-bound, bound]. An `encoding` of `hybrid_qinn` has a wire for each number that is read and `uploads`;
    ``amplitude`` has as few wires as numbers fit on, `uploads` layers and <Z> as readout.

    Raises:
        Refused: fewer than two features, or a name that does not exist.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(5, couplings=name, backend="torch")).quantum for name in COUPLINGS]
        [216, 108, 468]
    """
    if dim < 2:
        raise Refused(f"a quantum flow was asked for dim {dim}, but it couples or orders 2 features or more")
    if entangler not in ENTANGLERS:
        raise Refused(f"a circuit knows no entangler '{entangler}'; there are: {', '.join(ENTANGLERS)}")
    form = None if encoding == AMPLITUDE else CircuitForm(1, entangler, encoding, readout)
    steering, spline = _steering(form, uploads, entangler, backend), RationalQuadratic(bins, bound)
    if known_maps(NAME, couplings, COUPLINGS) == "spline":
        return coupling_flow(dim, spline, steering, blocks, condition)
    if couplings == "affine":
        return coupling_flow(dim, affine_in(blocks), one_for_each_number(steering), blocks, condition)
    steps: list[DensityModel] = []
    for k in range(blocks):
        network = OneByOne(dim, spline.width, steering, condition)
        steps += [Mixing(dim, upper=k % 2 == 1), Autoregressive(dim, spline, network, backward=k % 2 == 1)]
    return Composition(dim, steps)
