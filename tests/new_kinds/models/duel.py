"""A generator against a critic: two players, each with its own loss and optimiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Player, Sampler

ABOUT = About(citation="nobody", knobs={"hidden": (1, 2, 4, 8, 16, 32)}, depth="hidden", tiny={"hidden": 2})


class Duel(Sampler):
    """A Wasserstein critic with a penalty on its size, and a network from noise to rows."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(dim)
        self.generator = nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, dim))
        self.critic = nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        noise = torch.randn(n, self.dim, generator=rng, dtype=torch.float64)
        return self.generator(noise.to(self.generator[0].weight))

    def players(self) -> tuple[Player, ...]:
        critic, generator = list(self.critic.parameters()), list(self.generator.parameters())
        return (
            Player("critic", critic, self.critic_loss, "rmsprop", updates=2),
            Player("generator", generator, self.generator_loss, betas=(0.5, 0.9)),
        )

    def critic_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        real, fake = self.critic(batch.rows), self.critic(self.sample(len(batch), rng))
        return fake.mean() - real.mean() + 0.1 * (real.square().mean() + fake.square().mean())

    def generator_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        return -self.critic(self.sample(len(batch), rng)).mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        drawn = self.sample(len(valid), rng)
        return (drawn.mean(0) - valid.rows.mean(0)).square().sum() + (drawn.std(0) - valid.rows.std(0)).square().sum()


def build(dim: int, *, hidden: int = 8) -> Duel:
    """A duel over rows of `dim` features."""
    return Duel(dim, hidden)
