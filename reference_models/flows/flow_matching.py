"""A small flow-matching model: a velocity that carries noise to the data, with the exact likelihood of its steps."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch, DensityModel, density_of
from qinn_bench.values import Refused
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS
from reference_models._parts.solver import solve
from reference_models._parts.straight_paths import follow, straight_lines

ABOUT = About(
    citation="Lipman, Chen, Ben-Hamu, Nickel, Le, Flow Matching for Generative Modeling, arXiv:2210.02747 "
    "(conditional optimal transport paths)",
    deviations=(
        "the likelihood is exactly that of the map of fixed Runge-Kutta steps, not an integral of the divergence",
        "each row of a batch is met at several times and noises",
        "the weights that are kept are those of the best validation likelihood, instead of the last",
    ),
    knobs={"hidden": HIDDEN, "hidden_layers": (*HIDDEN_LAYERS, 3)},
    depth="hidden_layers",
    tiny={"hidden": 3, "steps": 4},
    tune={"draws": (1, 4, 16), "late": KnobSpan(low=0.5, high=2.0)},
)


class Velocity(nn.Module):
    """A dense network ``(n, dim), t -> (n, dim)`` with SiLU between its layers, and its exact Jacobian along x.

    Example:
        >>> velocity, jacobian = Velocity(2, hidden=3, hidden_layers=1)(torch.zeros(5, 2), torch.zeros(5, 1))
        >>> velocity.shape, jacobian.shape
        (torch.Size([5, 2]), torch.Size([5, 2, 2]))
    """

    def __init__(self, dim: int, hidden: int, hidden_layers: int) -> None:
        super().__init__()
        sizes = [dim + 1, *[hidden] * hidden_layers, dim]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        nn.init.zeros_(layers[-1].weight)
        nn.init.zeros_(layers[-1].bias)
        self.layers = cast("list[nn.Linear]", nn.ModuleList(layers))

    def values(self, x: Tensor, t: Tensor) -> Tensor:
        """The velocity alone, at times ``(n, 1)``."""
        h = torch.cat((x, t), 1)
        for layer in self.layers[:-1]:
            h = nn.functional.silu(layer(h))
        velocity: Tensor = self.layers[-1](h)
        return velocity

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The velocity and its Jacobian ``(n, dim, dim)``."""
        h, jacobian = torch.cat((x, t), 1), torch.eye(x.shape[1] + 1, x.shape[1]).to(x)
        for layer in self.layers[:-1]:
            u = layer(h)
            gate = torch.sigmoid(u)
            h = u * gate
            jacobian = (gate * (1 + u * (1 - gate)))[:, :, None] * (layer.weight @ jacobian)
        return self.layers[-1](h), self.layers[-1].weight @ jacobian


class FlowMatching(DensityModel):
    """``dx/dt = v(x, t)`` from noise at t = 0 to data at t = 1, in fixed steps of the classical Runge-Kutta method.

    The map of the steps from data to noise is the model: its Jacobian goes through the same steps, so that the
    log-determinant is exact whatever the step, and its inverse is solved for, starting from the steps taken backwards.
    Coarse steps of a steep velocity may fold, therefore it is not one-to-one by construction.

    Example:
        >>> flow = build(2, hidden=3)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    one_to_one = False

    def __init__(self, dim: int, velocity: Velocity, steps: int, draws: int, late: float) -> None:
        super().__init__(dim)
        self.velocity, self.steps, self.draws, self.late = velocity, steps, draws, late

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents, and the log-determinant of the steps."""
        z, jacobian = self.jacobian(x)
        return z, torch.linalg.slogdet(jacobian)[1]

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(n, dim)`` and the Jacobian dz/dx ``(n, dim, dim)``."""
        jacobian, h = torch.eye(self.dim).to(x).expand(len(x), -1, -1), -1 / self.steps
        for k in range(self.steps):
            t = 1 + k * h
            v, dv = zip(*self._stages(x, jacobian, t, h), strict=True)
            x = x + h / 6 * (v[0] + 2 * v[1] + 2 * v[2] + v[3])
            jacobian = jacobian + h / 6 * (dv[0] + 2 * dv[1] + 2 * dv[2] + dv[3])
        return x, jacobian

    def _stages(self, x: Tensor, jacobian: Tensor, t: float, h: float) -> list[tuple[Tensor, Tensor]]:
        """The four slopes of a step, of rows and of their Jacobians."""
        stages: list[tuple[Tensor, Tensor]] = []
        for share in (0.0, 0.5, 0.5, 1.0):
            v, dv = stages[-1] if stages else (torch.zeros_like(x), torch.zeros_like(jacobian))
            velocity, along = self.velocity(x + share * h * v, x.new_full((len(x), 1), t + share * h))
            stages.append((velocity, along @ (jacobian + share * h * dv)))
        return stages

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features; NaN where the steps have no solution near the path that leads back."""
        return solve(self.jacobian, z, [self._back(z)])

    @torch.no_grad()
    def _back(self, z: Tensor) -> Tensor:
        """Where the same steps lead from noise to data, which is the inverse but for their error."""
        return follow(self.velocity.values, z, self.steps)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared error of the velocity on straight lines from noise to rows."""
        points, t, target = straight_lines(batch.rows, self.draws, self.late, rng)
        return (self.velocity.values(points, t) - target).square().mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood, which training has no need of and models are compared by."""
        return -density_of(self, valid).mean()


def build(
    dim: int, *, hidden: int = 32, hidden_layers: int = 2, steps: int = 12, draws: int = 4, late: float = 1.0
) -> DensityModel:
    """A velocity of `hidden_layers` with `hidden` units, integrated in so many `steps`.

    In training each row is met at `draws` times; the share of times before t is ``1 - (1 - t)^(1 / late)``.

    Raises:
        Refused: no step or draw, or `late` not above 0.
    """
    if steps < 1 or draws < 1 or late <= 0:
        raise Refused(
            f"flow_matching was given steps={steps}, draws={draws}, late={late:g}; 1 or more of both are expected, "
            "and a number above 0"
        )
    return FlowMatching(dim, Velocity(dim, hidden, hidden_layers), steps, draws, late)
