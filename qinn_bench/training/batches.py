"""Endless batches of training rows, each epoch in a fresh order; where they stand can be saved and taken up again."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.contracts import Batch


class Batches:
    """Batches of `size` rows; what is left at the end of an epoch and fills no batch is dropped.

    Where there are fewer rows than `size`, all of them are one batch.

    Example:
        >>> batches = Batches(Batch(torch.arange(4.0)[:, None]), 2, torch.Generator().manual_seed(0))
        >>> sorted(float(x) for batch in (next(batches), next(batches)) for x in batch.rows)
        [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, train: Batch, size: int, rng: torch.Generator) -> None:
        self.train, self.size, self.rng = train, min(size, len(train)), rng
        self._begin()

    def _begin(self) -> None:
        """Draw the order of an epoch, of whose rows none was handed out yet."""
        self.epoch, self.place = self.rng.get_state(), 0
        self.order = torch.randperm(len(self.train), generator=self.rng).to(self.train.rows.device)

    def __next__(self) -> Batch:
        """The next batch."""
        if self.place + self.size > len(self.train):
            self._begin()
        batch = self.train[self.order[self.place : self.place + self.size]]
        self.place += self.size
        return batch

    def state(self) -> dict[str, Tensor]:
        """Where the batches stand."""
        return {"epoch": self.epoch.clone(), "place": torch.tensor(self.place)}

    def resume(self, state: dict[str, Tensor]) -> None:
        """Go on from there: the batches that follow are those that would have followed then."""
        self.rng.set_state(state["epoch"])
        self._begin()
        self.place = int(state["place"])
