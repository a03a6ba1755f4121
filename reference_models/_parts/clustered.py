"""Scores by the distance to centres of clusters: parts of rows are clustered together, and the nearest part counts."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Refused
from reference_models._parts.medians import MEDIANS, k_medians


class Clustered(Scorer):
    """Scores a row by the root of the summed squared distances of a part to all centres, the least of its parts.

    A row has `parts` of equally many numbers, such as the latents of two jets; the first `rows` training rows, all
    parts together, are clustered about `clusters` medians, which are buffers. A subclass states its `distances`.

    Raises:
        Refused: no such median, parts that a row cannot be cut into, or fewer points than clusters.

    Example:
        >>> class Flat(Clustered):
        ...     def distances(self, x, y):
        ...         return torch.cdist(x, y)
        >>> model = Flat(4, clusters=1, parts=2, rows=3, median="component")
        >>> model.initialise(Batch(torch.ones(3, 4)), torch.Generator().manual_seed(0))
        >>> model.score(torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 5.0, 4.0, 5.0]])).tolist()
        [0.0, 5.0]
    """

    centres: Tensor

    def __init__(self, dim: int, *, clusters: int, parts: int, rows: int, median: str) -> None:
        super().__init__(dim)
        if median not in MEDIANS:
            raise Refused(f"no median is called '{median}'; there are: {', '.join(MEDIANS)}")
        if parts < 1 or dim % parts:
            raise Refused(f"rows of {dim} numbers were to have {parts} parts; a number that divides {dim} is expected")
        if clusters < 1 or rows * parts < clusters:
            raise Refused(f"{clusters} clusters of {rows} rows were asked for; 1 to {rows * parts} are expected")
        self.parts, self.rows, self.median = parts, rows, median
        self.register_buffer("centres", torch.zeros(clusters, dim // parts))

    @abstractmethod
    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance of each part to each other, ``(n, dim / parts), (m, dim / parts) -> (n, m)``."""

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Cluster the parts of the first training rows, in double precision, from points that are drawn among them.

        Raises:
            Refused: there are fewer points than clusters.
        """
        points = train.rows[: self.rows].reshape(-1, self.centres.shape[1]).double()
        if len(points) < len(self.centres):
            raise Refused(f"{len(self.centres)} clusters of {len(points)} points were asked for; at most as many")
        drawn = torch.randperm(len(points), generator=rng)[: len(self.centres)].to(points.device)
        self.centres.copy_(k_medians(points, points[drawn], self.median, self.distances))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The score of the least anomalous part, ``(n, dim) -> (n,)``."""
        each = self.distances(x.reshape(-1, self.centres.shape[1]), self.centres).square().sum(1).sqrt()
        return each.reshape(-1, self.parts).amin(1)
