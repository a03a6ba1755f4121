"""An isolation forest: rows that few random cuts set apart are anomalous."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import IsolationForest as Fitted
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Array, Refused
from reference_models._parts.trees import Grown, Trees

ABOUT = About(
    citation="Liu, Ting, Zhou, Isolation Forest, ICDM 2008, doi:10.1109/ICDM.2008.17",
    tiny={"trees": 5, "rows": 32},
    rows=("flat", "image"),
)


class IsolationForest(Scorer):
    """scikit-learn's forest; its numbers are buffers and no parameters, as no gradient reaches them.

    Example:
        >>> model = IsolationForest((2,), trees=3, rows=16)
        >>> model.initialise(Batch(torch.randn(50, 2, generator=torch.Generator().manual_seed(0))), torch.Generator())
        >>> scores = model.score(torch.tensor([[0.0, 0.0], [9.0, 9.0]]))
        >>> bool(scores[0] < scores[1])
        True
    """

    def __init__(self, shape: tuple[int, ...], trees: int, rows: int) -> None:
        super().__init__(shape)
        self.rows = rows
        levels = int(np.ceil(np.log2(max(rows, 2))))
        self.forest = Trees(trees, 2 * rows - 1, levels)
        self.register_buffer("typical", torch.ones(()))

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Grow the forest on the rows."""
        x = train.rows.flatten(1).double().cpu().numpy()
        seed, drawn = int(torch.randint(2**31, (), generator=rng)), min(self.rows, len(x))
        trees = len(self.forest.get_buffer("value"))
        fitted = Fitted(n_estimators=trees, max_samples=drawn, random_state=seed).fit(x)
        self.forest.keep([Grown(one.tree_, _depths(one.tree_)) for one in fitted.estimators_])
        self.get_buffer("typical").fill_(float(mean_path(np.array([drawn]))[0]))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Two to the power of minus the mean path over that of a random tree, ``(n, *shape) -> (n,)``: about 0.5 for a
        typical row, near 1 for one that a single cut sets apart."""
        return torch.exp2(-self.forest(x.flatten(1)).mean(1) / self.get_buffer("typical"))


def mean_path(rows: Array) -> Array:
    """How many cuts set a row apart from others, of so many rows in all, in a random tree on average.

    Example:
        >>> mean_path(np.array([1, 2, 256])).round(3).tolist()
        [0.0, 1.0, 10.245]
    """
    n = np.maximum(np.asarray(rows, dtype=np.float64), 2)
    many = 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(np.asarray(rows) <= 1, 0.0, np.where(np.asarray(rows) == 2, 1.0, many))


def _depths(tree: object) -> Array:
    """How many cuts lead to each node of a tree, and beyond it on average where it is a leaf of several rows."""
    left, right = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    depths = np.zeros(len(left))
    for at in range(len(left)):  # Children have larger numbers than their parents.
        if left[at] >= 0:
            depths[[left[at], right[at]]] = depths[at] + 1
    return np.asarray(depths + np.where(left < 0, mean_path(tree.n_node_samples), 0.0))  # type: ignore[attr-defined]


def build(shape: int | tuple[int, ...], *, trees: int = 100, rows: int = 256) -> IsolationForest:
    """So many trees, each of so many training rows.

    Raises:
        Refused: no tree, or fewer than 2 rows.
    """
    if trees < 1 or rows < 2:
        raise Refused(f"isolation_forest was given trees={trees}, rows={rows}; 1 tree and 2 rows or more are expected")
    return IsolationForest((shape,) if isinstance(shape, int) else shape, trees, rows)
