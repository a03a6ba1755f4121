"""A mixture of normal distributions with full covariances, fitted by expectation maximisation before training."""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Fitted
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import LOG_2PI, Batch, Density, Player, Sampler
from qinn_bench.values import Refused

ABOUT = About(
    citation="Dempster, Laird, Rubin, Maximum likelihood from incomplete data via the EM algorithm, J. R. Stat. Soc. B "
    "39 (1977) 1",
    knobs={"components": (*range(1, 65), *range(66, 129, 2), *range(132, 513, 4))},
    depth="components",
    tiny={"components": 2},
    tune={"refine": KnobSpan(low=0.003, high=1.0), "ridge": KnobSpan(low=1e-6, high=1e-2)},
)
STEPS = 200
"""Steps of expectation maximisation at most."""


class GaussianMixture(Sampler, Density):
    """Weighted normals, each as its mean and the lower triangular factor A of its inverse covariance ``A^T A``.

    All numbers are parameters: the logarithms of the weights relative to the first, the means, and the factors, whose
    diagonals are kept as logarithms. Training goes on from the maximum that expectation maximisation finds, with the
    share `refine` of the learning rate; the weights of the best validation loss are kept, so that it loses nothing.

    Example:
        >>> mixture = GaussianMixture(2, components=3, refine=0.1, ridge=1e-6)
        >>> mixture.log_prob(torch.zeros(1, 2)).shape, mixture.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True

    def __init__(self, dim: int, components: int, refine: float, ridge: float) -> None:
        super().__init__(dim)
        self.refine, self.ridge = refine, ridge
        self.register_buffer("below", torch.tril_indices(dim, dim, -1))
        self.relative = nn.Parameter(torch.zeros(components - 1))
        self.means = nn.Parameter(torch.zeros(components, dim))
        self.log_diagonal = nn.Parameter(torch.zeros(components, dim))
        self.lower = nn.Parameter(torch.zeros(components, dim * (dim - 1) // 2))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Fit the mixture to the rows by expectation maximisation, which starts from clusters.

        Raises:
            Refused: there are fewer rows than components, or a covariance is singular.
        """
        rows, components = train.rows.double().cpu().numpy(), len(self.means)
        if len(rows) < components:
            raise Refused(f"{components} normals were to be fitted to {len(rows)} rows; at least as many are expected")
        seed = int(torch.randint(2**31, (), generator=rng))
        em = Fitted(components, reg_covar=self.ridge, max_iter=STEPS, init_params="k-means++", random_state=seed)
        with warnings.catch_warnings():
            # A fit that has not converged is still a density, and training goes on from it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                em.fit(rows)
            except ValueError as error:
                raise Refused(f"no mixture of {components} normals fits {len(rows)} rows: {error}") from None
        log_weights = torch.from_numpy(em.weights_).log()
        factors = torch.from_numpy(em.precisions_cholesky_).mT
        row, column = self.get_buffer("below").cpu()
        self.relative.copy_(log_weights[1:] - log_weights[0])
        self.means.copy_(torch.from_numpy(em.means_))
        self.log_diagonal.copy_(factors.diagonal(dim1=1, dim2=2).log())
        self.lower.copy_(factors[:, row, column])

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        z = torch.einsum("kij,nkj->nki", self._factors(), x[:, None] - self.means)
        normals = self.log_diagonal.sum(1) - 0.5 * (z.square().sum(2) + self.dim * LOG_2PI)
        return torch.logsumexp(self._log_weights() + normals, 1)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw rows: a component by its weight, then a row of that normal."""
        weights = self._log_weights().exp().double().cpu()
        drawn = torch.multinomial(weights, n, replacement=True, generator=rng).to(self.means.device)
        z = torch.randn(n, self.dim, 1, generator=rng, dtype=torch.float64).to(self.means)
        rows: Tensor = torch.linalg.solve_triangular(self._factors()[drawn], z, upper=False)
        return self.means[drawn] + rows[:, :, 0]

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood."""
        return -self.log_prob(batch.rows).mean()

    def players(self) -> tuple[Player, ...]:
        """The mixture, trained with its share of the learning rate."""
        return (Player("mixture", list(self.parameters()), self.loss, learning_rate=self.refine),)

    def _log_weights(self) -> Tensor:
        return torch.cat([self.relative.new_zeros(1), self.relative]).log_softmax(0)

    def _factors(self) -> Tensor:
        row, column = self.get_buffer("below")
        factors = torch.diag_embed(self.log_diagonal.exp())
        places = torch.arange(len(factors), device=row.device)[:, None], row, column
        return factors.index_put(places, self.lower)


def build(dim: int, *, components: int = 8, refine: float = 0.1, ridge: float = 1e-6) -> GaussianMixture:
    """So many normals in ``components (dim + 1) (dim + 2) / 2 - 1`` parameters.

    `refine` is the share of the learning rate that is left for training after expectation maximisation, 0 for none;
    `ridge` is added to the diagonal of each covariance there, in squared units of the features.

    Raises:
        Refused: no component, or a share or a ridge below 0.
    """
    if components < 1 or refine < 0 or ridge < 0:
        raise Refused(
            f"gaussian_mixture was given components={components}, refine={refine:g}, ridge={ridge:g}; "
            "1 component or more, and shares and ridges of 0 or more are expected"
        )
    return GaussianMixture(dim, components, refine, ridge)
