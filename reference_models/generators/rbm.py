"""A restricted Boltzmann machine on the bits of cells: the classical twin of circuit Born machines, normalised exactly.

Its likelihood and its draws are exact, because the smaller of its layers is summed over; it is trained on that
likelihood, or by the persistent contrastive divergence that is usual where the sum cannot be taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch
from qinn_bench.values import Refused
from reference_models._parts.bit_cells import OnCells
from reference_models._parts.cells import Cells
from reference_models._parts.energies import RestrictedBoltzmann
from reference_models._parts.sizes import HIDDEN

ABOUT = About(
    citation="Smolensky, Foundations of harmony theory, 1986; Tieleman, Training restricted Boltzmann machines using "
    "approximations to the likelihood gradient, ICML 2008; as the twin of Born machines: arXiv:2503.02934",
    published={"parameters": "1104 (64 hidden units) and 4368 (256) on 16 bits"},
    deviations=(
        "it is trained on its exact likelihood by default, instead of by chains (`training=pcd`)",
        "draws are exact, instead of the ends of 1000 steps of a chain",
        "the bits are those of cells of equal width after a map to (0, 1), as those of `qcbm`",
        "conditions, which the works do not have, turn the biases",
    ),
    knobs={"hidden": (*HIDDEN, 160, 192, 256)},
    depth="hidden",
    tiny={"bits": 1, "hidden": 2},
    tune={"bits": (2, 3, 4), "gray": (False, True), "training": ("nll", "pcd")},
)
TRAININGS = ("nll", "pcd")
CHAINS = 256


class BoltzmannOnCells(OnCells):
    """The density, with what trains it by chains that go on from step to step.

    Example:
        >>> model = build(2, bits=2, hidden=3)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    law: RestrictedBoltzmann
    chains: Tensor

    def __init__(self, cells: Cells, law: RestrictedBoltzmann, steps: int) -> None:
        super().__init__(cells, law)
        self.steps = steps
        self.register_buffer("chains", torch.zeros(CHAINS if steps else 0, cells.n_bits))

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Let the chains, if there are some, begin at training rows."""
        which = torch.randint(len(train), (len(self.chains),), generator=rng).to(train.rows.device)
        self.chains = self.bits(train.rows[which]) if self.steps else self.chains

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, or what has its gradient with chains in the place of the sum."""
        if not self.steps:
            return super().loss(batch, progress, rng)
        self.chains = self.law.gibbs(self.chains, self.steps, rng)
        weigh = self.law.minus_free_energy
        return weigh(self.chains).mean() - weigh(self.bits(batch.rows)).mean()


def build(
    dim: int,
    *,
    bits: int = 3,
    hidden: int = 16,
    training: str = "nll",
    steps: int = 1,
    squash: str = "normal",
    gray: bool = True,
    condition: int = 0,
) -> BoltzmannOnCells:
    """A machine of ``dim * bits`` visible and so many `hidden` bits: ``(visible + 1) (hidden + 1) - 1`` parameters.

    The `training` is ``nll`` or ``pcd``, with so many `steps` of Gibbs sampling in each step of training. The biases of
    both layers are linear in conditions.

    Raises:
        Refused: a training that does not exist, no step, chains with conditions, or what `Cells` or
            `RestrictedBoltzmann` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(16, bits=1, hidden=hidden)).total for hidden in (64, 256)]
        [1104, 4368]
    """
    if training not in TRAININGS or steps < 1:
        raise Refused(
            f"rbm was given training={training}, steps={steps}; one of {', '.join(TRAININGS)} and 1 step or more are "
            "expected"
        )
    if condition and training == "pcd":
        raise Refused("rbm was given training=pcd and conditions; chains have none, and training=nll is expected")
    cells = Cells(dim, bits, squash, gray)
    law = RestrictedBoltzmann(cells.n_bits, hidden, condition)
    return BoltzmannOnCells(cells, law, steps if training == "pcd" else 0)
