"""A classical flow whose base is the distribution of a circuit's outcomes, spread over cells: a quantum latent space.

The likelihood and draws are exact: the base integrates to one, and the flow is one-to-one. In the place of the circuit
may be its classical twins: a matrix product state, a Boltzmann machine, an autoregressive network or independent bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch, Density, DensityModel, Sampler, density_of, given
from qinn_bench.values import Knob, Knobs, Refused
from reference_models._parts.binary_priors import AutoregressiveBits, BinaryPrior, Factorised
from reference_models._parts.bit_base import BitBase, CircuitBits
from reference_models._parts.born_circuits import layered_circuit, start_at
from reference_models._parts.cells import Cells
from reference_models._parts.energies import RestrictedBoltzmann
from reference_models._parts.flow import coupling_flow, dense
from reference_models._parts.matrix_product import MatrixProduct
from reference_models._parts.rational_quadratic import RationalQuadratic

ABOUT = About(
    citation="the base, a circuit Born machine: Liu, Wang, arXiv:1804.04168; the flow: Durkan, Bekasov, Murray, "
    "Papamakarios, Neural Spline Flows, arXiv:1906.04032; quantum latents of generators: Rudolph et al., Generation of "
    "high-resolution handwritten digits with an ion-trap quantum computer, arXiv:2012.03924",
    published={"claim": "priors drawn from circuits can help a generator (of digits, by an adversary)"},
    deviations=(
        "ours: no work states a density by a flow on such a base; the one cited trains an adversary on measured bits",
        "outcomes are cells, and their masses fall linearly towards the next cells, so that the flow sees slopes",
        "the distribution of the outcomes is exact, instead of sampled",
        "the bases `mps`, `rbm`, `made` and `independent` are its twins",
    ),
    knobs={
        "layers": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64),
        "bond": (*range(1, 17), 18, 20, 24, 28, 32),
        "latent": (*range(1, 17), 18, 20, 24, 28, 32, 40, 48, 64),
        "blocks": (1, 2, 3, 4, 6, 8),
        "hidden": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32),
    },
    depth="layers",
    tiny={"bits": 1, "layers": 1, "blocks": 1, "hidden": 2, "bins": 2},
    tune={
        "bits": (2, 3, 4),
        "ansatz": ("rx-rz-rx", "rz-rx-rz", "ry-rz", "ry-cz"),
        "spread": ("hat", "even"),
        "bound": KnobSpan(low=3.0, high=10.0),
    },
)
BASES = {"born": ("layers",), "mps": ("bond",), "rbm": ("latent",), "made": ("latent",), "independent": ()}
"""What the latent may be drawn from, with the knobs that set its size."""


def open_knobs(knobs: Knobs) -> dict[str, tuple[Knob, ...]]:
    """The knobs that the matcher may turn, given the base."""
    return {name: ABOUT.knobs[name] for name in (*BASES[_known(str(knobs["base"]))], "blocks", "hidden")}


def _known(base: str) -> str:
    if base not in BASES:
        raise Refused(f"quantum_latent_flow knows no base '{base}'; there are: {', '.join(BASES)}")
    return base


class LatentFlow(Sampler, Density):
    """A flow from features to a latent space whose density is that of a distribution of bit strings.

    Example:
        >>> model = build(2, bits=2, layers=1, blocks=1, backend="torch")
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True

    def __init__(self, flow: DensityModel, base: BitBase) -> None:
        super().__init__(flow.dim)
        self.flow, self.base = flow, base

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        z, logdet = self.flow(x, *given(condition))
        total: Tensor = self.base.log_prob(z) + logdet
        return total

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows: a latent of the base, taken back through the flow."""
        return self.flow.inverse(self.base.draw(n, rng), *given(condition))

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, of the flow and of the base at once."""
        return -density_of(self, batch).mean()


def build(
    dim: int,
    *,
    base: str = "born",
    bits: int = 3,
    layers: int = 4,
    ansatz: str = "rx-rz-rx",
    graph: str = "ring",
    bond: int = 4,
    latent: int = 8,
    spread: str = "hat",
    squash: str = "normal",
    gray: bool = True,
    blocks: int = 2,
    hidden: int = 8,
    bins: int = 4,
    bound: float = 5.0,
    condition: int = 0,
    backend: str = "auto",
) -> LatentFlow:
    """Spline couplings as those of `spline_inn`, down to a `base` of 2^bits cells for each feature.

    The base is ``born`` (a circuit as that of `qcbm`), ``mps`` (of this `bond`), ``rbm`` or ``made`` (of so many
    `latent` units) or ``independent``. The mass of a cell is `spread` as a ``hat`` or ``even``. Conditions steer the
    flow.

    Raises:
        Refused: a name that does not exist, fewer than two features, more than 16 bits, or what the parts refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(3, base=base, backend="torch").base).total for base in BASES]
        [108, 200, 89, 89, 9]
    """
    cells = Cells(dim, bits, squash, gray)
    law: BinaryPrior
    if _known(base) == "born":
        circuit = layered_circuit(cells.n_bits, layers, ansatz=ansatz, graph=graph)
        law = CircuitBits(circuit, backend)
        start_at(law.circuit, "even")
    elif base == "mps":
        law = MatrixProduct(cells.n_bits, bond)
    elif base == "rbm":
        law = RestrictedBoltzmann(cells.n_bits, latent)
    else:
        law = AutoregressiveBits(cells.n_bits, latent) if base == "made" else Factorised(cells.n_bits)
    flow = coupling_flow(dim, RationalQuadratic(bins, bound), dense(hidden, 1), blocks, condition)
    return LatentFlow(flow, BitBase(cells, law, spread))
