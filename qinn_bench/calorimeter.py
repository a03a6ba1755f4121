"""Calorimeters in layers, rings and sectors: their geometry, and what can be computed of the energies in their voxels.

The layouts are those of the CaloChallenge (arXiv:2410.21611): voxels are stored layer by layer, in a layer sector by
sector, in a sector from the innermost ring outwards. Energies are in MeV, lengths in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from qinn_bench.nouns.base import Array, Refused

EPSILON = 1e-16
"""What keeps denominators from being zero."""
FLOOR = 1e-8
"""What is added to an energy in MeV before its logarithm is taken."""
PER_UNIT = 100.0
"""Centres and widths in mm are divided by this where they are features of a vector."""
MIDDLE, HALF = 15.0, 7.0
"""The logarithm to base 2 of an incident energy in MeV at condition 0, and by how much it grows to condition 1."""


def condition_of(energies: Array) -> Array:
    """Incident energies in MeV as conditions of order one: -1 stands for 256 MeV, 1 for 4.194304 TeV.

    Example:
        >>> condition_of(np.array([256.0, 32768.0, 4194304.0])).tolist()
        [-1.0, 0.0, 1.0]
    """
    return np.asarray((np.log2(energies) - MIDDLE) / HALF)


def energy_of(conditions: Array) -> Array:
    """The incident energies in MeV of conditions.

    Example:
        >>> energy_of(np.array([-1.0, 0.0, 1.0])).tolist()
        [256.0, 32768.0, 4194304.0]
    """
    return np.asarray(np.exp2(MIDDLE + HALF * np.asarray(conditions)))


@dataclass(frozen=True)
class CalorimeterLayer:
    """A layer: its number in the detector, the edges of its rings in mm, and how many sectors a ring has.

    Sectors are equally wide, from -pi to pi.

    Example:
        >>> layer = CalorimeterLayer(1, (0.0, 2.0, 6.0), angles=4)
        >>> layer.radii, layer.voxels, layer.middles.tolist()
        (2, 8, [1.0, 4.0])
    """

    number: int
    edges: tuple[float, ...]
    angles: int = 1

    @property
    def radii(self) -> int:
        """Number of rings."""
        return len(self.edges) - 1

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.radii * self.angles

    @property
    def middles(self) -> Array:
        """The radii half way between the edges of each ring, in mm."""
        edges = np.array(self.edges)
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    @cached_property
    def places(self) -> tuple[Array, Array, Array]:
        """Radius, and the coordinates along eta and phi, of the middle of every voxel in mm, ``(voxels,)`` each."""
        edges = np.linspace(-np.pi, np.pi, self.angles + 1)
        radius = np.tile(self.middles, self.angles)
        angle = np.repeat((edges[:-1] + edges[1:]) / 2, self.radii)
        return radius, radius * np.cos(angle), radius * np.sin(angle)


@dataclass(frozen=True)
class Calorimeter:
    """The layers that a particle is seen in.

    Raises:
        Refused: no layer, two of one number, edges that do not increase from 0, or no sector.

    Example:
        >>> Calorimeter("photon", (CalorimeterLayer(0, (0.0, 5.0)), CalorimeterLayer(2, (0.0, 2.0, 4.0), 3))).voxels
        7
    """

    particle: str
    layers: tuple[CalorimeterLayer, ...]

    def __post_init__(self) -> None:
        numbers = [layer.number for layer in self.layers]
        if not numbers or len(set(numbers)) < len(numbers):
            raise Refused(
                f"a calorimeter with the layers {numbers} was given; layers of different numbers, one at least"
            )
        for layer in self.layers:
            if layer.edges[0] != 0 or layer.radii < 1 or not (np.diff(layer.edges) > 0).all() or layer.angles < 1:
                raise Refused(
                    f"layer {layer.number} has the edges {layer.edges} and {layer.angles} sectors; edges that increase "
                    "from 0 and at least one sector were expected"
                )

    @property
    def voxels(self) -> int:
        """Number of voxels of all layers."""
        return sum(layer.voxels for layer in self.layers)

    @cached_property
    def parts(self) -> tuple[slice, ...]:
        """Where the voxels of each layer lie in a row."""
        ends = np.cumsum([0, *(layer.voxels for layer in self.layers)]).tolist()
        return tuple(map(slice, ends[:-1], ends[1:]))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the layers."""
        return tuple(layer.number for layer in self.layers)

    @property
    def grid(self) -> tuple[int, int, int] | None:
        """Layers, sectors and rings where they are as many in every layer; None where they are not."""
        sizes = {(layer.angles, layer.radii) for layer in self.layers}
        return (len(self.layers), *sizes.pop()) if len(sizes) == 1 else None

    def layer_energies(self, voxels: Array) -> Array:
        """The sum over each layer, ``(n, voxels) -> (n, layers)``."""
        return np.stack([voxels[:, part].sum(1) for part in self.parts], axis=1)


@dataclass(frozen=True)
class ShowerRows:
    """How rows of a data set are showers: each number is the energy of a voxel over the incident energy.

    Voxels below `cut` MeV count as empty in all that is compared. `energy` is the incident energy in MeV of all rows;
    None where it is the first condition of a row (`energy_of`).

    Example:
        >>> shape = Calorimeter("photon", (CalorimeterLayer(0, (0.0, 5.0)), CalorimeterLayer(1, (0.0, 5.0))))
        >>> facts = ShowerRows(shape, cut=1.0, energy=1000.0)
        >>> facts.voxels(np.array([[0.5, 0.0001]]), facts.incident(1, None)).tolist()
        [[500.0, 0.0]]
    """

    calorimeter: Calorimeter
    cut: float
    energy: float | None

    def incident(self, n: int, conditions: Array | None) -> Array:
        """The incident energies of `n` rows in MeV, from their conditions ``(n, c)`` where these say it, ``(n,)``."""
        if self.energy is not None:
            return np.full(n, self.energy)
        assert conditions is not None
        return energy_of(conditions[:n, 0])

    def voxels(self, rows: Array, incident: Array) -> Array:
        """Energies of voxels in MeV, ``(n, ...) -> (n, voxels)``, zero below the cut; what is no number stays."""
        energies = rows.reshape(len(rows), self.calorimeter.voxels) * incident[:, None]
        with np.errstate(invalid="ignore"):
            return np.where(energies < self.cut, 0.0, energies)


class HighLevel(NamedTuple):
    """High-level features of showers as the CaloChallenge evaluates them: energies in MeV, lengths in mm.

    `layers`, `sparsity`, `centre_r` and `width_r` are ``(n, layers)``; the other centres and widths have a column for
    each layer with more than one sector. Empty layers have centres and widths of 0 and a sparsity of 1.

    Example:
        >>> layer = CalorimeterLayer(0, (0.0, 2.0, 4.0), angles=2)
        >>> found = high_level(Calorimeter("photon", (layer,)), np.array([[0.0, 0.0, 0.0, 8.0]]), np.array([10.0]))
        >>> found.total.tolist(), found.sparsity.tolist(), found.centre_r.tolist()
        ([8.0], [[0.75]], [[3.0]])
    """

    incident: Array
    total: Array
    layers: Array
    centre_eta: Array
    centre_phi: Array
    width_eta: Array
    width_phi: Array
    sparsity: Array
    centre_r: Array
    width_r: Array

    def vector(self) -> Array:
        """The features of the classifier and of FPD and KPD in their order, ``(n, 2 + 4 layers + 4 sectored)``.

        Logarithms of the incident energy and of the layers, centres and widths along eta and phi, the logarithm of the
        total, sparsities, and centres and widths of the radius.
        """
        lengths = (self.centre_eta, self.centre_phi, self.width_eta, self.width_phi)
        parts: Sequence[Array] = (
            np.log10(self.incident)[:, None],
            np.log10(self.layers + FLOOR),
            *(length / PER_UNIT for length in lengths),
            np.log10(self.total + FLOOR)[:, None],
            self.sparsity,
            self.centre_r / PER_UNIT,
            self.width_r / PER_UNIT,
        )
        return np.concatenate(parts, axis=1)


def sectored(calorimeter: Calorimeter) -> tuple[int, ...]:
    """The places of the layers with more than one sector, which have centres and widths along eta and phi."""
    return tuple(i for i, layer in enumerate(calorimeter.layers) if layer.angles > 1)


def high_level(calorimeter: Calorimeter, voxels: Array, incident: Array) -> HighLevel:
    """The high-level features of voxels ``(n, voxels)`` in MeV at incident energies ``(n,)`` in MeV.

    A centre is sum(x E) / sum E with x in the middle of a voxel, a width the root of sum(x^2 E) / sum E less its
    square, or 0 where rounding makes that negative.
    """
    by_layer = [voxels[:, part] for part in calorimeter.parts]
    moments = [[_moments(of, x) for x in layer.places] for layer, of in zip(calorimeter.layers, by_layer, strict=True)]
    around = [moments[i] for i in sectored(calorimeter)]

    def column(parts: Sequence[Array]) -> Array:
        return np.stack(parts, axis=1) if parts else np.zeros((len(voxels), 0))

    return HighLevel(
        incident=incident,
        total=voxels.sum(1),
        layers=column([of.sum(1) for of in by_layer]),
        centre_eta=column([of[1][0] for of in around]),
        centre_phi=column([of[2][0] for of in around]),
        width_eta=column([of[1][1] for of in around]),
        width_phi=column([of[2][1] for of in around]),
        sparsity=column([1 - (of > 0).mean(1) for of in by_layer]),
        centre_r=column([of[0][0] for of in moments]),
        width_r=column([of[0][1] for of in moments]),
    )


def _moments(energies: Array, x: Array) -> tuple[Array, Array]:
    """The centre and the width of energies ``(n, k)`` at places ``(k,)``, ``(n,)`` each."""
    total = energies.sum(1) + EPSILON
    centre = energies @ x / total
    return centre, np.sqrt(np.maximum(energies @ x**2 / total - centre**2, 0.0))


_FINE = (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200)
_WIDE = (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400)
_FRONT, _BACK = (0, 5, 10, 30, 50, 100, 200, 400, 600), (0, 50, 100, 200, 400, 600)
_TILE = (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 1000, 2000)


def _layers(*parts: tuple[int, Sequence[float], int]) -> tuple[CalorimeterLayer, ...]:
    return tuple(CalorimeterLayer(number, tuple(map(float, edges)), angles) for number, edges, angles in parts)


def _cylinder(ring: float, rings: int, angles: int) -> tuple[CalorimeterLayer, ...]:
    edges = tuple(round(ring * i, 6) for i in range(rings + 1))
    return tuple(CalorimeterLayer(i, edges, angles) for i in range(45))


PHOTON = Calorimeter(
    "photon",
    _layers((0, _FRONT, 1), (1, _FINE, 10), (2, _WIDE, 10), (3, _BACK, 1), (12, (0, 100, 200, 400, 1000, 2000), 1)),
)
PION = Calorimeter(
    "pion",
    _layers(
        (0, _FRONT, 1),
        (1, (0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200), 10),
        (2, (0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400), 10),
        (3, _BACK, 1),
        (12, _TILE, 10),
        (13, (*_TILE[:-2], 600, 1000, 2000), 10),
        (14, (0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000), 1),
    ),
)
LAYOUTS: dict[str, Calorimeter] = {
    "dataset_1_photons": PHOTON,
    "dataset_1_pions": PION,
    "dataset_2": Calorimeter("electron", _cylinder(4.65, 9, 16)),
    "dataset_3": Calorimeter("electron", _cylinder(2.325, 18, 50)),
}
"""The geometries of the CaloChallenge: dataset 1 for photons and for pions, dataset 2 and dataset 3."""
CUTS = {
    "dataset_1_photons": 1.0,
    "dataset_1_pions": 1.0,
    "dataset_2": 0.5e-3 / 0.033,
    "dataset_3": 0.5e-3 / 0.033,
}
"""Below so many MeV a voxel counts as empty there."""
