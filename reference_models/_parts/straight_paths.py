"""Straight lines from noise to rows: what a velocity is trained on, how it is followed, and models that draw by it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Sampler
from qinn_bench.values import Refused

STAGES = ((0.0, 1), (0.5, 2), (0.5, 2), (1.0, 1))
"""Where the classical Runge-Kutta method looks within a step, and how much each look weighs, of six."""


def straight_lines(rows: Tensor, draws: int, late: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Points on straight lines from normal noise to rows, their times ``(n, 1)`` in (0, 1), and the lines' velocities.

    Each row is met `draws` times. Times are stratified over the batch; with `late` above 1 they lie closer to the data.
    (arXiv:2210.02747, equation 23.)

    Example:
        >>> points, t, velocity = straight_lines(torch.ones(3, 2), 2, 1.0, torch.Generator().manual_seed(0))
        >>> points.shape, bool(torch.allclose(points + (1 - t) * velocity, torch.ones(6, 2)))
        (torch.Size([6, 2]), True)
    """
    rows = rows.repeat(draws, *[1] * (rows.ndim - 1))
    n = len(rows)
    noise = torch.randn(rows.shape, generator=rng, dtype=torch.float64).to(rows)
    uniform = (torch.randperm(n, generator=rng) + torch.rand(n, generator=rng, dtype=torch.float64)) / n
    t = (1 - (1 - uniform) ** late)[:, None].to(rows)
    return (1 - t) * noise + t * rows, t, rows - noise


def follow(velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Where a velocity ``(n, dim), (n, 1) -> (n, dim)`` carries rows from time 0 to 1, in fixed Runge-Kutta steps.

    Example:
        >>> found = follow(lambda x, t: x, torch.ones(1, 1), steps=20)
        >>> round(float(found), 4)
        2.7183
    """
    h = 1 / steps
    for k in range(steps):
        v, total = torch.zeros_like(x), torch.zeros_like(x)
        for share, weight in STAGES:
            v = velocity(x + share * h * v, x.new_full((len(x), 1), (k + share) * h))
            total = total + weight * v
        x = x + h / 6 * total
    return x


class PathSampler(Sampler):
    """Draws rows by following a trained velocity from noise; it states no likelihood, and so needs no Jacobian.

    `network` takes points ``(n, dim)``, times ``(n, 1)`` and conditions ``(n, c)`` or none, and gives velocities.

    Raises:
        Refused: no step or draw, or `late` not above 0.

    Example:
        >>> class Still(nn.Module):
        ...     def forward(self, x, t, condition):
        ...         return torch.zeros_like(x)
        >>> model = PathSampler((1, 2, 2), Still(), steps=1, draws=1, late=1.0)
        >>> model.sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 2, 2])
    """

    def __init__(
        self, shape: int | tuple[int, ...], network: nn.Module, *, steps: int, draws: int, late: float
    ) -> None:
        super().__init__(shape)
        if steps < 1 or draws < 1 or late <= 0:
            raise Refused(
                f"steps={steps}, draws={draws}, late={late:g} were given; 1 or more of both are expected, and a number "
                "above 0"
            )
        self.network, self.steps, self.draws, self.late = network, steps, draws, late

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows."""
        like = next(self.parameters(), torch.zeros(()))
        noise = torch.randn(n, self.dim, generator=rng, dtype=torch.float64).to(like)
        rows = follow(lambda x, t: self.network(x, t, condition), noise, self.steps)
        return rows.reshape(n, *self.shape)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared error of the velocity on straight lines from noise to rows."""
        points, t, target = straight_lines(batch.rows.flatten(1), self.draws, self.late, rng)
        known = None if batch.condition is None else batch.condition.repeat(self.draws, 1)
        missed: Tensor = (self.network(points, t, known) - target).square().mean()
        return missed
