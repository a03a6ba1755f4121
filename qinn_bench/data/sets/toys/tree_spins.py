"""Spins on a random tree with the bonds of an Ising model: any number of bits, whose law is a product over bonds."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from qinn_bench.about import About
from qinn_bench.bit_rows import Bits, bits_in, spread_bits
from qinn_bench.data.bits import bit_set
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Refused

ABOUT = About(
    citation="after the scale-free Ising model on 1000 sites of Recio-Armengol, Ahmed, Bowles, arXiv:2503.02934",
    deviations=(
        "a tree that grows by preferential attachment, on which draws and law are exact, instead of a graph of two "
        "edges a site and Markov chains",
        "couplings between 0 and 1 at T = 1 without a field",
    ),
)
MOST = 2000


class TreeLaw:
    """Each spin equals its parent's with the chance 1 / (1 + exp(-2 J)) of its bond; the first one is fair.

    Example:
        >>> law = TreeLaw(16)
        >>> rows = law.sample(3, np.random.default_rng(0))
        >>> rows.shape, bool((law.log_density(rows) < 0).all()), bool(law.entropy < 16 * np.log(2))
        ((3, 16), True, True)
    """

    def __init__(self, bits: int) -> None:
        rng, ends, parents = numpy_rng("data", "tree_spins", bits), [0], [0]
        for site in range(1, bits):
            parents.append(ends[rng.integers(len(ends))])
            ends += [parents[-1], site]
        self.bits = bits
        self.parents = np.array(parents)
        self.alike = 1 / (1 + np.exp(-2 * rng.random(bits)))
        self.alike[0] = 0.5
        own = self.alike
        self.entropy = float(-(own * np.log(own) + (1 - own) * np.log1p(-own)).sum())
        """In nats."""

    def turned(self, bits: Bits) -> Bits:
        """Whether each spin differs from its parent's, of the first whether it is 1: ``(n, bits) -> (n, bits)``."""
        found = bits ^ bits[:, self.parents]
        found[:, 0] = bits[:, 0]
        return found

    def log_density(self, rows: Array) -> Array:
        """``(n, bits) -> (n,)`` in nats."""
        inside = ((rows >= 0) & (rows <= 2)).all(1)
        chances = np.where(self.turned(bits_in(rows)) == 1, np.log1p(-self.alike), np.log(self.alike)).sum(1)
        return np.where(inside, chances, -np.inf)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, bits)``."""
        found = (rng.random((self.bits, n)) >= self.alike[:, None]).astype(np.uint8)
        for site in range(1, self.bits):
            found[site] ^= found[self.parents[site]]
        return spread_bits(np.ascontiguousarray(found.T), rng)


def _observables(law: TreeLaw, rows: Array) -> dict[str, NDArray[np.float64]]:
    bits = bits_in(rows)
    return {
        "magnetisation": np.abs(2 * bits.mean(1) - 1),
        "turned": law.turned(bits)[:, 1:].sum(1).astype(np.float64),
    }


def load(*, events: int = 4_000, bits: int = 64) -> Dataset:
    """Draw rows of so many spins; tree and couplings follow from their number.

    Raises:
        Refused: fewer than 2 spins or more than 2000.
    """
    if not 2 <= bits <= MOST:
        raise Refused(f"data 'tree_spins': bits is {bits}, but 2 to {MOST} were expected")
    law = TreeLaw(bits)
    plots = (
        Observable("magnetisation", "magnetisation", 0.0, 1.0, bins=20),
        Observable("turned", "bonds not satisfied", -0.5, bits - 0.5, bins=min(bits, 50)),
    )
    return bit_set(
        "tree_spins",
        {"bits": bits},
        law.sample(max(events, 0), numpy_rng("data", "tree_spins", bits, "rows")),
        [f"s_{{{site}}}" for site in range(bits)],
        partial(_observables, law),
        plots,
        {"description": f"{bits} spins on a tree", "events": events, "entropy_nats": law.entropy},
        law,
    )
