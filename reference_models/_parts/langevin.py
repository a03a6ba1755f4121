"""Langevin chains: samples of exp(-U), exact in the long run, or the noisy descent that published energies use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Energy = Callable[[Tensor], Tensor]


def adjusted(energy: Energy, start: Tensor, steps: int, step: float, rng: torch.Generator) -> Tensor:
    """Move each row ``(n, *shape)`` by `steps` of the Metropolis-adjusted Langevin algorithm, whose target is exp(-U).

    A proposal is ``x - step grad U + sqrt(2 step) noise``; it is accepted row by row with the probability of Metropolis
    and Hastings, so that the target is exact whatever the step is. Source: Roberts and Tweedie, Bernoulli 2, 341
    (1996). The energy maps ``(n, *shape) -> (n,)``; what comes back has no gradient.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> rows = adjusted(lambda x: x.square().sum(1) / 2, torch.zeros(5, 1), 3, 0.1, rng)
        >>> rows.shape, rows.requires_grad
        (torch.Size([5, 1]), False)
    """
    x = start.detach()
    at, slope = _slope(energy, x)
    for _ in range(steps):
        proposal = x - step * slope + (2 * step) ** 0.5 * _normal(x, rng)
        there, back = _slope(energy, proposal)
        forth = (proposal - x + step * slope).square().flatten(1).sum(1)
        return_ = (x - proposal + step * back).square().flatten(1).sum(1)
        log_ratio = at - there + (forth - return_) / (4 * step)
        drawn = torch.rand(len(x), generator=rng, dtype=torch.float64).to(x).log()
        taken = drawn < log_ratio  # False where the energy of the proposal is not finite.
        x, slope = (torch.where(_over(taken, a), b, a) for a, b in ((x, proposal), (slope, back)))
        at = torch.where(taken, there, at)
    return x


def noisy_descent(energy: Energy, start: Tensor, steps: int, step: float, noise: float, rng: torch.Generator) -> Tensor:
    """Move each row by `steps` down the gradient of U, with noise of a deviation of its own and no acceptance.

    Step and noise apart are those of a chain at the temperature noise^2 / (2 step), for small steps; of U = x^2 / 2 the
    variance is noise^2 / (2 step - step^2).
    """
    x = start.detach()
    for _ in range(steps):
        x = x - step * _slope(energy, x)[1] + noise * _normal(x, rng)
    return x


def _slope(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """The energy of each row and its gradient."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        value = energy(at)
        (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), gradient


def _normal(x: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=rng, dtype=torch.float64).to(x)


def _over(which: Tensor, x: Tensor) -> Tensor:
    """One truth value a row, over all numbers of the row."""
    return which.reshape(-1, *[1] * (x.ndim - 1))
