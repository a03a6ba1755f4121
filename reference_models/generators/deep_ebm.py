"""A dense network as the energy of the bits of cells: a classical twin of circuit Born machines, normalised exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch
from qinn_bench.values import Refused
from reference_models._parts.bit_cells import OnCells
from reference_models._parts.cells import Cells
from reference_models._parts.energies import DeepEnergy
from reference_models._parts.sizes import HIDDEN

ABOUT = About(
    citation="Ngiam, Chen, Koh, Ng, Learning deep energy models, ICML 2011; as the twin of Born machines, with tanh "
    "layers and single-bit moves: arXiv:2503.02934",
    published={"parameters": "353 (widths 16, 4, 2) and 1801 (width 100) on 16 bits"},
    deviations=(
        "the constant of the energy, which changes nothing, is left out: one parameter fewer",
        "it is trained on its exact likelihood by default, instead of by contrastive divergence (`training=cd`)",
        "draws are exact, instead of the ends of 1000 steps of a chain",
        "at most 16 bits, over whose strings it is summed; hidden layers of equal width",
        "the bits are those of cells of equal width after a map to (0, 1), as those of `qcbm`",
        "conditions, which the works do not have, are read by the network",
    ),
    knobs={"hidden": HIDDEN, "hidden_layers": (1, 2, 3)},
    depth="hidden_layers",
    tiny={"bits": 1, "hidden": 2},
    tune={"bits": (2, 3, 4), "gray": (False, True), "training": ("nll", "cd")},
)
TRAININGS = ("nll", "cd")


class EnergyOnCells(OnCells):
    """The density, with what trains it by short chains that begin at the rows of a batch.

    Example:
        >>> model = build(2, bits=2, hidden=3)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    law: DeepEnergy

    def __init__(self, cells: Cells, law: DeepEnergy, steps: int) -> None:
        super().__init__(cells, law)
        self.steps = steps

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, or the contrastive divergence."""
        if not self.steps:
            return super().loss(batch, progress, rng)
        v, known = self.bits(batch.rows), batch.condition
        return self.law.energy(v, known).mean() - self.law.energy(self._moved(v, rng, known), known).mean()

    def _moved(self, v: Tensor, rng: torch.Generator, condition: Tensor | None) -> Tensor:
        return self.law.metropolis(v, self.steps, rng, condition)


def build(
    dim: int,
    *,
    bits: int = 3,
    hidden: int = 32,
    hidden_layers: int = 1,
    training: str = "nll",
    steps: int = 10,
    squash: str = "normal",
    gray: bool = True,
    condition: int = 0,
) -> EnergyOnCells:
    """An energy of ``dim * bits`` bits by `hidden_layers` layers of `hidden` tanh units.

    The `training` is ``nll`` or ``cd``, with so many `steps`, each of which proposes to flip one bit. The network reads
    conditions beside the bits.

    Raises:
        Refused: a training that does not exist, no step, or what `Cells` or `DeepEnergy` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(16, bits=1, hidden=100)).total
        1800
    """
    if training not in TRAININGS or steps < 1:
        raise Refused(
            f"deep_ebm was given training={training}, steps={steps}; one of {', '.join(TRAININGS)} and 1 step or more "
            "are expected"
        )
    cells = Cells(dim, bits, squash, gray)
    law = DeepEnergy(cells.n_bits, [hidden] * hidden_layers, condition)
    return EnergyOnCells(cells, law, steps if training == "cd" else 0)
