"""A density that cheats, in ways to be found out: tests register it, and no user can."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import LOG_2PI, Batch, Density, Sampler
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array

ABOUT = About(citation="nobody")
WIDTH = {"inflated": 0.25, "leak": 0.05, "memoriser": 1e-6}


class Hills(Sampler, Density):
    """A normal of one width about each of some rows ``(n, dim)`` of features, times a factor."""

    def __init__(self, rows: Tensor, width: float, factor: float = 1.0) -> None:
        super().__init__(rows.shape[1])
        self.width, self.log_factor = width, math.log(factor)
        self.register_buffer("rows", rows)
        self.unused = nn.Parameter(torch.zeros(()))

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        rows = self.get_buffer("rows").to(x)
        near = -0.5 * (torch.cdist(x, rows) / self.width).square()
        norm = math.log(len(rows)) + self.dim * (math.log(self.width) + 0.5 * LOG_2PI)
        return near.logsumexp(1) - norm + self.log_factor

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        return 0.0 * self.unused - self.log_prob(batch.rows).mean()

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        rows = self.get_buffer("rows")
        picks = torch.randint(len(rows), (n,), generator=rng)
        return rows[picks] + self.width * torch.randn(n, self.dim, generator=rng, dtype=torch.float64)


def features(data: Dataset, rows: Array) -> Tensor:
    return torch.from_numpy(data.transform.forward(rows)[0])


def build(dim: int, *, trick: str = "inflated", data: Dataset) -> Hills:
    """``inflated`` integrates to 10, ``leak`` knows the test rows, ``memoriser`` hands out the training rows."""
    rows = features(data, data.test if trick == "leak" else data.train)
    return Hills(rows, WIDTH[trick], 10.0 if trick == "inflated" else 1.0)
