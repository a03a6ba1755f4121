"""Densities on cells from a distribution of bit strings: a cell is a string, and a row lies evenly in its cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qinn_bench.contracts import Batch, Density, Sampler, density_of, given
from reference_models._parts.binary_priors import BinaryPrior
from reference_models._parts.cells import Cells


def bits_of(cells: Cells, places: Tensor) -> Tensor:
    """The bits of cells, ``(n, dim) -> (n, dim * bits)``, the highest bit of each feature first.

    Unlike one number for each cell, they are the same for any number of bits.

    Example:
        >>> bits_of(Cells(2, bits=2), torch.tensor([[1, 2]])).tolist()
        [[0, 1, 1, 0]]
    """
    coded = places ^ (places >> 1) if cells.gray else places
    shifts = torch.arange(cells.bits - 1, -1, -1, device=places.device)
    return (coded[:, :, None] >> shifts & 1).flatten(1)


def places_of_bits(cells: Cells, bits: Tensor) -> Tensor:
    """The places of cells that have these bits: ``(n, dim * bits) -> (n, dim)``.

    Example:
        >>> cells = Cells(2, bits=3, gray=True)
        >>> places_of_bits(cells, bits_of(cells, torch.tensor([[5, 2]]))).tolist()
        [[5, 2]]
    """
    powers = 2 ** torch.arange(cells.bits - 1, -1, -1, device=bits.device)
    places = (bits.long().reshape(len(bits), cells.dim, cells.bits) * powers).sum(2)
    for shift in (1, 2, 4, 8, 16) if cells.gray else ():
        places = places ^ (places >> shift)
    return places


class OnCells(Sampler, Density):
    """A density that is even within each cell, whose probabilities are those of a distribution of bit strings.

    Example:
        >>> from reference_models._parts.binary_priors import Factorised
        >>> model = OnCells(Cells(2, bits=2), Factorised(4))  # All bits are even: a standard normal.
        >>> round(float(model.log_prob(torch.zeros(1, 2))), 3)
        -1.838
    """

    normalised = True

    def __init__(self, cells: Cells, law: BinaryPrior) -> None:
        super().__init__(cells.dim)
        self.cells, self.law = cells, law

    def bits(self, x: Tensor) -> Tensor:
        """The bit string of each row, ``(n, dim) -> (n, dim * bits)``, zeros and ones in the precision of the law."""
        return bits_of(self.cells, self.cells.places(x)).to(next(self.law.parameters()))

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats: the string's over its volume."""
        return (
            self.law.log_prob(self.bits(x), *given(condition))
            + self.cells.n_bits * math.log(2)
            + self.cells.log_even(x)
        )

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows: a string, then a place in its cell."""
        bits = self.law.draw(n, rng, *given(condition))
        return self.cells.drawn_in(places_of_bits(self.cells, bits), rng).to(bits)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, which is exact."""
        return -density_of(self, batch).mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, also of a model that is trained by something else."""
        return -density_of(self, valid).mean()
