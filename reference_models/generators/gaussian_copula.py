"""A Gaussian copula, fitted in closed form: correlation whatever the marginals, with an exact density."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, DensityModel
from qinn_bench.values import Refused

ABOUT = About(
    citation="the Gaussian copula; H. Joe, Dependence Modeling with Copulas (2014), sections 2.6 and 5.1",
    deviations=(
        "marginals are piecewise normal between quantiles of the training rows, and beyond them as in the last piece",
        "conditions, where there are some, move the means of the normal scores linearly",
    ),
    tiny={"quantiles": 6},
)
LEAST = 1e-6
"""Quantiles are at least so far apart, relative to their whole range: equal rows would have an infinite density."""
SHRINK = 1e-6
"""What is added to the variances, so that features that are functions of others keep a density."""


class GaussianCopula(DensityModel):
    """Each feature goes to its normal score, by straight pieces through quantiles; the scores are jointly normal.

    It has no parameters that are trained: quantiles, the slopes on conditions and the factor of the covariance are
    fitted to all training rows at once.

    Example:
        >>> model = build(2, quantiles=5)
        >>> rows = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)).exp()
        >>> model.initialise(Batch(rows), torch.Generator())
        >>> bool(torch.allclose(model.inverse(model(rows)[0]), rows, rtol=1e-3))
        True
    """

    knots: Tensor
    scores: Tensor
    centre: Tensor
    slopes: Tensor
    factor: Tensor

    def __init__(self, dim: int, quantiles: int, condition: int) -> None:
        super().__init__(dim)
        levels = (torch.arange(quantiles, dtype=torch.float64) + 0.5) / quantiles
        scores = torch.special.ndtri(levels).to(torch.get_default_dtype())
        self.register_buffer("scores", scores)
        self.register_buffer("knots", scores.expand(dim, -1).clone())
        self.register_buffer("centre", torch.zeros(condition))
        self.register_buffer("slopes", torch.zeros(condition, dim))
        self.register_buffer("factor", torch.eye(dim))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Set quantiles, slopes and covariance to those of the rows."""
        rows = train.rows.double()
        self.knots.copy_(_apart(torch.quantile(rows, torch.special.ndtr(self.scores.double()), dim=0).T))
        score = self._scores(rows)[0].double()
        if train.condition is not None:
            known = train.condition.double()
            self.centre.copy_(known.mean(0))
            moved = known - known.mean(0)
            square = moved.T @ moved + SHRINK * len(rows) * torch.eye(known.shape[1]).to(rows)
            self.slopes.copy_(torch.linalg.solve(square, moved.T @ (score - score.mean(0))))
            score = score - moved @ self.slopes.double()
        covariance = score.T @ score / len(score) + SHRINK * torch.eye(self.dim).to(rows)
        self.factor.copy_(torch.linalg.cholesky(covariance))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        score, log_slope = self._scores(x)
        z = torch.linalg.solve_triangular(self.factor, (score - self._means(x, condition)).T, upper=False).T
        return z, log_slope.sum(1) - self.factor.diagonal().log().sum()

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        z = z.to(self.factor)
        score = z @ self.factor.T + self._means(z, condition)
        piece = torch.searchsorted(self.scores[1:-1], score.contiguous())
        low, width, rise = self._pieces(piece)
        return low + (score - self.scores[piece]) * width / rise

    def _scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normal scores and the logarithms of their slopes, each ``(n, dim)``."""
        piece = torch.searchsorted(self.knots[:, 1:-1].contiguous(), x.to(self.knots).T.contiguous()).T
        low, width, rise = self._pieces(piece)
        return self.scores[piece] + (x - low) * rise / width, (rise / width).log()

    def _pieces(self, piece: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the pieces of these numbers begin, how wide they are, and how far scores rise over them."""
        feature = torch.arange(self.dim, device=piece.device)
        low, high = self.knots[feature, piece], self.knots[feature, piece + 1]
        return low, high - low, self.scores[piece + 1] - self.scores[piece]

    def _means(self, rows: Tensor, condition: Tensor | None) -> Tensor:
        return torch.zeros_like(rows) if condition is None else (condition - self.centre) @ self.slopes


def _apart(quantiles: Tensor) -> Tensor:
    """The same rising numbers ``(dim, k)``, each at least a little above the one before."""
    range_ = (quantiles[:, -1:] - quantiles[:, :1]).clamp_min(LEAST)
    steps = torch.maximum(quantiles.diff(dim=1), LEAST * range_)
    return torch.cat((quantiles[:, :1], quantiles[:, :1] + steps.cumsum(1)), 1)


def build(dim: int, *, quantiles: int = 100, condition: int = 0) -> GaussianCopula:
    """Marginals through so many `quantiles`: ``dim * quantiles + dim (dim + 1) / 2`` fitted numbers.

    Raises:
        Refused: fewer than three quantiles.
    """
    if quantiles < 3:
        raise Refused(f"marginals of {quantiles} quantiles were asked for; 3 or more are expected")
    return GaussianCopula(dim, quantiles, condition)
