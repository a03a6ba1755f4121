"""Distances to clusters of background, by their medians: the classical twin of `quantum_k_medians`.

The published twin takes the median of each component, the quantum one the geometric median: both are here.
"""

from __future__ import annotations

from torch import Tensor

from qinn_bench.about import About
from reference_models._parts.clustered import Clustered
from reference_models._parts.medians import euclidean

ABOUT = About(
    citation="K. A. Wozniak et al., Quantum anomaly detection in the latent space of proton collision events at the "
    "LHC, arXiv:2301.10780 (classical k-medians)",
    deviations=("no five further rounds after the centres have come to rest", "the geometric median is ours"),
    tiny={"rows": 40, "clusters": 2, "parts": 1},
    tune={"clusters": (2, 3, 5)},
)


class ClassicalMedians(Clustered):
    """Clusters by Euclidean distances.

    Example:
        >>> build(4, rows=10).centres.shape
        torch.Size([2, 2])
    """

    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        """The Euclidean distance of each part to each other, ``(n, dim / parts), (m, dim / parts) -> (n, m)``."""
        return euclidean(x, y)


def build(
    dim: int, *, clusters: int = 2, parts: int = 2, median: str = "component", rows: int = 600
) -> ClassicalMedians:
    """So many `clusters` of the `parts` of the first training `rows`.

    `median` of a cluster is that of each ``component``, as published, or ``geometric``. Rows that cannot be cut into
    so many parts are taken whole.

    Raises:
        Refused: what `Clustered` refuses.

    Example:
        >>> build(6, parts=2).centres.shape, build(5, parts=1).centres.shape
        (torch.Size([2, 3]), torch.Size([2, 5]))
    """
    return ClassicalMedians(dim, clusters=clusters, parts=parts, rows=rows, median=median)
