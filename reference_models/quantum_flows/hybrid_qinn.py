"""Hybrid QINN: a circuit and classical flow layers in one density model, in three constructions.

The hybrid of arXiv:2302.12906 is published only as "about 2k parameters"; these are the constructions its text allows:
``composition`` puts classical spline couplings before one QINN, ``conditioner`` lets a circuit steer the splines of the
couplings (one-to-one by construction), ``elementwise`` puts monotone splines and a linear mixing before one QINN.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, DensityModel
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.values import Knob, Knobs, Refused
from reference_models._parts.flow import Composition, Mixing, coupling_flow, dense
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models.bounds.elementwise import Elementwise
from reference_models.quantum_flows.qinn import QINN, Terms, make_qinn, negative_log_likelihood

ABOUT = About(
    citation="A. Rousselot, M. Spannowsky, Generative invertible quantum neural networks, arXiv:2302.12906",
    published={"parameters": "about 2k", "claim": "on par with INNs of 6k-16k parameters on Z+jet"},
    knobs={
        "blocks": (1, 2, 3, 4, 6, 8, 12),
        "hidden": (1, 2, 4, 8, 16, 32),
        "bins": (2, 3, 4, 6, 8),
        "uploads": (*range(1, 25), *range(26, 50, 2), *range(52, 84, 4)),
    },
    depth="blocks",
    tiny={"blocks": 1, "hidden": 2, "bins": 2, "uploads": 2},
    later={"trim": False},
)
CONSTRUCTIONS = {
    "composition": ("blocks", "hidden", "bins", "uploads"),
    "conditioner": ("blocks", "bins", "uploads"),
    "elementwise": ("bins", "uploads"),
}
"""Each construction with the knobs that set its size."""


def open_knobs(knobs: Knobs) -> dict[str, tuple[Knob, ...]]:
    """The knobs that the matcher may turn, given the construction."""
    return {name: ABOUT.knobs[name] for name in CONSTRUCTIONS[_known(str(knobs["construction"]))]}


def _known(construction: str) -> str:
    if construction not in CONSTRUCTIONS:
        raise Refused(f"hybrid_qinn knows no construction '{construction}'; there are: {', '.join(CONSTRUCTIONS)}")
    return construction


class CircuitConditioner(nn.Module):
    """Reads numbers off features: a circuit with one wire a feature, its <Z>, and a linear head that starts at zero.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> CircuitConditioner(2, 5, reuploading(2, uploads=1), "torch")(torch.zeros(3, 2)).shape
        torch.Size([3, 5])
    """

    def __init__(self, n_in: int, n_out: int, circuit: Circuit, backend: str) -> None:
        super().__init__()
        self.circuit = CircuitLayer(circuit, backend)
        self.head = nn.Linear(n_in, n_out)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.circuit.weights.normal_(0, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, n_in) -> (n, n_out)``."""
        numbers: Tensor = self.head(self.circuit(x))
        return numbers


class QuantumLast(DensityModel):
    """Classical steps, then a QINN from their output to the latent; its loss terms act on its own input.

    Example:
        >>> flow = build(2, blocks=1, hidden=2, bins=2, uploads=1, backend="torch")
        >>> z, logdet = flow(torch.zeros(3, 2))
        >>> z.shape, logdet.shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    one_to_one = False
    inverse_tolerance = QINN.inverse_tolerance

    def __init__(self, dim: int, classical: Sequence[DensityModel], qinn: QINN) -> None:
        super().__init__(dim)
        self.before = Composition(dim, classical)
        self.qinn = qinn

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents, and the sum of the log-dets."""
        inner, logdet = self.before(x)
        z, rest = self.qinn(inner)
        return z, logdet + rest

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features; NaN where the QINN has no pre-image."""
        inner = self.qinn.inverse(z)
        found = inner.isfinite().all(1)
        return self.before.inverse(inner.where(found[:, None], 0)).where(found[:, None], torch.nan)

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Keep some rows, as the untrained classical steps leave them, as starting points of the inverse."""
        with torch.no_grad():
            self.qinn.initialise(Batch(self.before(train.rows)[0]), rng)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The negative log-likelihood of the whole plus the QINN's weighted terms."""
        inner, logdet = self.before(batch.rows)
        z, rest, penalty = self.qinn.regularised(inner, progress, rng)
        return negative_log_likelihood(z, logdet + rest) + penalty


def build(
    dim: int,
    *,
    construction: str = "composition",
    blocks: int = 2,
    hidden: int = 8,
    bins: int = 4,
    uploads: int = 4,
    bound: float = 5.0,
    fidelity: float = 0.0,
    mmd: float = 0.0,
    barrier: float = 100.0,
    trim: bool = True,
    backend: str = "auto",
) -> DensityModel:
    """A hybrid of circuits with `uploads` and `blocks` of classical layers with `bins`-bin splines on [-bound, bound].

    The loss terms are those of `qinn`; ``conditioner`` needs none and takes none. `blocks` and `hidden` have no effect
    where `CONSTRUCTIONS` does not name them. With `trim`, circuits end where their readout still sees, as in `qinn`.

    Raises:
        Refused: a construction that does not exist, or fewer than two features.
    """
    spline = RationalQuadratic(bins, bound)
    if _known(construction) == "conditioner":
        return coupling_flow(
            dim, spline, lambda n, m: CircuitConditioner(n, m, _circuit(n, uploads, trim), backend), blocks
        )
    circuit, terms = _circuit(dim, uploads, trim and not fidelity), Terms(fidelity, mmd, barrier, "monotone", False)
    qinn = make_qinn(dim, circuit, circuit, terms, "identity", backend)
    if construction == "elementwise":
        return QuantumLast(dim, [Elementwise(dim, spline), Mixing(dim, upper=False), Mixing(dim, upper=True)], qinn)
    return QuantumLast(dim, [coupling_flow(dim, spline, dense(hidden, 1), blocks)], qinn)


def _circuit(n_features: int, uploads: int, trim: bool) -> Circuit:
    circuit = reuploading(n_features, uploads=uploads)
    return trimmed(circuit)[0] if trim else circuit
