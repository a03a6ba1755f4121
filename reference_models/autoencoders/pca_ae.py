"""The best linear autoencoder: rows are rebuilt from their first principal components."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Player, Reconstructor, Scorer
from qinn_bench.values import Refused

ABOUT = About(
    citation="Baldi and Hornik, Neural networks and principal component analysis, Neural Netw. 2 (1989) 53",
    knobs={"latent": (*range(1, 33), *range(34, 65, 2), *range(68, 129, 4))},
    depth="latent",
    tiny={"latent": 1},
    rows=("flat", "image"),
)


class Principal(Scorer, Reconstructor):
    """``centre + (x - centre) W^T W``, fitted before training to the principal components, which training leaves alone.

    A positive `refine` is the share of the learning rate that is left for training, which can gain nothing: no linear
    autoencoder has a lower mean squared error.

    Example:
        >>> Principal((3,), 1, 0.0).reconstruct(torch.ones(1, 3)).tolist()
        [[0.0, 0.0, 0.0]]
    """

    def __init__(self, shape: tuple[int, ...], latent: int, refine: float) -> None:
        super().__init__(shape)
        self.refine = refine
        self.centre = nn.Parameter(torch.zeros(self.dim))
        self.directions = nn.Parameter(torch.zeros(latent, self.dim))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Fit the components to all rows.

        Raises:
            Refused: fewer rows, or numbers of a row, than components.
        """
        rows, latent = train.rows.flatten(1).double().cpu().numpy(), len(self.directions)
        if min(rows.shape) < latent:
            raise Refused(
                f"{latent} principal components were asked of {len(rows)} rows of {self.dim} numbers; at most as many "
                "as either are expected"
            )
        fitted = PCA(latent, random_state=int(torch.randint(2**31, (), generator=rng))).fit(rows)
        self.centre.copy_(torch.from_numpy(fitted.mean_))
        self.directions.copy_(torch.from_numpy(fitted.components_))

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The projection of features on the components, ``(n, *shape) -> (n, *shape)``."""
        away = x.flatten(1) - self.centre
        return (self.centre + away @ self.directions.mT @ self.directions).reshape(x.shape)

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The mean squared error over the numbers of a row, ``(n, *shape) -> (n,)``."""
        return (self.reconstruct(x) - x).square().flatten(1).mean(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean score."""
        return self.score(batch.rows).mean()

    def players(self) -> tuple[Player, ...]:
        """The components, trained with their share of the learning rate."""
        return (Player("components", list(self.parameters()), self.loss, learning_rate=self.refine),)


def build(shape: int | tuple[int, ...], *, latent: int = 3, refine: float = 0.0) -> Principal:
    """So many principal components, in ``(latent + 1) dim`` parameters.

    Raises:
        Refused: no component, or a negative share.
    """
    if latent < 1 or refine < 0:
        raise Refused(
            f"pca_ae was given latent={latent}, refine={refine:g}; 1 component and a share of 0 or more are expected"
        )
    return Principal((shape,) if isinstance(shape, int) else shape, latent, refine)
