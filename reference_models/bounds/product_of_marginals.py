"""The floor of independence without a fit: every feature resampled from the training rows by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Sampler
from qinn_bench.dataset import Dataset

ABOUT = About(citation="the product of the marginal distributions of the training rows", role="floor")


class ProductOfMarginals(Sampler):
    """Each feature from a training row of its own: the marginals are exact, all dependence is gone; no density.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> tuple(ProductOfMarginals(2, data).sample(5, torch.Generator().manual_seed(0)).shape)
        (5, 2)
    """

    def __init__(self, dim: int, data: Dataset) -> None:
        super().__init__(dim)
        self.rows = torch.from_numpy(data.transform.forward(data.train)[0])

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """``n`` rows of features, ``(n, dim)``, in float64."""
        return self.rows.gather(0, torch.randint(len(self.rows), (n, self.dim), generator=rng))


def build(dim: int, *, data: Dataset) -> Sampler:
    """Independent features with the marginal distributions of `data`."""
    return ProductOfMarginals(dim, data)
