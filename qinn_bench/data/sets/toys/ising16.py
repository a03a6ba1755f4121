"""Sixteen spins of an Ising model with random couplings on a periodic 4 x 4 lattice, as bits, with their exact law."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from qinn_bench.about import About
from qinn_bench.bit_rows import BitLaw, bits_in, states_of
from qinn_bench.data.bits import bit_toy
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.values import Array

ABOUT = About(
    citation="Recio-Armengol, Ahmed, Bowles, arXiv:2503.02934: the 2D Ising model of its first figure",
    deviations=(
        "rows are independent draws of the exact law instead of states of Markov chains, and not the published ones",
    ),
)
SIDE, SPINS = 4, 16
SEED, TEMPERATURE = 666, 3.0
"""The seed of the couplings, as published."""


def couplings() -> Array:
    """Twice uniform numbers where sites are neighbours, ``(16, 16)``, not symmetric: a bond has the mean of two.

    Example:
        >>> int((couplings() > 0).sum())
        64
    """
    return np.asarray(2 * np.random.RandomState(SEED).rand(SPINS, SPINS) * neighbours())


def neighbours() -> Array:
    """1 where two sites are next to each other on the torus, ``(16, 16)``.

    Example:
        >>> neighbours().sum(1).tolist() == [4.0] * 16
        True
    """
    site = np.arange(SPINS).reshape(SIDE, SIDE)
    found = np.zeros((SPINS, SPINS))
    for axis in (0, 1):
        for step in (1, -1):
            found[site.ravel(), np.roll(site, step, axis).ravel()] = 1
    return found


def energies(bits: NDArray[np.uint8], bonds: Array) -> Array:
    """-1/2 sum of J_ij s_i s_j with s = 1 - 2 b, ``(n, 16), (16, 16) -> (n,)``."""
    spins = 1.0 - 2 * bits
    return np.asarray(-0.5 * ((spins @ bonds) * spins).sum(1))


def law_of(bonds: Array) -> BitLaw:
    """The Boltzmann distribution of these couplings at temperature 3."""
    weights = -energies(states_of(np.arange(2**SPINS), SPINS), bonds) / TEMPERATURE
    return BitLaw(np.exp(weights - weights.max()))


@cache
def _law() -> BitLaw:
    return law_of(couplings())


def _observables(rows: Array) -> dict[str, Array]:
    bits = bits_in(rows)
    return {"energy": energies(bits, couplings()), "m": 1 - 2 * bits.mean(1)}


def load(*, events: int = 40_000) -> Dataset:
    """Draw states: 40 000 of them are 15 000 training, 5000 validation and 20 000 test rows."""
    plots = (Observable("energy", "$E$", -40.0, 20.0), Observable("m", "$m$", -1.0625, 1.0625, bins=17))
    about = "Ising model on a periodic 4 x 4 lattice at T = 3, couplings between 0 and 2, as bits"
    return bit_toy("ising16", _law(), events, _observables, plots, about)
