"""A normalised autoencoder: its error is an energy, which is raised where the model itself would draw rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch
from qinn_bench.values import Refused
from reference_models._parts.autoencoder import Autoencoder
from reference_models._parts.langevin import Energy, adjusted, noisy_descent
from reference_models._parts.spectral import advance, normed

ABOUT = About(
    citation="Yoon, Noh, Park, Autoencoding under normalization constraints, arXiv:2105.05735; of jets Dillon, Favaro, "
    "Plehn, Sorrenson, Kraemer, A normalized autoencoder for LHC triggers, arXiv:2206.14225",
    published={"jets of 40x40 pixels": "84 442 parameters; both directions are tagged, QCD and top"},
    deviations=(
        "the chain is the Metropolis-adjusted Langevin algorithm, which draws from exp(-E / T); that of the paper, a "
        "descent with little noise, is the knob chain=descent",
        "the latent space has a standard normal prior and is not projected on a sphere",
        "weights are chosen by the sliced Wasserstein distance of drawn rows from validation rows",
        "no L2 terms",
    ),
    knobs={"channels": (1, 2, 3, 4, 6, 8, 10, 12, 16), "hidden": (4, 8, 12, 16, 24, 32, 48, 64, 80, 100)},
    depth="channels",
    tiny={"channels": 2, "hidden": 4, "steps": 2},
    tune={"temperature": KnobSpan(low=1e-4, high=0.1), "step": KnobSpan(low=1e-3, high=0.1)},
    rows=("image",),
)
CHAINS = ("langevin", "descent")
REPLAY = 10_000
"""Places of the replay buffer."""
KEPT = 0.95
"""Chance that a chain in the latent space goes on from the replay buffer."""
DESCENT = 1e-4
"""Deviation of the noise of the descent, as published for jets."""
DIRECTIONS = 50
JUDGED = 256


@dataclass(frozen=True)
class Chain:
    """How rows are drawn: the kind of chain, its steps and their size, the temperature, and the share of training that
    goes before.

    Example:
        >>> Chain("langevin", 10, 0.01, 0.001, 0.5).kind
        'langevin'
    """

    kind: str
    steps: int
    step: float
    temperature: float
    plain: float


class NormalisedAutoencoder(Autoencoder):
    """Energy E(x) is the mean squared error of a row; training lowers it for rows and raises it for drawn ones.

    For the share `plain` of training the loss is the mean energy of rows. Then it is E(rows) - E(drawn) + E(drawn)^2 in
    the mean; drawn rows begin in the latent space, at a replay buffer or at random, where a chain moves them under
    E(decoder(z)) / T + z^2 / 2, and are decoded and moved by another chain under E / T.

    Example:
        >>> model = build((1, 8, 8), channels=2, hidden=4)
        >>> model.drawn(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self, shape: tuple[int, ...], networks: tuple[nn.Module, nn.Module], latent: int, chain: Chain
    ) -> None:
        super().__init__(shape, *networks, "mse")
        self.latent, self.chain = latent, chain
        self.register_buffer("replay", torch.zeros(REPLAY, latent))
        self.register_buffer("written", torch.tensor(0))

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean energy of the rows, and later also minus that of drawn ones."""
        advance(self)
        energy = self.score(batch.rows).mean()
        if progress < self.chain.plain:
            return energy
        raised = self.score(self.drawn(len(batch), rng, keep=True))
        return energy - raised.mean() + raised.square().mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The sliced Wasserstein-2 distance, squared, of drawn rows from validation rows, along random directions.

        The loss itself says nothing of which weights are better: both of its energies fall together.
        """
        rows = valid.rows[:JUDGED].flatten(1)
        directions = F.normalize(torch.randn(self.dim, DIRECTIONS, generator=rng, dtype=torch.float64), dim=0).to(rows)
        drawn = self.drawn(len(rows), rng).flatten(1)
        apart = (rows @ directions).sort(0).values - (drawn @ directions).sort(0).values
        return apart.square().mean()

    def drawn(self, n: int, rng: torch.Generator, *, keep: bool = False) -> Tensor:
        """Rows of two chains, the first in the latent space, ``(n, *shape)``; with `keep` the buffer moves along."""
        replay, written = self.get_buffer("replay"), int(self.get_buffer("written"))
        z = torch.randn(n, self.latent, generator=rng, dtype=torch.float64).to(replay)
        if written:
            at = torch.randint(min(written, len(replay)), (n,), generator=rng).to(replay.device)
            old = torch.rand(n, 1, generator=rng, dtype=torch.float64).to(replay) < KEPT
            z = torch.where(old, replay[at], z)
        hot = self.chain.temperature
        z = self._moved(lambda z: self.score(self._decoded(z)) / hot + z.square().sum(1) / 2, z, rng)
        if keep:
            places = (written + torch.arange(n, device=replay.device)) % len(replay)
            replay[places] = z
            self.get_buffer("written").fill_(written + n)
        return self._moved(lambda x: self.score(x) / hot, self._decoded(z).detach(), rng)

    def _decoded(self, z: Tensor) -> Tensor:
        made: Tensor = self.decoder(z)
        return made.reshape(len(z), *self.shape)

    def _moved(self, energy: Energy, start: Tensor, rng: torch.Generator) -> Tensor:
        chain = self.chain
        if chain.kind == "descent":
            return noisy_descent(energy, start, chain.steps, chain.step, DESCENT, rng)
        return adjusted(energy, start, chain.steps, chain.step, rng)


def build(
    shape: tuple[int, ...],
    *,
    channels: int = 8,
    hidden: int = 100,
    latent: int = 3,
    chain: str = "langevin",
    steps: int = 10,
    step: float = 0.01,
    temperature: float = 0.001,
    plain: float = 0.5,
) -> NormalisedAutoencoder:
    """Convolutions of 3x3 pixels with spectral norms on either side of two dense layers, as published for jets.

    Both chains take so many `steps` of this size under E / `temperature`; After the
    share `plain` of training drawn rows count. With 8 channels, 100 hidden units and 3 latent numbers, images of 40x40
    pixels take 84 442 parameters.

    Raises:
        Refused: images with an odd number of pixels a side, no such chain, or sizes of none.
    """
    sizes = (channels, hidden, latent, steps)
    if min(sizes) < 1 or min(step, temperature) <= 0 or not 0 <= plain <= 1 or chain not in CHAINS:
        raise Refused(
            f"normalised_ae was given chain={chain}, step={step:g}, temperature={temperature:g}, plain={plain:g} and "
            f"sizes {', '.join(map(str, sizes))}; one of {', '.join(CHAINS)}, positive numbers and a share are expected"
        )
    if shape[1] % 2 or shape[2] % 2:
        raise Refused(f"normalised_ae takes images of an even number of pixels a side, not {shape[1]}x{shape[2]}")
    networks = _encoder(shape, channels, hidden, latent), _decoder(shape, channels, hidden, latent)
    return NormalisedAutoencoder(shape, networks, latent, Chain(chain, steps, step, temperature, plain))


def _conv(before: int, after: int) -> nn.Module:
    return normed(nn.Conv2d(before, after, 3, padding=1))


def _dense(before: int, after: int) -> nn.Module:
    return normed(nn.Linear(before, after))


def _encoder(shape: tuple[int, ...], channels: int, hidden: int, latent: int) -> nn.Module:
    colours, height, width = shape
    return nn.Sequential(
        *(_conv(colours, channels), nn.PReLU(), _conv(channels, channels), nn.PReLU(), nn.MaxPool2d(2), nn.PReLU()),
        *(_conv(channels, channels), nn.PReLU(), _conv(channels, channels), nn.PReLU(), _conv(channels, 1), nn.PReLU()),
        *(nn.Flatten(), _dense(height * width // 4, hidden), nn.PReLU(), _dense(hidden, latent)),
    )


def _decoder(shape: tuple[int, ...], channels: int, hidden: int, latent: int) -> nn.Module:
    colours, height, width = shape
    half = height // 2, width // 2
    return nn.Sequential(
        *(_dense(latent, hidden), nn.PReLU(), _dense(hidden, half[0] * half[1]), nn.PReLU()),
        *(nn.Unflatten(1, (1, *half)), _conv(1, channels), nn.PReLU(), _conv(channels, channels), nn.PReLU()),
        *(nn.Upsample((height, width), mode="bilinear", align_corners=True), nn.PReLU()),
        *(_conv(channels, channels), nn.PReLU(), _conv(channels, colours), nn.Sigmoid()),
    )
