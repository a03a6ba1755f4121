"""Rows in the units of a generator whose numbers are bounded: from the least to the largest of the training rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Span(nn.Module):
    """Takes each feature between its least and its largest training value to (0, 1), and back.

    Both are fitted, and counted as buffers; before they are, features lie between -1 and 1.

    Example:
        >>> span = Span(2)
        >>> span.fit(torch.tensor([[0.0, -2.0], [4.0, 2.0]]))
        >>> span.back(torch.tensor([[0.25, 0.5]])).tolist(), span.into(torch.tensor([[1.0, 9.0]])).tolist()
        ([[1.0, 0.0]], [[0.25, 2.75]])
    """

    low: Tensor
    width: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((dim,), -1.0))
        self.register_buffer("width", torch.full((dim,), 2.0))

    def fit(self, rows: Tensor) -> None:
        """Take the ends from rows ``(n, dim)``."""
        low, high = rows.amin(0), rows.amax(0)
        self.low.copy_(low)
        self.width.copy_(high - low)

    def into(self, rows: Tensor) -> Tensor:
        """Rows in units of the span, ``(n, dim) -> (n, dim)``; 0 where all training rows were the same."""
        return (rows - self.low) / torch.where(self.width > 0, self.width, 1.0)

    def back(self, units: Tensor) -> Tensor:
        """The rows that have these units, ``(n, dim) -> (n, dim)``."""
        return self.low + self.width * units

    def scattered(self, units: Tensor, rng: torch.Generator) -> Tensor:
        """Units as they are drawn; a span of levels may scatter them."""
        return units


class SignedSpan(Span):
    """The last layer of a generator whose numbers lie between -1 and 1, such as expectation values.

    Example:
        >>> span = SignedSpan(1)
        >>> span.fit(torch.tensor([[2.0], [4.0]]))
        >>> span(torch.tensor([[-1.0], [0.0], [1.0]])).flatten().tolist()
        [2.0, 3.0, 4.0]
    """

    def forward(self, values: Tensor) -> Tensor:
        """``(n, dim) -> (n, dim)``."""
        return self.back((values + 1) / 2)


class Levels(Span):
    """Each feature rounded to one of so many levels, evenly spaced from its least to its largest training value.

    Drawn rows have the values of levels, or lie anywhere `within` half a step of them.

    Example:
        >>> levels = Levels(1, each=3)
        >>> levels.into(torch.tensor([[-2.0], [-0.6], [0.1], [0.9]])).flatten().tolist()
        [0.0, 0.0, 0.5, 1.0]
    """

    def __init__(self, dim: int, each: int, *, within: bool = False) -> None:
        super().__init__(dim)
        self.steps, self.within = each - 1, within

    def into(self, rows: Tensor) -> Tensor:
        """The levels of rows, from 0 to 1, ``(n, dim) -> (n, dim)``."""
        return (super().into(rows).clamp(0, 1) * self.steps).round() / self.steps

    def scattered(self, units: Tensor, rng: torch.Generator) -> Tensor:
        """Units as they are drawn, evenly within half a step if so asked."""
        if not self.within:
            return units
        off = torch.rand(units.shape, generator=rng, dtype=torch.float64).to(units) - 0.5
        return units + off / self.steps


class Shares(Span):
    """Rows as shares that sum to 1: what each number has above its least training value, over their sum.

    Back, all rows have the mean sum of the training rows; it is fitted, too.

    Example:
        >>> shares = Shares(2)
        >>> shares.fit(torch.tensor([[0.0, 0.0], [1.0, 3.0]]))
        >>> shares.into(torch.tensor([[1.0, 3.0]])).tolist(), shares.back(torch.tensor([[0.5, 0.5]])).tolist()
        ([[0.25, 0.75]], [[1.0, 1.0]])
    """

    total: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.register_buffer("total", torch.ones(1))

    def fit(self, rows: Tensor) -> None:
        """Take the least values and the mean sum from rows ``(n, dim)``."""
        super().fit(rows)
        self.total.copy_((rows - self.low).sum(1).mean())

    def into(self, rows: Tensor) -> Tensor:
        """``(n, dim) -> (n, dim)``; even shares of a row that has nothing."""
        above = (rows - self.low).clamp(min=0)
        total = above.sum(1, keepdim=True)
        return torch.where(total > 0, above / torch.where(total > 0, total, 1.0), 1 / above.shape[1])

    def back(self, units: Tensor) -> Tensor:
        """``(n, dim) -> (n, dim)``."""
        return self.low + self.total * units
