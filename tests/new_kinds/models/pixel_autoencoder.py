"""A dense autoencoder of images: it scores a row by its error of reconstruction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Reconstructor, Scorer

ABOUT = About(
    citation="nobody",
    rows=("image",),
    knobs={"latent": (1, 2, 3, 4, 6, 8, 12, 16)},
    depth="latent",
    tiny={"latent": 1},
)


class PixelAutoencoder(Scorer, Reconstructor):
    """Linear to `latent` numbers and back."""

    def __init__(self, shape: tuple[int, ...], latent: int) -> None:
        super().__init__(shape)
        self.down, self.up = nn.Linear(self.dim, latent), nn.Linear(latent, self.dim)

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.up(self.down(x.flatten(1))).reshape(x.shape)

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return (self.reconstruct(x) - x).square().flatten(1).mean(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        return self.score(batch.rows).mean()


def build(shape: tuple[int, ...], *, latent: int = 2) -> PixelAutoencoder:
    """An autoencoder of images of this shape."""
    return PixelAutoencoder(shape, latent)
