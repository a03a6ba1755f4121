"""The floor of scores: a single number of a row, such as how many pixels are lit or the mass of a jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Scorer
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Refused

ABOUT = About(
    citation="Finke, Kraemer, Morandini, Mueck, Oleksiyuk, Autoencoders for unsupervised anomaly detection in high "
    "energy physics, arXiv:2104.09051 (complexity of images)",
    role="floor",
    needs_labels=True,
    rows=("flat", "image", "voxels"),
)
SIDES = ("higher", "lower", "either")
LIT = 1e-6
"""Share of the largest number of a row that one has to exceed to count as lit: maps to features round zeros."""


def numbers_of(data: Dataset, rows: Array) -> dict[str, Array]:
    """Every number that physical rows ``(n, *shape)`` can be scored by, ``(n,)`` each.

    Of all rows these are how many of their numbers are not zero, their sum and their sum over the largest; of those of
    a data set also its observables, and its columns where rows are flat.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> list(numbers_of(data, data.test))
        ['pixel_count', 'sum', 'sum_over_max', 'x', 'y']
    """
    flat = rows.reshape(len(rows), -1)
    largest = np.abs(flat).max(1, initial=0.0)
    total = flat.sum(1)
    found = {
        "pixel_count": (np.abs(flat) > LIT * largest[:, None]).sum(1).astype(np.float64),
        "sum": total,
        "sum_over_max": np.divide(total, largest, out=np.zeros(len(flat)), where=largest > 0),
    }
    if data.kind == "flat":
        found |= {column.name: flat[:, at] for at, column in enumerate(data.columns[: flat.shape[1]])}
    return found | data.observables(rows)


class OneNumber(Scorer):
    """A number as it is, with its sign turned, or its distance from the median of the training rows.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> features = torch.as_tensor(data.transform.forward(data.test)[0])
        >>> score = OneNumber((2,), data, "x", "lower").score(features)
        >>> bool(np.allclose(score.numpy(), -data.test[:, 0]))
        True
    """

    def __init__(self, shape: tuple[int, ...], data: Dataset, number: str, side: str) -> None:
        super().__init__(shape)
        self.data, self.number, self.side = data, number, side
        self.middle = float(np.median(numbers_of(data, data.train)[number]))

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The number of each row, ``(n, *shape) -> (n,)``."""
        rows = self.data.transform.inverse(x.detach().double().cpu().numpy())
        values = numbers_of(self.data, rows)[self.number]
        turned = {"higher": values, "lower": -values, "either": np.abs(values - self.middle)}[self.side]
        return torch.as_tensor(turned).to(x)


def build(
    shape: int | tuple[int, ...], *, number: str = "pixel_count", side: str = "higher", data: Dataset
) -> OneNumber:
    """Score rows by one `number`; on which `side` of background rows anomalies lie is said, as nothing is trained.

    Raises:
        Refused: the rows of the data set have no such number, or there is no such side.
    """
    known = numbers_of(data, data.train[:1])
    if number not in known:
        raise Refused(f"rows of data '{data.name}' have no number '{number}'; there are: {', '.join(known)}")
    if side not in SIDES:
        raise Refused(f"one_number was given side={side}; one of {', '.join(SIDES)} is expected")
    return OneNumber((shape,) if isinstance(shape, int) else shape, data, number, side)
