"""The floor of linear correlation: a multivariate normal distribution, at its maximum likelihood before training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, DensityModel
from qinn_bench.values import Refused

ABOUT = About(citation="the multivariate normal distribution", role="floor")


class Gaussian(DensityModel):
    """``x = mean + L z`` with L lower triangular and positive on the diagonal, where its logarithms are trained.

    Example:
        >>> flow = Gaussian(2)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.register_buffer("below", torch.tril_indices(dim, dim, -1))
        self.mean = nn.Parameter(torch.zeros(dim))
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.lower = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Set mean and covariance to those of the rows, which is the exact maximum of the likelihood.

        Raises:
            Refused: the covariance of the rows is singular.
        """
        rows = train.rows.double()
        covariance = torch.cov(rows.T, correction=0).reshape(self.dim, self.dim)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if failed:
            raise Refused(
                f"the covariance of {len(rows)} rows of {self.dim} features is singular; expected a regular one"
            )
        self.mean.copy_(rows.mean(0))
        self.log_scale.copy_(factor.diagonal().log())
        self.lower.copy_(factor[tuple(self.get_buffer("below"))])

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det, which is the same for all rows."""
        z = torch.linalg.solve_triangular(self._factor(), (x - self.mean).T, upper=False).T
        return z, -self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        return self.mean + z @ self._factor().T

    def _factor(self) -> Tensor:
        return torch.diag(self.log_scale.exp()).index_put(tuple(self.get_buffer("below")), self.lower)


def build(dim: int) -> DensityModel:
    """A normal distribution with ``dim (dim + 3) / 2`` parameters."""
    return Gaussian(dim)
