"""A variational autoencoder: a noisy latent space that is held to a standard normal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch
from qinn_bench.values import Refused
from reference_models._parts.autoencoder import ERRORS, Autoencoder, dense_stack

ABOUT = About(
    citation="Kingma and Welling, Auto-Encoding Variational Bayes, arXiv:1312.6114; for jets Cerri et al., "
    "arXiv:1811.10276",
    deviations=("it draws no rows",),
    knobs={
        "hidden": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128),
        "latent": (*range(1, 13), 14, 16, 20, 24, 28, 32),
    },
    depth="latent",
    tiny={"hidden": 3, "latent": 1},
    tune={"beta": KnobSpan(low=1e-4, high=1.0)},
    rows=("flat", "image"),
)
SCORES = ("elbo", "error", "kl")


class VAE(Autoencoder):
    """The encoder gives mean and log-variance of the latent; the loss is the error plus `beta` times the divergence.

    Both are summed over a row and divided by its numbers. The score takes the mean latent, without noise: the ``error``
    of what comes back, the divergence (``kl``), or the sum that is the loss (``elbo``).

    Example:
        >>> vae = build(4, latent=2)
        >>> vae.score(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, shape: tuple[int, ...], hidden: int, latent: int, beta: float, error: str, scored: str) -> None:
        super().__init__(shape, nn.Identity(), nn.Identity(), error)
        self.encoder = nn.Sequential(nn.Flatten(), dense_stack([self.dim, hidden, 2 * latent]))
        self.decoder = dense_stack([latent, hidden, self.dim])
        self.beta, self.scored = beta, scored

    def decoded(self, x: Tensor) -> Tensor:
        """What the decoder gives of the mean latent, ``(n, *shape) -> (n, *shape)``."""
        made: Tensor = self.decoder(self.encoder(x).chunk(2, 1)[0])
        return made.reshape(x.shape)

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """How anomalous features are, ``(n, *shape) -> (n,)``."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        if self.scored == "kl":
            return self._divergence(mean, log_variance)
        error = self._error(mean, x)
        return error if self.scored == "error" else error + self.beta * self._divergence(mean, log_variance)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """Minus the evidence lower bound over the numbers of a row, with one draw of the latent."""
        mean, log_variance = self.encoder(batch.rows).chunk(2, 1)
        noise = torch.randn(mean.shape, generator=rng, dtype=torch.float64).to(mean)
        z = mean + (0.5 * log_variance).exp() * noise
        return (self._error(z, batch.rows) + self.beta * self._divergence(mean, log_variance)).mean()

    def _error(self, z: Tensor, x: Tensor) -> Tensor:
        return ERRORS[self.error](self.decoder(z).reshape(x.shape), x).flatten(1).mean(1)

    def _divergence(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Of the latent of each row from a standard normal, in nats, over the numbers of a row."""
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / self.dim


def build(
    shape: int | tuple[int, ...],
    *,
    hidden: int = 32,
    latent: int = 3,
    beta: float = 0.1,
    error: str = "mse",
    score: str = "elbo",
) -> VAE:
    """One hidden layer of `hidden` units on either side of `latent` numbers.

    Raises:
        Refused: no unit or latent number, a negative `beta`, or no such `error` or `score`.
    """
    if min(hidden, latent) < 1 or beta < 0 or score not in SCORES:
        raise Refused(
            f"vae was given hidden={hidden}, latent={latent}, beta={beta:g}, score={score}; 1 or more units and latent "
            f"numbers, a beta of 0 or more, and one of {', '.join(SCORES)} are expected"
        )
    return VAE((shape,) if isinstance(shape, int) else shape, hidden, latent, beta, error, score)
