"""A surrogate of pion showers: two gamma profiles from a random start, in layers. A toy, and labelled so.

The profile is that of Bock et al., Nucl. Instrum. Meth. 186, 533 (1981), which is known not to describe the combined
calorimeter of ATLAS (arXiv:hep-ex/9912028). Widths, lumps and what happens before the start are of our own making. Its
numbers are not to be held against those of papers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc

from qinn_bench.data.showers.spots import LayerShapes
from qinn_bench.values import Array

EDGES = (1.7, 2.1, 6.4, 22.4, 24.4, 25.4)
"""Edges of layers 0 to 3 in X0 and where the hadronic calorimeter begins."""
X0_PER_LENGTH, X0_PER_LENGTH_TILE = 14.0, 9.0
"""Radiation lengths in an interaction length, before and in the hadronic calorimeter."""
TILE = (1.5, 4.1, 1.8)
"""Depths of layers 12, 13 and 14 in interaction lengths."""
EXPONENT, HADRONIC = 0.18, 0.72
"""The electromagnetic share is 1 - (E / GeV)^-0.18 in the mean; the rest is seen by this factor."""
SCATTER = 6.0
"""Of the electromagnetic share: the sum of the two parameters of its beta law."""
MIP_FRONT, MIP_TILE = 0.015, 0.25
"""GeV that a pion leaves before it interacts, in an X0 of the front and in an interaction length of the tile."""
RESOLUTION = np.array([0.3, 0.3, 0.3, 0.3, 0.5, 0.5, 0.5])
"""Sampling fluctuation of each layer over the root of its energy in GeV."""
CONSTANT = 0.03
SEEN = 0.955
"""What is seen of the energy beside leakage, dead material and the hadronic factor."""
SPOTS, SPOT_POWER = 12.0, 0.8
"""Mean number of spots of a layer with 1 GeV, and how it grows with energy."""


def pion_layers(energies: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw what pions of these energies in GeV leave in layers 0 to 3 and 12 to 14, ``(n, 7)`` in GeV, and the depths
    in interaction lengths at which they interact, ``(n,)``."""
    n = len(energies)
    start = rng.exponential(size=n)
    mean = np.clip(1 - energies**-EXPONENT, 0.02, 0.98)
    share = rng.beta(SCATTER * mean, SCATTER * (1 - mean))[:, None]
    rising = (0.6165 + 0.3193 * np.log(energies))[:, None]
    falls = np.exp(0.25 * rng.normal(size=(n, 2))) * [[0.2198, 1.0]]
    falls[:, 1] *= np.maximum(0.9099 - 0.0237 * np.log(energies), 0.3)
    lengths, radiation = _depths()
    at_start = np.interp(start, lengths, radiation)
    reach = np.maximum(radiation - at_start[:, None], 0.0), np.maximum(lengths - start[:, None], 0.0)
    electromagnetic, hadronic = (np.diff(gammainc(rising, falls[:, i : i + 1] * reach[i]), axis=1) for i in (0, 1))
    seen = SEEN * (share * electromagnetic + HADRONIC * (1 - share) * hadronic)[:, _LAYERS]
    means = seen * (energies[:, None] - _mips(start).sum(1, keepdims=True)).clip(0) + _mips(start) * np.exp(
        0.25 * rng.normal(size=(n, len(_LAYERS)))
    )
    sampled = RESOLUTION**2 * rng.standard_gamma(means / RESOLUTION**2)
    return np.maximum(sampled * (1 + CONSTANT * rng.normal(size=(n, 1))), 0.0), start


_LAYERS = [1, 2, 3, 4, 6, 7, 8]
"""The places of the layers among the steps of the depths: dead material and a gap lie between."""


def _depths() -> tuple[Array, Array]:
    """The edges of all steps in interaction lengths and in X0, from the front to the end of layer 14."""
    front = np.array([0.0, *EDGES])
    back = np.cumsum(TILE)
    lengths = np.concatenate([front / X0_PER_LENGTH, front[-1] / X0_PER_LENGTH + back])
    return lengths, np.concatenate([front, front[-1] + back * X0_PER_LENGTH_TILE])


def _mips(start: Array) -> Array:
    """What a pion leaves in each layer before it interacts, in GeV, ``(n, 7)``."""
    lengths, _ = _depths()
    crossed = np.clip(start[:, None] - lengths[:-1], 0.0, np.diff(lengths))[:, _LAYERS]
    per_length = np.repeat([MIP_FRONT * X0_PER_LENGTH, MIP_TILE], [4, 3])
    return np.asarray(crossed * per_length)


def pion_shapes(layers: Array, start: Array, angles: tuple[int, ...], rng: np.random.Generator) -> list[LayerShapes]:
    """The radial shapes of each layer; showers differ in width, and a jet of energy lies to one side."""
    n, found = len(layers), []
    lengths, _ = _depths()
    middles = ((lengths[:-1] + lengths[1:]) / 2)[_LAYERS]
    side, width = rng.uniform(-np.pi, np.pi, n), np.exp(0.3 * rng.normal(size=n))
    for i, sectors in enumerate(angles):
        behind = np.maximum(middles[i] - start, 0.0)[:, None]
        spread = (width * np.exp(0.25 * rng.normal(size=n)))[:, None]
        core, tail = spread * (8 + 18 * behind), spread * (45 + 45 * behind)
        share = np.clip(0.6 * np.exp(-0.35 * behind) * np.exp(0.2 * rng.normal(size=(n, 1))), 0.02, 0.98)
        edges = np.linspace(-np.pi, np.pi, sectors + 1)
        lump = rng.exponential(0.6, n)[:, None] * np.cos((edges[:-1] + edges[1:]) / 2 - side[:, None])
        weights = np.exp(lump) / np.exp(lump).sum(axis=1, keepdims=True)
        spots = SPOTS * np.maximum(layers[:, i], 0.01) ** SPOT_POWER
        found.append(LayerShapes(np.ones((n, 1)), core, tail, share, spots, weights if sectors > 1 else None))
    return found
