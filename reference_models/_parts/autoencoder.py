"""What autoencoders share: rows go through an encoder and a decoder, and the error of what comes back is the score."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Reconstructor, Scorer
from qinn_bench.values import Refused

ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": lambda made, x: F.binary_cross_entropy_with_logits(made, x, reduction="none"),
    "mse": lambda made, x: (made - x).square(),
}
"""Errors of single numbers: the binary cross-entropy of what the decoder gives as logits, or the squared difference."""
SHOWN: dict[str, Callable[[Tensor], Tensor]] = {"bce": torch.sigmoid, "mse": lambda made: made}
"""From what a decoder gives to numbers of a row."""


class Autoencoder(Scorer, Reconstructor):
    """An encoder ``(n, *shape) -> (n, latent)`` and a decoder back, whose mean error over a row is loss and score.

    With the error ``bce`` the decoder gives logits, and numbers of rows are expected in [0, 1].

    Raises:
        Refused: an error that does not exist.

    Example:
        >>> flat = Autoencoder((1, 2, 2), nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), nn.Linear(1, 4), "mse")
        >>> x = torch.zeros(3, 1, 2, 2)
        >>> flat.reconstruct(x).shape, flat.score(x).shape
        (torch.Size([3, 1, 2, 2]), torch.Size([3]))
    """

    def __init__(self, shape: int | tuple[int, ...], encoder: nn.Module, decoder: nn.Module, error: str) -> None:
        super().__init__(shape)
        if error not in ERRORS:
            raise Refused(f"no error of an autoencoder is called '{error}'; there are: {', '.join(ERRORS)}")
        self.encoder, self.decoder, self.error = encoder, decoder, error

    def decoded(self, x: Tensor) -> Tensor:
        """What the decoder gives of features, ``(n, *shape) -> (n, *shape)``."""
        made: Tensor = self.decoder(self.encoder(x))
        return made.reshape(x.shape)

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The features that come back, ``(n, *shape) -> (n, *shape)``."""
        return SHOWN[self.error](self.decoded(x))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The mean error over the numbers of a row, ``(n, *shape) -> (n,)``."""
        return ERRORS[self.error](self.decoded(x), x).flatten(1).mean(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean score."""
        return self.score(batch.rows).mean()


def dense_stack(sizes: list[int], activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Dense layers of these sizes, with an activation between them.

    Example:
        >>> len(dense_stack([4, 8, 2]))
        3
    """
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])
