"""The floor of honesty: the training set replayed, which scores well and has learned nothing; it must be flagged."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Sampler
from qinn_bench.dataset import Dataset

ABOUT = About(citation="the training rows of the data set", role="floor")


class Memoriser(Sampler):
    """Hands out training rows in random order, each once before any comes again; no density.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> tuple(Memoriser(2, data).sample(5, torch.Generator().manual_seed(0)).shape)
        (5, 2)
    """

    def __init__(self, dim: int, data: Dataset) -> None:
        super().__init__(dim)
        self.rows = torch.from_numpy(data.transform.forward(data.train)[0])

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """``n`` training rows as features, ``(n, dim)``, in float64."""
        rounds = -(-n // len(self.rows))
        order = torch.cat([torch.randperm(len(self.rows), generator=rng) for _ in range(rounds)])
        return self.rows[order[:n]]


def build(dim: int, *, data: Dataset) -> Sampler:
    """Training rows of `data` in the place of a model's samples."""
    return Memoriser(dim, data)
