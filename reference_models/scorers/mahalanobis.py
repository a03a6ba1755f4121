"""The Mahalanobis distance from the mean of the training rows, in units of their covariance."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Player, Scorer
from qinn_bench.values import Refused

ABOUT = About(
    citation="Mahalanobis, On the generalised distance in statistics, Proc. Natl. Inst. Sci. India 2 (1936) 49; the "
    "covariance of Ledoit and Wolf, J. Multivar. Anal. 88 (2004) 365",
    rows=("flat", "image"),
)
ESTIMATORS = {"ledoit-wolf": LedoitWolf, "plain": EmpiricalCovariance}
LARGEST = 3000
"""Numbers of a row at most: the covariance has half of their square."""


class Mahalanobis(Scorer):
    """``|A (x - centre)|^2 / dim`` with a triangular factor A of the inverse covariance, ``A^T A``.

    Both are fitted before training, which leaves them alone.

    Example:
        >>> Mahalanobis((2,), "plain").score(torch.tensor([[1.0, 3.0]])).tolist()
        [5.0]
    """

    def __init__(self, shape: tuple[int, ...], covariance: str) -> None:
        super().__init__(shape)
        self.covariance = covariance
        self.centre = nn.Parameter(torch.zeros(self.dim))
        self.log_diagonal = nn.Parameter(torch.zeros(self.dim))
        self.lower = nn.Parameter(torch.zeros(self.dim * (self.dim - 1) // 2))
        self.register_buffer("below", torch.tril_indices(self.dim, self.dim, -1), persistent=False)

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Fit mean and covariance to the rows.

        Raises:
            Refused: the covariance is singular.
        """
        rows = train.rows.flatten(1).double().cpu().numpy()
        fitted = ESTIMATORS[self.covariance]().fit(rows)
        try:
            # The inverse of a triangular factor of the covariance is one of its inverse.
            factor = np.linalg.inv(np.linalg.cholesky(fitted.covariance_))
        except np.linalg.LinAlgError:
            raise Refused(
                f"the covariance of {len(rows)} rows of {self.dim} numbers is singular; covariance=ledoit-wolf is not"
            ) from None
        row, column = self.get_buffer("below").cpu()
        self.centre.copy_(torch.from_numpy(fitted.location_))
        self.log_diagonal.copy_(torch.from_numpy(np.log(np.diagonal(factor))))
        self.lower.copy_(torch.from_numpy(factor)[row, column])

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The squared distance over the numbers of a row, ``(n, *shape) -> (n,)``; 1 on average of training rows."""
        row, column = self.get_buffer("below")
        factor = torch.diag_embed(self.log_diagonal.exp()).index_put((row, column), self.lower)
        return ((x.flatten(1) - self.centre) @ factor.mT).square().mean(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood of a normal, over the numbers of a row and up to a constant."""
        return 0.5 * self.score(batch.rows).mean() - self.log_diagonal.mean()

    def players(self) -> tuple[Player, ...]:
        """All numbers, at a learning rate of zero."""
        return (Player("normal", list(self.parameters()), self.loss, learning_rate=0.0),)


def build(shape: int | tuple[int, ...], *, covariance: str = "ledoit-wolf") -> Mahalanobis:
    """The distance with the shrunk covariance of Ledoit and Wolf, or the ``plain`` one of the rows.

    Raises:
        Refused: no such covariance, or rows of more numbers than a covariance is taken of.
    """
    model_shape = (shape,) if isinstance(shape, int) else shape
    if covariance not in ESTIMATORS:
        raise Refused(f"no covariance is called '{covariance}'; there are: {', '.join(ESTIMATORS)}")
    if int(np.prod(model_shape)) > LARGEST:
        raise Refused(f"mahalanobis takes rows of at most {LARGEST} numbers, not of {int(np.prod(model_shape))}")
    return Mahalanobis(model_shape, covariance)
