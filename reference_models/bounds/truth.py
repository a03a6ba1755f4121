"""The floor of every sample metric: real events in the place of generated ones."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Sampler
from qinn_bench.dataset import Dataset
from qinn_bench.like_conditions import rows_like
from qinn_bench.values import Refused

ABOUT = About(citation="the test rows of the data set", role="floor")


class Truth(Sampler):
    """Hands out test rows from the end of the data set, where metrics take theirs from its beginning; no density.

    Where there are conditions, each row has the one that is asked for, or the nearest that there is.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> tuple(Truth(2, data).sample(5, torch.Generator().manual_seed(0)).shape)
        (5, 2)
    """

    def __init__(self, dim: int, data: Dataset, condition: int = 0) -> None:
        super().__init__(dim)
        self.data = data
        self.test_conditions = data.conditions.test if data.conditions is not None and condition else None

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """The last ``n`` test rows as features, ``(n, dim)``, in float64; the same at every call.

        Raises:
            Refused: the test rows are fewer than ``2 n``, so that these would not be disjoint from the first ``n``.
        """
        rows = self.data.test
        if 2 * n > len(rows):
            raise Refused(
                f"truth was asked for {n} rows beside {n} others, but '{self.data.name}' has {len(rows)} test rows"
            )
        if condition is not None and self.test_conditions is not None:
            rows = rows[n:][rows_like(condition.numpy(), self.test_conditions[n:])]
        return torch.from_numpy(self.data.transform.forward(rows[len(rows) - n :])[0])


def build(dim: int, *, data: Dataset, condition: int = 0) -> Sampler:
    """Test rows of `data` in the place of a model's samples, at their conditions where they have some."""
    return Truth(dim, data, condition)
