"""Generators against a discriminator or a critic, in rows or in the latent space of an autoencoder."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Player
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Adversary, Critic, Duel, widths_of
from reference_models._parts.autoencoder import dense_stack
from reference_models._parts.spans import SignedSpan

GAMES = ("bce", "wasserstein")
SLOPE = 0.2
CONVOLUTIONS = (2, 64, 32, 16, 8)
SIDE = 10


class Discriminator(Critic):
    """A network whose number a row is the logit of "it is true": dense widths as ``50-20``, or ``conv``.

    ``conv`` is that of the style-based quantum GAN (arXiv:2110.06933): a dense layer to 10 x 10 pixels of two channels
    and four convolutions. All units are leaky, by 0.2.

    Raises:
        Refused: what is stated are no widths.

    Example:
        >>> [sum(p.numel() for p in Discriminator(dim, how).parameters()) for dim, how in ((3, "conv"), (9, "50-20"))]
        [26865, 1541]
    """

    def __init__(self, dim: int, how: str) -> None:
        nn.Module.__init__(self)
        if how == "conv":
            self.network = _convolutional(dim)
        else:
            sizes = [dim, *widths_of(how)]
            inner = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))]
            self.network = nn.Sequential(*inner, nn.Linear(sizes[-1], 1))


def _convolutional(dim: int) -> nn.Sequential:
    image = (CONVOLUTIONS[0], SIDE, SIDE)
    inner: list[nn.Module] = [nn.Linear(dim, prod(image), bias=False), nn.Unflatten(1, image)]
    for a, b in pairwise(CONVOLUTIONS):
        inner += [nn.Conv2d(a, b, 3, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*inner, nn.Flatten(), nn.Linear(CONVOLUTIONS[-1] * SIDE**2, 1))


def judge_of(dim: int, how: str, game: str) -> Critic:
    """Who judges rows: a discriminator (``bce``), or a critic of dense widths (``wasserstein``).

    Raises:
        Refused: there is no such game, or what is stated are no widths.
    """
    if game not in GAMES:
        raise Refused(f"no game of a generator is called '{game}'; there are: {', '.join(GAMES)}")
    return Discriminator(dim, how) if game == "bce" else Critic(dim, widths_of(how), "silu")


class Opposed(Adversary):
    """A generator from normal noise that plays one of two games.

    ``bce``: a discriminator tells true rows from made ones by cross-entropy, and the generator has its rows taken for
    true ones (arXiv:1406.2661). ``wasserstein``: as `Adversary`. A generator without trained numbers only watches.
    The ends of its rows, where it has some, are those of the training rows.

    Example:
        >>> model = Opposed((2,), nn.Linear(3, 2), Discriminator(2, "4"), latent=3, game="bce", duel=Duel(1.0, 1))
        >>> [player.name for player in model.players()]
        ['critic', 'generator']
    """

    def __init__(
        self, shape: tuple[int, ...], network: nn.Module, critic: Critic, *, latent: int, game: str, duel: Duel
    ) -> None:
        super().__init__(shape, network, critic, latent=latent, mean=0.0, spread=1.0, duel=duel)
        self.game = game

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Take the ends of rows from the training rows."""
        for module in self.network.modules():
            if isinstance(module, SignedSpan):
                module.fit(train.rows.flatten(1))

    def players(self) -> tuple[Player, ...]:
        """The discriminator, then the generator, as far as they have something to train."""
        return tuple(player for player in super().players() if player.parameters)

    def critic_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The cross-entropy of true and made rows, or the loss of a Wasserstein critic."""
        if self.game == "wasserstein":
            return super().critic_loss(batch, progress, rng)
        with torch.no_grad():
            made = self._made_in_batch(batch, rng)
        true, false = self.critic(batch.rows, batch.condition), self.critic(made, batch.condition)
        return F.softplus(-true).mean() + F.softplus(false).mean()

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The cross-entropy of made rows that are called true, or minus what a Wasserstein critic thinks of them."""
        if self.game == "wasserstein":
            return super().loss(batch, progress, rng)
        return F.softplus(-self.critic(self._made_in_batch(batch, rng), batch.condition)).mean()


class Encoder(nn.Sequential):
    """The half of an autoencoder that only helps to train what generates, and is counted as a critic is.

    Example:
        >>> Encoder(nn.Linear(4, 2), nn.Tanh()).is_critic
        True
    """

    is_critic = True


class OpposedInLatents(Opposed):
    """A generator of latents, which a trained decoder turns into rows; the game is played for latents.

    In each step the autoencoder comes first, by its squared error; then the judge, who sees latents of true rows and
    latents that were made, and then the generator. Latents lie between -1 and 1.

    Example:
        >>> model = latent_game((4,), nn.Linear(3, 2), latent=3, code=2, between=5, critic="8", game="bce",
        ...     duel=Duel(1.0, 1))
        >>> [player.name for player in model.players()], model.sample(6, torch.Generator().manual_seed(0)).shape
        (['autoencoder', 'critic', 'generator'], torch.Size([6, 4]))
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        core: nn.Module,
        decoder: nn.Module,
        encoder: Encoder,
        critic: Critic,
        *,
        latent: int,
        game: str,
        duel: Duel,
    ) -> None:
        super().__init__(shape, nn.Sequential(core, decoder), critic, latent=latent, game=game, duel=duel)
        self.encoder = encoder

    def players(self) -> tuple[Player, ...]:
        """The autoencoder, the discriminator, and the generator of latents if it has something to train."""
        core, decoder = self.network.children()
        rebuilt = Player("autoencoder", [*self.encoder.parameters(), *decoder.parameters()], self.rebuilding_loss)
        own = [p for p in core.parameters() if p.requires_grad]
        made = Player("generator", own, self.loss, betas=(0.5, 0.999))
        return rebuilt, super().players()[0], *([made] if own else [])

    def rebuilding_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared error of rows that went through the latents."""
        rows = batch.rows.flatten(1)
        decoder = list(self.network.children())[1]
        error: Tensor = (decoder(self.encoder(rows)) - rows).square().mean()
        return error

    def critic_loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """That of latents of true rows and of latents that were made."""
        with torch.no_grad():
            codes = self.encoder(batch.rows.flatten(1))
        return super().critic_loss(Batch(codes, batch.condition), progress, rng)

    def _made_in_batch(self, batch: Batch, rng: torch.Generator) -> Tensor:
        noise = self.noise(len(batch), rng).to(batch.rows)
        core = next(iter(self.network.children()))
        made: Tensor = core(noise if batch.condition is None else torch.cat((noise, batch.condition), 1))
        return made


def row_game(
    shape: tuple[int, ...],
    network: nn.Module,
    *,
    latent: int,
    critic: str,
    game: str,
    duel: Duel,
    condition: int = 0,
) -> Opposed:
    """A generator of rows in its game.

    Raises:
        Refused: there is no such game or critic.
    """
    judge = judge_of(prod(shape) + condition, critic, game)
    return Opposed(shape, network, judge, latent=latent, game=game, duel=duel)


def latent_game(
    shape: tuple[int, ...],
    core: nn.Module,
    *,
    latent: int,
    code: int,
    between: int,
    critic: str,
    game: str,
    duel: Duel,
    condition: int = 0,
) -> OpposedInLatents:
    """A generator of `code` latents in its game, and an autoencoder with `between` hidden units on either side.

    Raises:
        Refused: there is no such game or critic, or no latent or unit.
    """
    if min(code, between) < 1:
        raise Refused(f"an autoencoder of {code} latents and {between} units was asked for; 1 or more are expected")
    dim = prod(shape)
    encoder = Encoder(*dense_stack([dim, between, code]), nn.Tanh())
    decoder = dense_stack([code, between, dim])
    judge = judge_of(code + condition, critic, game)
    return OpposedInLatents(shape, core, decoder, encoder, judge, latent=latent, game=game, duel=duel)
