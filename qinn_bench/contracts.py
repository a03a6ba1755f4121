"""What a model may be: what is asked of all, and what it may do beside: draw rows, state a density, score, rebuild."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from qinn_bench.values import Parameters

LOG_2PI = 1.8378770664093453


@dataclass(frozen=True)
class Batch:
    """Rows that a model learns from: features, and what is known of each row beside them.

    Attributes:
        rows: features, ``(n, *shape)``.
        condition: what the density or the samples are conditioned on, such as the incident energy, ``(n, c)``, where
            the data set states conditions and the model takes them.
        labels: 0 for background and 1 for signal, ``(n,)``; only a model that says it is supervised gets them.

    Example:
        >>> batch = Batch(torch.arange(6.0).reshape(3, 2), condition=torch.tensor([[1.0], [2.0], [3.0]]))
        >>> len(batch), batch[1:].condition.tolist(), batch.labels
        (3, [[2.0], [3.0]], None)
    """

    rows: Tensor
    condition: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: slice | Tensor) -> Batch:
        """The batch of these rows: a slice, or places ``(m,)``."""
        parts = (self.rows, self.condition, self.labels)
        return Batch(*(None if part is None else part[which] for part in parts))  # type: ignore[arg-type]

    def to(self, *, device: str, dtype: torch.dtype) -> Batch:
        """The batch on a device and in a precision; labels become numbers of that precision too."""
        parts = (self.rows, self.condition, self.labels)
        return Batch(*(None if part is None else part.to(device=device, dtype=dtype) for part in parts))  # type: ignore[arg-type]


Loss = Callable[[Batch, float, torch.Generator], Tensor]


@dataclass(frozen=True)
class Player:
    """A part of a model that is trained by a loss of its own, such as the generator or the critic of a GAN.

    In each step of the training every player in turn takes `updates` steps of its optimiser, each on a fresh batch,
    and moves its own parameters only.

    Attributes:
        name: what it is called in messages.
        parameters: what it trains; players share none.
        loss: what it minimises, as `Model.loss`.
        optimiser: ``adam``, ``rmsprop`` or ``sgd``.
        learning_rate: the share of the budget's learning rate that it is trained with.
        betas: the decay rates of the moments of Adam.
        updates: how many steps it takes in its turn.

    Example:
        >>> critic = nn.Linear(2, 1)
        >>> def loss(batch, progress, rng):
        ...     return critic(batch.rows).mean()
        >>> player = Player("critic", list(critic.parameters()), loss, optimiser="rmsprop", updates=5)
        >>> player.loss(Batch(torch.zeros(4, 2)), 0.0, torch.Generator()).item() == critic.bias.item()
        True
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Loss
    optimiser: Literal["adam", "rmsprop", "sgd"] = "adam"
    learning_rate: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    updates: int = 1


class Model(nn.Module, ABC):
    """What every model is: something that is trained on rows of features.

    What a model can do beside is said by what it inherits, as many as fit: `Sampler` draws rows, `Generator` does so
    from noise, `Density` states a log-density, `DensityModel` both states one and draws rows by an invertible map,
    `Scorer` says how anomalous a row is, `Reconstructor` gives back rows that went through its latent space,
    `WordTeller` tells the means of words of its bits. Metrics are taken of what a model can do. Methods may leave out
    their last argument, `condition`, in a model whose ``build`` takes no ``condition``: it is never given one.

    Attributes:
        shape: the shape of one row: ``(dim,)`` of flat features, ``(channels, height, width)`` of an image.
        dim: how many numbers a row has.
        conditions: how many numbers a row is conditioned on; set when the model is made for a data set.

    Example:
        >>> class Centre(Model):
        ...     def __init__(self, dim):
        ...         super().__init__(dim)
        ...         self.centre = nn.Parameter(torch.zeros(dim))
        ...     def loss(self, batch, progress, rng):
        ...         return (batch.rows - self.centre).square().mean()
        >>> model = Centre(2)
        >>> model.loss(Batch(torch.ones(4, 2)), 0.0, torch.Generator()).item(), model.dim, len(model.players())
        (1.0, 2, 1)
    """

    conditions = 0

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dim = prod(self.shape)

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Set data-dependent starting values from all training rows, once, before training."""

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """What training minimises on a batch: a scalar.

        `progress` runs from 0 to 1 over training, for schedules; `rng` is the only source of randomness.
        """
        raise NotImplementedError(f"{type(self).__name__} has parameters but states no loss")

    def players(self) -> tuple[Player, ...]:
        """Who is trained: the whole model by its `loss`, unless overridden; adversaries are several."""
        return (Player("model", [p for p in self.parameters() if p.requires_grad], self.loss),)

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """What chooses the weights that are kept, on validation rows: a scalar; the `loss`, unless overridden.

        Adversaries, whose losses say nothing of how good they are, state another.
        """
        return self.loss(valid, 1.0, rng)


class Sampler(Model):
    """A model that draws rows of features.

    Example:
        >>> class Noise(Sampler):
        ...     def sample(self, n, rng, condition=None):
        ...         return torch.randn(n, *self.shape, generator=rng)
        >>> tuple(Noise((1, 8, 8)).sample(3, torch.Generator().manual_seed(0)).shape)
        (3, 1, 8, 8)
    """

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` independent rows, ``(n, *shape)``, one for each condition ``(n, c)`` where there are conditions.

        All randomness comes from `rng`. A row that cannot be drawn is left out.
        """


class Generator(Sampler):
    """A sampler that maps noise to rows, such as the generator of a GAN: what it can draw is the image of its noise.

    Example:
        >>> class Line(Generator):
        ...     def noise(self, n, rng):
        ...         return torch.randn(n, 1, generator=rng, dtype=torch.float64)
        ...     def generate(self, noise, condition=None):
        ...         return torch.cat((noise, 2 * noise), 1)
        >>> rows = Line(2).sample(3, torch.Generator().manual_seed(0))
        >>> bool((rows[:, 1] == 2 * rows[:, 0]).all())
        True
    """

    @abstractmethod
    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the noise of ``n`` rows, ``(n, k)``, in double precision; all randomness of a row comes from it."""

    @abstractmethod
    def generate(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """The rows that noise is mapped to, ``(n, k) -> (n, *shape)``, at conditions ``(n, c)`` if any."""

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw rows."""
        like = next(self.parameters(), torch.zeros(()))
        return self.generate(self.noise(n, rng).to(like), *given(condition))


class Density(Model):
    """A model that states a log-density, and so owes a certificate.

    Example:
        >>> class Normal(Density):
        ...     def log_prob(self, x, condition=None):
        ...         return -0.5 * (x.square() + torch.tensor(2 * torch.pi).log()).sum(1)
        >>> round(float(Normal(2).log_prob(torch.zeros(1, 2))), 3)
        -1.838
    """

    @abstractmethod
    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The claimed log-density of features, ``(n, dim) -> (n,)``, in nats, given conditions ``(n, c)`` if any."""


class DensityModel(Sampler, Density):
    """An invertible map from features x to a latent z with a standard normal base; gives density, samples and loss.

    A subclass implements `forward` and `inverse`. Both must work in float32 and float64 and for any batch size, treat
    rows independently, and stay differentiable with respect to parameters (`forward`) as training needs it.

    Attributes:
        one_to_one: whether its map is so by construction.

    Example:
        >>> class Scaling(DensityModel):
        ...     def forward(self, x, condition=None):
        ...         return 2 * x, x.new_full((len(x),), 2.0).log() * self.dim
        ...     def inverse(self, z, condition=None):
        ...         return z / 2
        >>> model = Scaling(2)
        >>> round(float(model.log_prob(torch.zeros(1, 2))), 3), tuple(model.sample(5,
        ...     torch.Generator().manual_seed(0)).shape)
        (-0.452, (5, 2))
    """

    one_to_one = True

    @abstractmethod
    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map features to the latent: ``(n, dim) -> (n, dim), (n,)`` with ``log |det dz/dx|`` in nats."""

    @abstractmethod
    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents to features, ``(n, dim) -> (n, dim)``; a row without a pre-image is NaN."""

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The claimed log-density of features, ``(n, dim) -> (n,)``, in nats, given conditions ``(n, c)`` if any."""
        z, logdet = self.forward(x, *given(condition))
        return logdet - 0.5 * (z.square().sum(1) + self.dim * LOG_2PI)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw rows; latents without a pre-image are drawn again, at most 20 times, and are then left out."""
        like = next(self.parameters(), torch.zeros(()))
        rows, places, missing = [], [], torch.arange(n, device=like.device)
        for _ in range(20):
            z = torch.randn(len(missing), self.dim, generator=rng, dtype=torch.float64).to(like)
            x = self.inverse(z, *given(None if condition is None else condition[missing]))
            drawn = torch.isfinite(x).all(1)
            rows.append(x[drawn])
            places.append(missing[drawn])
            missing = missing[~drawn]
            if not len(missing):
                break
        # Without conditions rows stay in the order in which they were drawn.
        return torch.cat(rows) if condition is None else torch.cat(rows)[torch.cat(places).argsort()]

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """The mean negative log-likelihood, unless overridden."""
        return -density_of(self, batch).mean()


class Scorer(Model):
    """A model that says how anomalous a row is, such as an autoencoder by its error.

    Example:
        >>> class Distance(Scorer):
        ...     def score(self, x, condition=None):
        ...         return x.flatten(1).norm(dim=1)
        >>> Distance(2).score(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 0.0]
    """

    @abstractmethod
    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """How anomalous features are, ``(n, *shape) -> (n,)``; higher is more so."""


class Reconstructor(Model):
    """A model that gives back rows which went through its latent space.

    Example:
        >>> class Rounding(Reconstructor):
        ...     def reconstruct(self, x, condition=None):
        ...         return x.round()
        >>> Rounding(2).reconstruct(torch.tensor([[0.9, 2.2]])).tolist()
        [[1.0, 2.0]]
    """

    @abstractmethod
    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The features that the model makes of features, ``(n, *shape) -> (n, *shape)``."""


class WordTeller(Model):
    """A model of rows of bits that tells the means of words of Z, without drawing rows.

    A circuit that is too wide to be drawn from here can be compared with data by these means.

    Attributes:
        n_bits: how many bits a row has, and a word letters.

    Example:
        >>> class Even(WordTeller):
        ...     n_bits = 2
        ...     def told_means(self, words, rng):
        ...         mean = (words.sum(1) == 0).double()
        ...         return mean, mean.square()
        >>> Even(2).told_means(torch.tensor([[0, 0], [0, 1]]), torch.Generator())[0].tolist()
        [1.0, 0.0]
    """

    n_bits: int

    @abstractmethod
    def told_means(self, words: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """The means of words ``(w, n_bits)`` and their squares, or unbiased estimates of both: ``(w,)`` each."""


def given(condition: Tensor | None) -> tuple[Tensor, ...]:
    """The argument that stands for a condition: none where there is none, so that a model need not know of them."""
    return () if condition is None else (condition,)


def density_of(model: Density, batch: Batch) -> Tensor:
    """The claimed log-density of the rows of a batch, ``(n,)``."""
    return model.log_prob(batch.rows, *given(batch.condition))


def own_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained numbers that a model consists of, by name.

    Those of sub-modules with ``is_critic = True``, such as the critic of a GAN, only help to train it and are left out.
    """
    critics = {id(p) for module in model.modules() if getattr(module, "is_critic", False) for p in module.parameters()}
    return {name: p for name, p in model.named_parameters() if p.requires_grad and id(p) not in critics}


def count_parameters(model: nn.Module) -> Parameters:
    """Count the trained numbers of a model; those of sub-modules with ``is_quantum = True`` are its quantum part.

    Of these, a sub-module may say with ``blind`` how many have no effect on what it gives. Critics are counted apart.
    """
    quantum = {id(p) for module in model.modules() if getattr(module, "is_quantum", False) for p in module.parameters()}
    own = own_parameters(model).values()
    total = sum(p.numel() for p in own)
    in_circuits = sum(p.numel() for p in own if id(p) in quantum)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    circuits = (m for m in model.modules() if any(p.requires_grad for p in m.parameters(recurse=False)))
    blind = sum(int(getattr(module, "blind", 0)) for module in circuits)
    return Parameters(
        total=total,
        quantum=in_circuits,
        classical=total - in_circuits,
        frozen=frozen,
        blind=blind,
        critic=trained - total or None,
    )
