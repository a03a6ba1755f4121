"""A space cut into cells: each feature in 2^bits cells of equal width, after a monotone map of the line to (0, 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.contracts import LOG_2PI
from qinn_bench.values import Refused

EDGE = 1e-15
"""No drawn place is nearer to the ends of (0, 1), where the map back is infinite."""


class Squash(NamedTuple):
    """A monotone map of the line to (0, 1): the map, the logarithm of its slope, and the map back.

    Example:
        >>> float(SQUASHES["normal"].into(torch.zeros(())))
        0.5
    """

    into: Callable[[Tensor], Tensor]
    log_slope: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


SQUASHES: dict[str, Squash] = {
    "normal": Squash(torch.special.ndtr, lambda x: -0.5 * (x.square() + LOG_2PI), torch.special.ndtri),
    "logistic": Squash(torch.sigmoid, lambda x: F.logsigmoid(x) + F.logsigmoid(-x), torch.logit),
}
"""Distribution functions: an even distribution over the cells is then this distribution of each feature."""


@dataclass(frozen=True)
class Cells:
    """The cells of `dim` features. Places of cells count from the lowest one of each feature.

    A `gray` code numbers them so that neighbouring cells differ in one bit.

    Raises:
        Refused: no bit, or a map that does not exist.

    Example:
        >>> cells = Cells(1, bits=2)
        >>> cells.places(torch.tensor([[-9.0], [0.1], [9.0]])).flatten().tolist(), cells.n_bits
        ([0, 2, 3], 2)
    """

    dim: int
    bits: int
    squash: str = "normal"
    gray: bool = False

    def __post_init__(self) -> None:
        if self.bits < 1 or self.squash not in SQUASHES:
            raise Refused(
                f"cells of {self.bits} bits after the map '{self.squash}' were asked for; 1 bit or more is expected, "
                f"and one of the maps {', '.join(SQUASHES)}"
            )

    @property
    def each(self) -> int:
        """How many cells a feature has."""
        return int(2**self.bits)

    @property
    def n_bits(self) -> int:
        """Bits of a whole row."""
        return self.dim * self.bits

    def places(self, x: Tensor) -> Tensor:
        """Which cell each feature is in: ``(n, dim) -> (n, dim)``, integers."""
        unit = SQUASHES[self.squash].into(x.double())
        return (unit * self.each).long().clamp(0, self.each - 1)

    def log_even(self, x: Tensor) -> Tensor:
        """The log-density at features ``(n, dim) -> (n,)`` if all cells were equally probable, in nats."""
        return SQUASHES[self.squash].log_slope(x).sum(1)

    def drawn_in(self, places: Tensor, rng: torch.Generator) -> Tensor:
        """A row of features in each of these cells, even over the cell in (0, 1): ``(n, dim)``, in double precision."""
        within = torch.rand(places.shape, generator=rng, dtype=torch.float64).to(places.device)
        unit = (places + within) / self.each
        return SQUASHES[self.squash].back(unit.clamp(EDGE, 1 - EDGE))

    def centres(self, places: Tensor) -> Tensor:
        """The features in the middle of cells, in double precision."""
        return SQUASHES[self.squash].back((places.double() + 0.5) / self.each)

    def numbers(self, places: Tensor) -> Tensor:
        """One number for each row of places: ``(n, dim) -> (n,)``; the first feature has the highest bits."""
        coded = places ^ (places >> 1) if self.gray else places
        powers = self.each ** torch.arange(self.dim - 1, -1, -1, device=places.device)
        return (coded * powers).sum(1)

    def chances_at(self, x: Tensor, found: Tensor) -> Tensor:
        """The chance of the cell that each row is in, of chances ``(1 or n, cells)``: ``(n, dim) -> (n,)``.

        One row of chances is that of all rows of features.
        """
        numbers = self.numbers(self.places(x))
        return found[0][numbers] if len(found) == 1 else found.gather(1, numbers[:, None])[:, 0]

    def places_of(self, numbers: Tensor) -> Tensor:
        """The places that have these numbers: ``(n,) -> (n, dim)``."""
        powers = self.each ** torch.arange(self.dim - 1, -1, -1, device=numbers.device)
        places = numbers[:, None] // powers % self.each
        for shift in (1, 2, 4, 8, 16) if self.gray else ():
            places = places ^ (places >> shift)
        return places
