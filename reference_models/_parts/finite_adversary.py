"""Generators that draw one of finitely many rows, against a discriminator; both losses are exact means over them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Player, Sampler
from reference_models._parts.adversarial import JUDGED
from reference_models._parts.cells import Cells
from reference_models._parts.energies import drawn_by_chance
from reference_models._parts.loss_terms import energy_distance
from reference_models._parts.opposed import Discriminator
from reference_models._parts.spans import Span


class FiniteAdversary(Sampler):
    """Draws row i of a table by its probability p_i.

    The discriminator D tells true rows from the table's by cross-entropy, each of the latter weighed by p_i; the
    generator minimises ``-sum_i p_i log D(row_i)`` (npj Quantum Inf. 5, 103), with the sum over all rows in the place
    of one over drawn ones. Both see rows in the units of `span`.

    Attributes:
        chances: gives the probabilities, ``(k,)``.
        table: gives the rows in units of the span, ``(k, dim)``.

    Example:
        >>> from reference_models._parts.outcomes import BitEnergies
        >>> from reference_models._parts.spans import Levels
        >>> parts = BitEnergies(2, 0), LevelTable(2, 1), Levels(2, 2), Discriminator(2, "4")
        >>> model = FiniteAdversary(2, *parts, turns=1)
        >>> model.sample(3, torch.Generator().manual_seed(0)).shape, [player.name for player in model.players()]
        (torch.Size([3, 2]), ['discriminator', 'generator'])
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        chances: nn.Module,
        table: nn.Module,
        span: Span,
        critic: Discriminator,
        *,
        turns: int,
    ) -> None:
        super().__init__(shape)
        self.chances, self.table, self.span, self.critic, self.turns = chances, table, span, critic, turns

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Take the units of rows from the training rows."""
        self.span.fit(train.rows.flatten(1))

    def players(self) -> tuple[Player, ...]:
        """The discriminator, some updates in turn, then the generator if it has something to train."""
        judge = Player(
            "discriminator", list(self.critic.parameters()), self.critic_loss, betas=(0.5, 0.999), updates=self.turns
        )
        own = [p for part in (self.chances, self.table) for p in part.parameters() if p.requires_grad]
        return judge, *([Player("generator", own, self.loss, betas=(0.5, 0.999))] if own else [])

    def critic_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The cross-entropy of the true rows of a batch and of all rows of the table."""
        with torch.no_grad():
            chances, table = self.chances(), self.table()
        true = self.critic(self.span.into(batch.rows.flatten(1)))
        loss: Tensor = F.softplus(-true).mean() + (chances * F.softplus(self.critic(table))).sum()
        return loss

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean cross-entropy of rows of the table that are called true."""
        loss: Tensor = (self.chances() * F.softplus(-self.critic(self.table()))).sum()
        return loss

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The energy distance of drawn rows from validation rows."""
        some = valid.rows[:JUDGED].flatten(1)
        return energy_distance(self.sample(len(some), rng).flatten(1), some)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows."""
        table = self.table()
        places = drawn_by_chance(self.chances(), n, rng)
        return self.span.back(self.span.scattered(table[places], rng)).reshape(n, *self.shape)


class LevelTable(nn.Module):
    """All rows of so many features of 2^bits levels each, from 0 to 1; the first feature has the highest bits.

    Example:
        >>> LevelTable(2, 1)().tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """

    rows: Tensor

    def __init__(self, dim: int, bits: int) -> None:
        super().__init__()
        cells = Cells(dim, bits)
        places = cells.places_of(torch.arange(2**cells.n_bits))
        self.register_buffer("rows", places / (cells.each - 1), persistent=False)

    def forward(self) -> Tensor:
        """``(2^(dim bits), dim)``."""
        return self.rows
