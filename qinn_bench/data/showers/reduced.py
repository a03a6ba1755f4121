"""Fewer numbers a shower: the energies of layers, and images of a few pixels in depth and radius."""

from __future__ import annotations

import numpy as np

from qinn_bench.calorimeter import Calorimeter, CalorimeterLayer
from qinn_bench.values import Array, Refused

PIXELS = {8: (4, 2), 12: (4, 3), 25: (5, 5)}
"""How many steps in depth and in radius an image of so many pixels has."""


def layers_only(calorimeter: Calorimeter) -> Calorimeter:
    """The same layers of one voxel each.

    Example:
        >>> from qinn_bench.calorimeter import PHOTON
        >>> layers_only(PHOTON).voxels
        5
    """
    whole = (CalorimeterLayer(layer.number, (0.0, layer.edges[-1])) for layer in calorimeter.layers)
    return Calorimeter(calorimeter.particle, tuple(whole))


def pooled(calorimeter: Calorimeter, pixels: int) -> tuple[Calorimeter, Array]:
    """An image in depth and radius: its geometry, and which voxel goes to which pixel ``(voxels, pixels)``, 0 or 1.

    Neighbouring layers are put together until there are as many groups as the image has steps in depth, and the rings
    of each layer likewise, so that every voxel is in one pixel; the first groups are the larger ones. Sectors are
    added up. The edges of a group are those of its last layer.

    Raises:
        Refused: no image has so many pixels, or the calorimeter has too few layers or rings.

    Example:
        >>> from qinn_bench.calorimeter import PHOTON
        >>> small, sums = pooled(PHOTON, 8)
        >>> small.numbers, sums.shape, bool((sums.sum(axis=1) == 1).all())
        ((0, 2, 3, 12), (368, 8), True)
    """
    if pixels not in PIXELS:
        raise Refused(f"pixels is {pixels}; there are images of {', '.join(map(str, PIXELS))}")
    depth, rings = PIXELS[pixels]
    if len(calorimeter.layers) < depth or any(layer.radii < rings for layer in calorimeter.layers):
        raise Refused(
            f"pixels is {pixels}, {depth} in depth and {rings} in radius; the calorimeter has fewer layers or rings"
        )
    sums = np.zeros((calorimeter.voxels, pixels))
    layers = []
    for step, group in enumerate(np.array_split(np.arange(len(calorimeter.layers)), depth)):
        for i in group:
            layer = calorimeter.layers[i]
            parts = np.array_split(np.arange(layer.radii), rings)
            of_ring = np.concatenate([np.full(len(part), at) for at, part in enumerate(parts)])
            places = np.arange(calorimeter.parts[i].start, calorimeter.parts[i].stop)
            sums[places, rings * step + np.tile(of_ring, layer.angles)] = 1.0
        edges = (0.0, *(layer.edges[part[-1] + 1] for part in parts))
        layers.append(CalorimeterLayer(calorimeter.layers[group[0]].number, edges))
    return Calorimeter(calorimeter.particle, tuple(layers)), sums
