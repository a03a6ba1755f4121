"""What supervised classifiers share: a network from rows to log-odds, trained by the binary cross-entropy of labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Scorer
from qinn_bench.values import Refused


class Classifier(Scorer):
    """The log-odds of signal against background by a network ``(n, *shape) -> (n, 1)``.

    Example:
        >>> model = Classifier((2,), nn.Linear(2, 1))
        >>> model.loss(Batch(torch.zeros(4, 2), labels=torch.ones(4)), 0.0, torch.Generator()).shape
        torch.Size([])
    """

    def __init__(self, shape: tuple[int, ...], network: nn.Module) -> None:
        super().__init__(shape)
        self.network = network

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-odds, ``(n, *shape) -> (n,)``."""
        odds: Tensor = self.network(x)
        return odds[:, 0]

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean binary cross-entropy."""
        return F.binary_cross_entropy_with_logits(self.score(batch.rows), labels_of(batch))


def labels_of(batch: Batch) -> Tensor:
    """The labels of a batch, ``(n,)``.

    Raises:
        Refused: it has none.
    """
    if batch.labels is None:
        raise Refused("a classifier is trained on labels, but the rows have none")
    return batch.labels
