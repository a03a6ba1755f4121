"""Eight fixed patterns of 4 x 4 bits whose bits are flipped now and then, with their exact law."""

from __future__ import annotations

from functools import cache

import numpy as np

from qinn_bench.about import About
from qinn_bench.bit_rows import BitLaw, Bits, bits_in, states_of
from qinn_bench.data.bits import bit_toy
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.values import Array

ABOUT = About(
    citation="Recio-Armengol, Ahmed, Bowles, arXiv:2503.02934: the eight blobs of its first figure",
    deviations=("rows are draws of the exact law by a seed of this package, not the published ones",),
)
SIDE, SITES = 4, 16
FLIPPED = 0.05


def peaks() -> Bits:
    """The patterns: four squares in the corners, the one in the middle, both diagonals, the four corners; ``(8, 16)``.

    Example:
        >>> peaks().sum(1).tolist()
        [4, 4, 4, 4, 4, 4, 4, 4]
    """
    found = np.zeros((8, SIDE, SIDE), dtype=np.uint8)
    for k, (row, column) in enumerate(((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))):
        found[k, row : row + 2, column : column + 2] = 1
    found[5], found[6] = np.eye(SIDE), np.eye(SIDE)[::-1]
    found[7, ::3, ::3] = 1
    return found.reshape(8, SITES)


def distances(bits: Bits) -> Array:
    """How many bits of each row differ from each pattern, ``(n, 16) -> (n, 8)``."""
    return np.stack([(bits != peak).sum(1) for peak in peaks()], axis=1).astype(np.float64)


@cache
def _law() -> BitLaw:
    away = distances(states_of(np.arange(2**SITES), SITES))
    return BitLaw((FLIPPED**away * (1 - FLIPPED) ** (SITES - away)).mean(1))


def _observables(rows: Array) -> dict[str, Array]:
    bits = bits_in(rows)
    return {"ones": bits.sum(1).astype(np.float64), "nearest": distances(bits).min(1)}


def load(*, events: int = 40_000) -> Dataset:
    """Draw rows: a pattern by even chances, each bit of it flipped with the chance 0.05."""
    plots = (
        Observable("ones", "ones", -0.5, 16.5, bins=17),
        Observable("nearest", "bits off the nearest pattern", -0.5, 8.5, bins=9),
    )
    return bit_toy("blobs16", _law(), events, _observables, plots, "8 patterns of 4 x 4 bits, 5 % of the bits flipped")
