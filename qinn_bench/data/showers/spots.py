"""From the energy of a layer to that of its voxels: a radial shape, sectors, and a finite number of energy spots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.calorimeter import Calorimeter, CalorimeterLayer
from qinn_bench.values import Array

SMALLEST = 0.01
"""Voxels with less MeV are empty."""


class LayerShapes(NamedTuple):
    """How the energy of a layer lies about the axis, for each of n showers.

    `weights` ``(n, k)`` are the shares of k slices; in each the radius has the law p 2 r C^2 / (r^2 + C^2)^2 + (1 - p)
    2 r T^2 / (r^2 + T^2)^2 with the radii C of `core` and T of `tail` in mm and p the `share` of the core, ``(n, k)``
    each. `spots` ``(n,)`` are the mean numbers of spots; `sectors` ``(n, angles)`` the weights of the sectors, None
    where all are alike.

    Example:
        >>> ones = np.ones((1, 1))
        >>> shape = LayerShapes(ones, 10 * ones, 50 * ones, ones, np.array([20.0]), None)
        >>> ring_shares(shape, np.array([0.0, 10.0, 1e9])).round(3).tolist()
        [[0.5, 0.5]]
    """

    weights: Array
    core: Array
    tail: Array
    share: Array
    spots: Array
    sectors: Array | None


def ring_shares(shape: LayerShapes, edges: Array) -> Array:
    """The share of each ring, ``(n, rings)`` with sums of one: what lies beyond the last edge counts to all alike."""
    squares = edges**2
    inside = np.zeros((len(shape.weights), len(edges)))
    for k in range(shape.weights.shape[1]):
        core, tail, share = (part[:, k : k + 1] for part in (shape.core**2, shape.tail**2, shape.share))
        weight = shape.weights[:, k : k + 1]
        inside += weight * share * (squares / (squares + core)) + weight * (1 - share) * (squares / (squares + tail))
    rings = np.diff(inside, axis=1)
    return np.asarray(rings / rings.sum(axis=1, keepdims=True))


def voxels_of(calorimeter: Calorimeter, layers: Array, shapes: list[LayerShapes], rng: np.random.Generator) -> Array:
    """Draw the voxels of layers ``(n, layers)`` in MeV, ``(n, voxels)``, whose sums are those of the layers.

    Only what falls below 0.01 MeV is lost of a layer.
    """
    parts = [
        _layer_voxels(layer, energy, shape, rng)
        for layer, energy, shape in zip(calorimeter.layers, layers.T, shapes, strict=True)
    ]
    voxels = np.concatenate(parts, axis=1)
    return np.asarray(np.where(voxels < SMALLEST, 0.0, voxels))


def _layer_voxels(layer: CalorimeterLayer, energy: Array, shape: LayerShapes, rng: np.random.Generator) -> Array:
    """The voxels of a layer: the number of spots in each is Poisson, the energy of each spot exponential.

    Spots of one energy would make voxels whole multiples of it, which any classifier sees.
    """
    rings = ring_shares(shape, np.array(layer.edges))
    sectors = np.full((len(energy), layer.angles), 1 / layer.angles) if shape.sectors is None else shape.sectors
    shares = (sectors[:, :, None] * rings[:, None, :]).reshape(len(energy), layer.voxels)
    content = rng.standard_gamma(rng.poisson(shape.spots[:, None] * shares).astype(np.float64))
    empty = content.sum(axis=1) == 0
    if empty.any():
        content[empty] = _one_spot(shares[empty], rng)
    return np.asarray(content * (energy / content.sum(axis=1))[:, None])


def _one_spot(shares: Array, rng: np.random.Generator) -> Array:
    """All energy in one voxel, drawn by its share."""
    ends = np.cumsum(shares, axis=1)
    place = (rng.uniform(size=(len(shares), 1)) * ends[:, -1:] > ends).sum(axis=1)
    return np.asarray((np.arange(shares.shape[1]) == place[:, None]).astype(np.float64))
