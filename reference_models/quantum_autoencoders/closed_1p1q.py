"""The supervised circuit with one particle a wire in closed form: three products of sines and cosines, no simulator.

With alpha = s pt eta and beta = s pt phi a wire is at x = sin alpha, y = -cos alpha sin beta, z = cos alpha cos beta.
One layer of `vqc_1p1q`, read on its first wire, gives ``bias + n_x x_0 x_1 + n_y x_0 y_1 z_2 ... + n_z z_1 z_2 ...``
with a unit vector n, which the three turns of the first wire set; the turns of the others have no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Refused
from reference_models._parts.particles import ParticleAngles

ABOUT = About(
    citation="the closed form of the circuit of arXiv:2502.17301 with one layer, read on its first wire",
    published={"parameters": "32 of the circuit, of which four are independent"},
    multiple_of=3,
    supervised=True,
)


class ClosedForm(Scorer):
    """The score of the circuit from four numbers: scale, bias and the two angles of a unit vector.

    Example:
        >>> sum(p.numel() for p in build(30).parameters())
        4
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.angles = ParticleAngles(scaled=True)
        self.bias, self.polar, self.azimuth = (nn.Parameter(torch.zeros(())) for _ in range(3))

    def direction(self) -> Tensor:
        """The unit vector n, ``(3,)``."""
        polar, azimuth = self.polar, self.azimuth
        return torch.stack((polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, 3 N) -> (n,)``, near 1 for what is labelled 1."""
        alpha, beta = self.angles(x).chunk(2, 1)
        return self.bias + products(alpha, beta) @ self.direction()

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared difference between scores and labels."""
        assert batch.labels is not None
        return (self.score(batch.rows) - batch.labels).square().mean()


def products(alpha: Tensor, beta: Tensor) -> Tensor:
    """The three products of N particles at angles ``(n, N)``: ``(n, 3)``.

    Example:
        >>> products(torch.zeros(1, 4), torch.zeros(1, 4)).tolist()
        [[0.0, -0.0, 1.0]]
    """
    x, y, z = alpha.sin(), -alpha.cos() * beta.sin(), alpha.cos() * beta.cos()
    later = z[:, 2:].prod(1)
    return torch.stack((x[:, 0] * x[:, 1], x[:, 0] * y[:, 1] * later, z[:, 1] * later), 1)


def build(dim: int) -> ClosedForm:
    """The closed form for jets of dim / 3 particles, all its numbers drawn from 0 to pi as those of the circuit.

    Raises:
        Refused: a single particle.
    """
    if dim < 6:
        raise Refused(f"closed_1p1q was asked for {dim // 3} particle; at least 2 are expected")
    model = ClosedForm(dim)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0, torch.pi)
    return model
