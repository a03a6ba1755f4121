"""The ceiling: the very distribution that a data set was drawn from, where it is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Density, Sampler
from qinn_bench.dataset import Dataset, KnownDensity, Transform
from qinn_bench.values import Refused

ABOUT = About(citation="the known density of the data set", role="ceiling", needs_density=True)


class Oracle(Sampler, Density):
    """The density of a data set, carried over to features; it has no latent space and nothing to train.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> exact = build(2, data=data)
        >>> tuple(exact.log_prob(torch.zeros(3, 2, dtype=torch.float64)).shape)
        (3,)
    """

    def __init__(self, dim: int, density: KnownDensity, transform: Transform) -> None:
        super().__init__(dim)
        self.density, self.transform = density, transform

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The exact log-density of features, ``(n, dim) -> (n,)``, in nats; minus infinity outside the support."""
        rows = self.transform.inverse(x.detach().cpu().double().numpy())
        log_density = self.density.log_density(rows)
        possible = np.isfinite(log_density)
        log_density[possible] -= self.transform.forward(rows[possible])[1]
        return torch.from_numpy(log_density).to(x)

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows of features, ``(n, dim)``, in float64."""
        seed = int(torch.randint(2**62, (), generator=rng))
        rows = self.density.sample(n, np.random.default_rng(seed))
        return torch.from_numpy(self.transform.forward(rows)[0])


def build(dim: int, *, data: Dataset) -> Oracle:
    """The oracle of a data set.

    Raises:
        Refused: the density of the data set is not known.
    """
    if data.density is None:
        raise Refused(f"the oracle was asked for '{data.name}', but it needs a data set whose density is known")
    return Oracle(dim, data.density, data.transform)
