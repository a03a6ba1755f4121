"""Decision trees that scikit-learn has grown, as tensors: they are kept with a model's weights and read without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Grown:
    """One tree of scikit-learn and what each of its nodes ``(nodes,)`` stands for.

    Example:
        >>> from sklearn.tree import DecisionTreeRegressor
        >>> tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [2.0, 3.0]).tree_
        >>> Grown(tree, tree.value[:, 0, 0]).values.tolist()
        [2.5, 2.0, 3.0]
    """

    tree: Any
    values: Any


class Trees(nn.Module):
    """So many trees of at most so many nodes and levels; rows fall to the leaves, whose values come back.

    Example:
        >>> from sklearn.tree import DecisionTreeRegressor
        >>> tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [2.0, 3.0]).tree_
        >>> trees = Trees(1, nodes=3, levels=1)
        >>> trees.keep([Grown(tree, tree.value[:, 0, 0])])
        >>> trees(torch.tensor([[0.2], [0.8]])).tolist()
        [[2.0], [3.0]]
    """

    def __init__(self, trees: int, nodes: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.long))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(trees, nodes))

    @torch.no_grad()
    def keep(self, grown: list[Grown]) -> None:
        """Take over these trees; a leaf leads to itself."""
        for at, one in enumerate(grown):
            tree, n = one.tree, one.tree.node_count
            own = np.arange(n)
            leaf = tree.children_left < 0
            rows = {
                "feature": np.where(leaf, 0, tree.feature),
                "left": np.where(leaf, own, tree.children_left),
                "right": np.where(leaf, own, tree.children_right),
                "threshold": np.where(leaf, 0.0, tree.threshold),
                "value": one.values,
            }
            for name, values in rows.items():
                self.get_buffer(name)[at, :n] = torch.as_tensor(values).to(self.get_buffer(name))

    def forward(self, x: Tensor) -> Tensor:
        """The values of the leaves that rows fall to, ``(n, features) -> (n, trees)``.

        Features are compared in single precision, as scikit-learn compares them.
        """
        threshold = self.get_buffer("threshold")
        x = x.float().to(threshold)
        trees = torch.arange(len(threshold), device=x.device)
        node = torch.zeros(len(x), len(threshold), dtype=torch.long, device=x.device)
        for _ in range(self.levels):
            below = x.gather(1, self.get_buffer("feature")[trees, node]) <= threshold[trees, node]
            node = torch.where(below, self.get_buffer("left")[trees, node], self.get_buffer("right")[trees, node])
        return self.get_buffer("value")[trees, node]
