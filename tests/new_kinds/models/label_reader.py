"""A classifier of images by their labels: the ceiling of those who may not see them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer

ABOUT = About(citation="nobody", role="ceiling", rows=("image",), supervised=True)


class LabelReader(Scorer):
    """A linear score of the pixels."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.line = nn.Linear(self.dim, 1)

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.line(x.flatten(1))[:, 0]

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        assert batch.labels is not None
        return F.binary_cross_entropy_with_logits(self.score(batch.rows), batch.labels)


def build(shape: tuple[int, ...]) -> LabelReader:
    """A classifier of images of this shape."""
    return LabelReader(shape)
