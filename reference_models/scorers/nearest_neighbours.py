"""The distance to the nearest training rows: what lies far from all of them is anomalous."""

from __future__ import annotations

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer
from qinn_bench.dataset import Dataset
from qinn_bench.values import Refused

ABOUT = About(
    citation="Ramaswamy, Rastogi, Shim, Efficient algorithms for mining outliers from large data sets, SIGMOD 2000, "
    "doi:10.1145/342009.335437",
    tiny={"neighbours": 2, "rows": 50},
    rows=("flat", "image"),
)


class Neighbours(Scorer):
    """The mean distance to the nearest of some training rows, which are kept as buffers.

    Example:
        >>> model = Neighbours((1,), kept=3, neighbours=2)
        >>> model.initialise(Batch(torch.tensor([[0.0], [1.0], [3.0]])), torch.Generator().manual_seed(0))
        >>> model.score(torch.tensor([[0.0], [4.0]])).tolist()
        [0.5, 2.0]
    """

    def __init__(self, shape: tuple[int, ...], kept: int, neighbours: int) -> None:
        super().__init__(shape)
        self.neighbours = neighbours
        self.register_buffer("kept", torch.zeros(kept, self.dim))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Keep some of the rows, drawn at random."""
        kept = self.get_buffer("kept")
        some = torch.randperm(len(train), generator=rng)[: len(kept)].to(train.rows.device)
        kept.copy_(train.rows[some].flatten(1))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The mean Euclidean distance to the nearest kept rows, ``(n, *shape) -> (n,)``."""
        index = NearestNeighbors(n_neighbors=self.neighbours).fit(self.get_buffer("kept").cpu().numpy())
        distances, _ = index.kneighbors(x.flatten(1).detach().cpu().numpy())
        return torch.as_tensor(distances).to(x).mean(1)


def build(shape: int | tuple[int, ...], *, neighbours: int = 5, rows: int = 10000, data: Dataset) -> Neighbours:
    """The nearest `neighbours` among so many training `rows` of `data`, or all where there are fewer.

    Raises:
        Refused: no neighbour, or more than rows.
    """
    kept = min(rows, len(data.train))
    if not 1 <= neighbours <= kept:
        raise Refused(
            f"nearest_neighbours was given neighbours={neighbours} among {kept} training rows; 1 to {kept} are expected"
        )
    return Neighbours((shape,) if isinstance(shape, int) else shape, kept, neighbours)
