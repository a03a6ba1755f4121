"""Maps from the energies of layers or pixels to features of flows: the total, and what each takes of what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from qinn_bench.data.transforms import LIMIT
from qinn_bench.values import Array


@dataclass(frozen=True)
class Cascade:
    """y_0 = ln sum_j x_j, and y_i = ln x_{i-1} - ln sum_{j >= i} x_j: the logit of its share of what is left.

    Like the coordinates of CaloFlow (arXiv:2106.05285, section III) with logits of its shares, so that energy is kept
    within the resolution by one feature alone.

    Example:
        >>> features, logdet = Cascade().forward(np.array([[1.0, 1.0, 2.0]]))
        >>> features.round(3).tolist(), logdet.round(3).tolist()
        ([[1.386, -1.099, -0.693]], [-0.693])
    """

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features and minus the sum of the logarithms of all energies."""
        left = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs, of_left = np.log(rows), np.log(left)
        features = np.column_stack([of_left[:, 0], logs[:, :-1] - of_left[:, 1:]])
        return features, -logs.sum(axis=1)

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the energies, all of them positive."""
        left = np.exp(np.clip(features[:, 0], -LIMIT, LIMIT))
        columns = []
        for logit in np.clip(features[:, 1:], -LIMIT, LIMIT).T:
            columns.append(left * expit(logit))
            left = left * expit(-logit)
        return np.column_stack([*columns, left])
