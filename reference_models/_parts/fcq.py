"""The networks of FastCaloQ's "qINN" and its Wasserstein autoencoder; the blocks between its maps come from outside.

A network is pre (linear, tanh), blocks each followed by tanh, post (linear), with the same two maps in either
direction. The direction that encodes takes the blocks in their order, the one that decodes in the reverse order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Generator, Reconstructor
from reference_models._parts.adversarial import normalised, output_of

LATENT = 10
"""Numbers of the noise against a critic."""


class TurnedBlock(Protocol):
    """A map of angles and one back, which need not undo it; both ``(n, width) -> (n, width)``."""

    def __call__(self, x: Tensor) -> Tensor:
        """The direction that encodes."""

    def back(self, x: Tensor) -> Tensor:
        """The direction that decodes."""


class FCQNetwork(nn.Module):
    """From ``n_in`` numbers to ``n_out`` through `width` angles, which blocks turn; without blocks it has no circuit.

    Example:
        >>> sum(p.numel() for p in FCQNetwork(533, 533, 6).parameters())
        6935
    """

    def __init__(self, n_in: int, n_out: int, width: int, blocks: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        self.pre, self.post = nn.Linear(n_in, width), nn.Linear(width, n_out)
        self.blocks = cast("list[TurnedBlock]", nn.ModuleList(blocks))

    def encode(self, x: Tensor) -> Tensor:
        """Rows to latents, ``(n, n_in) -> (n, n_out)``."""
        angles = self.pre(x).tanh()
        for block in self.blocks:
            angles = block(angles).tanh()
        latents: Tensor = self.post(angles)
        return latents

    def forward(self, z: Tensor) -> Tensor:
        """Latents to rows, ``(n, n_in) -> (n, n_out)``: the direction that decodes."""
        angles = self.pre(z).tanh()
        for block in reversed(self.blocks):
            angles = block.back(angles).tanh()
        rows: Tensor = self.post(angles)
        return rows


def bridge(core: nn.Module, between: int, tail: int, dim: int, output: str, *, trim: bool) -> nn.Sequential:
    """A core that gives `between` numbers, and the dense layers after it that make rows of them."""
    return nn.Sequential(
        core, nn.Softplus(), *normalised(between, (tail,), trim=trim), nn.Linear(tail, dim), output_of(output)
    )


def median_mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased MMD^2 of rows with a Gaussian kernel whose squared width is half the median squared distance."""
    every = torch.cat((x, y))
    squares = torch.cdist(every, every, compute_mode="donot_use_mm_for_euclid_dist").square()
    n, m = len(x), len(y)
    apart = ~torch.eye(n + m, dtype=torch.bool, device=x.device)
    kernel = torch.exp(-squares / squares[apart].median().detach().clamp_min(1e-12)).where(apart, 0.0)
    within = kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1))
    return within - 2 * kernel[:n, n:].mean()


class PlainNetwork(nn.Sequential):
    """The classical switch of the public code: linear, SiLU, linear, in either direction.

    Example:
        >>> sum(p.numel() for p in PlainNetwork(533, 533).parameters())
        68821
    """

    def __init__(self, n_in: int, n_out: int, hidden: int = 64) -> None:
        super().__init__(nn.Linear(n_in, hidden), nn.SiLU(), nn.Linear(hidden, n_out))

    def encode(self, x: Tensor) -> Tensor:
        """Rows to latents, ``(n, n_in) -> (n, n_out)``."""
        latents: Tensor = self(x)
        return latents


class FCQAutoencoder(Generator, Reconstructor):
    """Rows through a network and back; its latents, as many as a row has numbers, are drawn to a standard normal.

    The loss is the mean squared error and `weight` times the MMD^2 of the latents (a Wasserstein autoencoder,
    arXiv:1711.01558); rows are generated from a standard normal.

    Example:
        >>> model = FCQAutoencoder((3,), PlainNetwork(3, 3, hidden=2), nn.Identity(), weight=0.1)
        >>> model.reconstruct(torch.zeros(2, 3)).shape, model.sample(4, torch.Generator().manual_seed(0)).shape
        (torch.Size([2, 3]), torch.Size([4, 3]))
    """

    def __init__(
        self, shape: tuple[int, ...], network: FCQNetwork | PlainNetwork, output: nn.Module, weight: float
    ) -> None:
        super().__init__(shape)
        self.network, self.output, self.weight = network, output, weight

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Normal numbers, ``(n, dim)``."""
        return torch.randn(n, self.dim, generator=rng, dtype=torch.float64)

    def generate(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, dim) -> (n, *shape)``."""
        rows: Tensor = self.output(self.network(noise))
        return rows.reshape(len(rows), *self.shape)

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, *shape) -> (n, *shape)``."""
        return self.generate(self.network.encode(x.flatten(1)))

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The squared error of a number, and the distance of the latents from normal ones."""
        z = self.network.encode(batch.rows.flatten(1))
        error = (self.generate(z) - batch.rows).square().mean()
        return error + self.weight * median_mmd2(z, self.noise(len(z), rng).to(z))
