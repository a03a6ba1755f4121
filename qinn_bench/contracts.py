"""What a model may be: two methods are asked of a density model, the rest is given."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from qinn_bench.values import Parameters

LOG_2PI = 1.8378770664093453


class Generator(nn.Module, ABC):
    """A model that draws rows of features.

    Attributes:
        dim: number of features.
        one_to_one: whether its map between features and latents, if it has one, is so by construction.
    """

    one_to_one = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw ``n`` independent rows, ``(n, dim)``; all randomness comes from `rng`."""

    def initialise(self, rows: Tensor, rng: torch.Generator) -> None:
        """Set data-dependent starting values from training rows ``(n, dim)``, once, before training."""

    def loss(self, x: Tensor, progress: float, rng: torch.Generator) -> Tensor:
        """What training minimises on a batch ``(n, dim)``: a scalar.

        `progress` runs from 0 to 1 over training, for schedules; `rng` is the only source of randomness.
        """
        raise NotImplementedError(f"{type(self).__name__} has parameters but states no loss")


class DensityModel(Generator):
    """An invertible map from features x to a latent z with a standard normal base; gives density, samples and loss.

    A subclass implements `forward` and `inverse`. Both must work in float32 and float64 and for any batch size, treat
    rows independently, and stay differentiable with respect to parameters (`forward`) as training needs it.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map features to the latent: ``(n, dim) -> (n, dim), (n,)`` with ``log |det dz/dx|`` in nats."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Map latents to features, ``(n, dim) -> (n, dim)``; a row without a pre-image is NaN."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The claimed log-density of features, ``(n, dim) -> (n,)``, in nats."""
        z, logdet = self.forward(x)
        return logdet - 0.5 * (z.square().sum(1) + self.dim * LOG_2PI)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw rows; latents without a pre-image are drawn again, at most 20 times, and are then left out."""
        like = next(self.parameters(), torch.zeros(()))
        rows, missing = [], n
        for _ in range(20):
            z = torch.randn(missing, self.dim, generator=rng, dtype=torch.float64).to(like)
            x = self.inverse(z)
            x = x[torch.isfinite(x).all(1)]
            rows.append(x)
            missing -= len(x)
            if missing <= 0:
                break
        return torch.cat(rows)

    def loss(self, x: Tensor, progress: float, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """The mean negative log-likelihood, unless overridden."""
        return -self.log_prob(x).mean()


def count_parameters(model: nn.Module) -> Parameters:
    """Count the trained numbers of a model; those of sub-modules with ``is_quantum = True`` are its quantum part.

    Of these, a sub-module may say with ``blind`` how many have no effect on what it gives.
    """
    quantum = {id(p) for module in model.modules() if getattr(module, "is_quantum", False) for p in module.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    total = sum(p.numel() for p in trained)
    in_circuits = sum(p.numel() for p in trained if id(p) in quantum)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    circuits = (m for m in model.modules() if any(p.requires_grad for p in m.parameters(recurse=False)))
    blind = sum(int(getattr(module, "blind", 0)) for module in circuits)
    return Parameters(total=total, quantum=in_circuits, classical=total - in_circuits, frozen=frozen, blind=blind)
