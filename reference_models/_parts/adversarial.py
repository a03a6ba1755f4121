"""Wasserstein adversaries: a generator from noise to rows, and a critic whose gradient is held to length one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Generator, Player
from qinn_bench.values import Refused
from reference_models._parts.loss_terms import energy_distance

OUTPUTS: dict[str, type[nn.Module]] = {"linear": nn.Identity, "relu": nn.ReLU, "softplus": nn.Softplus}
UNITS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}
WIDEST = 10_000
JUDGED = 1000
"""Rows that choose the weights that are kept, at most."""


@dataclass(frozen=True)
class Duel:
    """How the two are trained: the factor of the gradient penalty, and the critic's updates for one of the generator's.

    Raises:
        Refused: a negative penalty, or no update.

    Example:
        >>> Duel(penalty=10.0, turns=5).turns
        5
    """

    penalty: float
    turns: int

    def __post_init__(self) -> None:
        if self.penalty < 0 or self.turns < 1:
            raise Refused(
                f"penalty={self.penalty:g} and turns={self.turns} were given; a factor of 0 or more and at least one "
                "update of the critic are expected"
            )


class Critic(nn.Module):
    """A dense network that judges rows ``(n, *shape)``, at conditions if any: a number a row.

    Its `unit` is ``relu`` or ``silu``. The last layer has no bias, which would cancel in the difference of judgements.

    Raises:
        Refused: there is no such unit.

    Example:
        >>> critic = Critic(533, (800, 400, 200))
        >>> sum(p.numel() for p in critic.parameters())
        828000
    """

    is_critic = True

    def __init__(self, dim: int, widths: Sequence[int], unit: str = "relu") -> None:
        super().__init__()
        if unit not in UNITS:
            raise Refused(f"a critic has units of {' or '.join(UNITS)}, not of '{unit}'")
        sizes = [dim, *widths]
        inner = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), UNITS[unit]())]
        self.network = nn.Sequential(*inner, nn.Linear(sizes[-1], 1, bias=False))

    def forward(self, rows: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, *shape) -> (n,)``."""
        read = rows.flatten(1)
        judged: Tensor = self.network(read if condition is None else torch.cat((read, condition), 1))
        return judged[:, 0]


class Adversary(Generator):
    """A generator that is trained against a critic (Wasserstein with gradient penalty, arXiv:1704.00028).

    `network` maps noise of `latent` normal numbers with `mean` and `spread`, and conditions after them, to rows. It
    may have layers of batch normalisation: they see batches only while the network is trained. The weights that are
    kept are those whose rows, at the same noise in each check, are nearest to validation rows by their energy distance.

    Example:
        >>> duel = Duel(penalty=10.0, turns=5)
        >>> model = Adversary((2,), nn.Linear(3, 2), Critic(2, (8,)), latent=3, mean=0.5, spread=0.5, duel=duel)
        >>> [player.name for player in model.players()], model.sample(4, torch.Generator().manual_seed(0)).shape
        (['critic', 'generator'], torch.Size([4, 2]))
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        network: nn.Module,
        critic: Critic,
        *,
        latent: int,
        mean: float,
        spread: float,
        duel: Duel,
    ) -> None:
        super().__init__(shape)
        self.network, self.critic, self.duel = network, critic, duel
        self.latent, self.mean, self.spread = latent, mean, spread

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Normal numbers, ``(n, latent)``."""
        return self.mean + self.spread * torch.randn(n, self.latent, generator=rng, dtype=torch.float64)

    def generate(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, latent) -> (n, *shape)``, each row for itself."""
        self.network.eval()
        return self._made(noise, condition)

    def players(self) -> tuple[Player, ...]:
        """The critic, some updates in turn, then the generator, both by Adam as published."""
        critic, generator = ([p for p in one.parameters() if p.requires_grad] for one in (self.critic, self.network))
        judge = Player("critic", critic, self.critic_loss, betas=(0.5, 0.999), updates=self.duel.turns)
        return judge, Player("generator", generator, self.loss, betas=(0.5, 0.999))

    def critic_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """How much more the critic thinks of made rows than of true ones, and the penalty on its gradient between."""
        with torch.no_grad():
            made = self._made_in_batch(batch, rng)
        share = torch.rand(len(batch), *[1] * (made.ndim - 1), generator=rng, dtype=torch.float64).to(made)
        between = (share * batch.rows + (1 - share) * made).requires_grad_()
        judged = self.critic(between, batch.condition)
        slope = torch.autograd.grad(judged.sum(), between, create_graph=True)[0].flatten(1).norm(dim=1)
        difference = self.critic(made, batch.condition).mean() - self.critic(batch.rows, batch.condition).mean()
        loss: Tensor = difference + self.duel.penalty * (slope - 1).square().mean()
        return loss

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """Minus what the critic thinks of made rows: the loss of the generator."""
        judged: Tensor = self.critic(self._made_in_batch(batch, rng), batch.condition)
        return -judged.mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The energy distance of made rows from validation rows."""
        some = valid[:JUDGED]
        made = self.generate(self.noise(len(some), rng).to(some.rows), some.condition)
        return energy_distance(made.flatten(1), some.rows.flatten(1))

    def _made_in_batch(self, batch: Batch, rng: torch.Generator) -> Tensor:
        self.network.train()
        return self._made(self.noise(len(batch), rng).to(batch.rows), batch.condition)

    def _made(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        made: Tensor = self.network(noise if condition is None else torch.cat((noise, condition), 1))
        return made.reshape(len(made), *self.shape)


def against_critic(
    shape: tuple[int, ...],
    network: nn.Module,
    latent: int,
    *,
    critic: str,
    unit: str,
    penalty: float,
    turns: int,
    condition: int = 0,
) -> Adversary:
    """A network as the published generators are trained: noise of mean and spread 0.5, a critic of the widths `critic`.

    Raises:
        Refused: no such critic or unit, or a duel that makes no sense.
    """
    judge = Critic(prod(shape) + condition, widths_of(critic), unit)
    return Adversary(shape, network, judge, latent=latent, mean=0.5, spread=0.5, duel=Duel(penalty, turns))


class BeforeNormalisation(nn.Linear):
    """A dense layer before batch normalisation, which takes its bias away again, if it has one.

    Example:
        >>> BeforeNormalisation(10, 50).blind, BeforeNormalisation(10, 50, bias=False).blind
        (50, 0)
    """

    @property
    def blind(self) -> int:
        """How many of its numbers have no effect."""
        return 0 if self.bias is None else self.out_features


def normalised(n_in: int, widths: Sequence[int], *, trim: bool) -> list[nn.Module]:
    """Dense layers of these widths, each with batch normalisation and ReLU after it; no biases if `trim`."""
    return [
        layer
        for a, b in pairwise([n_in, *widths])
        for layer in (BeforeNormalisation(a, b, bias=not trim), nn.BatchNorm1d(b), nn.ReLU())
    ]


def widening(hidden: int, n_stages: int) -> tuple[int, ...]:
    """Widths that grow from `hidden` to four times that: the stages of the published generators.

    Example:
        >>> widening(50, 2), widening(50, 3), widening(50, 1), widening(50, 0)
        ((50, 200), (50, 100, 200), (50,), ())
    """
    return tuple(round(hidden * 4 ** (k / max(1, n_stages - 1))) for k in range(n_stages))


def widths_of(text: str) -> tuple[int, ...]:
    """The widths of the layers of a critic, as its knob states them.

    Raises:
        Refused: what is stated are no widths.

    Example:
        >>> widths_of("800-400-200")
        (800, 400, 200)
    """
    parts = text.split("-")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= WIDEST for part in parts):
        raise Refused(
            f"critic={text!r} was given; widths from 1 to {WIDEST} with - between them, as 800-400-200, expected"
        )
    return tuple(map(int, parts))


def output_of(name: str) -> nn.Module:
    """What the last layer of a generator ends in: rows of any sign, or none below zero.

    Raises:
        Refused: there is no such ending.
    """
    if name not in OUTPUTS:
        raise Refused(f"a generator ends in one of {', '.join(OUTPUTS)}, not in '{name}'")
    return OUTPUTS[name]()
