"""Draw showers at any incident energies, in blocks whose seeds are names, so that fewer showers are the first ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qinn_bench.bounds import EVENTS
from qinn_bench.calorimeter import PHOTON, PION, Calorimeter
from qinn_bench.data.showers import gflash, hadrons
from qinn_bench.data.showers.rows import DrawnShowers, RowForm, shower_set
from qinn_bench.data.showers.spots import voxels_of
from qinn_bench.dataset import Dataset
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Knobs, Refused

BLOCK = 2000
MEV = 1000.0
SPANS = {"photon": (200.0, 1e7), "pion": (1000.0, 1e7)}
"""Incident energies in MeV that a particle can have: the surrogate of pions is of no use below 1 GeV."""
RANGE = ".."
FEWEST = 40


class Incident(NamedTuple):
    """Incident energies in MeV: values that rows take in turn, or a range in which their logarithm is uniform.

    Example:
        >>> incident("photon", "1024;65536"), incident("photon", "1000..1000000").values
        (Incident(values=(1024.0, 65536.0), uniform=False), (1000.0, 1000000.0))
    """

    values: tuple[float, ...]
    uniform: bool

    @property
    def single(self) -> float | None:
        """The only energy; None where there are several."""
        return self.values[0] if len(self.values) == 1 else None


def incident(particle: str, asked: str | float) -> Incident:
    """The energies that a number or a text states: ``65536.0``, ``256;1024`` or ``1000..1000000``, in MeV.

    Raises:
        Refused: no such text, energies that a particle cannot have, or one that is there twice.
    """
    text = asked if isinstance(asked, str) else repr(float(asked))
    uniform = RANGE in text
    try:
        values = tuple(float(one) for one in (text.split(RANGE) if uniform else text.split(";")))
    except ValueError:
        values = ()
    low, high = SPANS[particle]
    bad = not values or not all(low <= one <= high for one in values) or len(set(values)) < len(values)
    if bad or (uniform and (len(values) != 2 or values[0] >= values[1])):
        raise Refused(
            f"the incident energy is '{text}'; one energy in MeV, several that differ, separated by ';', or a range "
            f"such as 1000..1000000 was expected, from {low:g} to {high:g} for a {particle}"
        )
    return Incident(values, uniform)


def photons(energies: Array, rng: np.random.Generator, *, whole: bool) -> Array:
    """Photons of these energies in MeV: their layers ``(n, 5)`` in MeV, or, if `whole`, their voxels ``(n, 368)``."""
    layers, profiles = gflash.photon_layers(energies / MEV, rng)
    if not whole:
        return layers * MEV
    shapes = gflash.photon_shapes(energies / MEV, layers, profiles)
    return voxels_of(PHOTON, layers * MEV, shapes, rng)


def pions(energies: Array, rng: np.random.Generator, *, whole: bool) -> Array:
    """Pions of these energies in MeV by the surrogate: layers ``(n, 7)`` in MeV, or voxels ``(n, 533)``."""
    layers, start = hadrons.pion_layers(energies / MEV, rng)
    if not whole:
        return layers * MEV
    shapes = hadrons.pion_shapes(layers, start, tuple(layer.angles for layer in PION.layers), rng)
    return voxels_of(PION, layers * MEV, shapes, rng)


MAKERS: dict[str, tuple[Callable[..., Array], Calorimeter]] = {"photon": (photons, PHOTON), "pion": (pions, PION)}


def draw(particle: str, energies: Incident, events: int, *, whole: bool) -> tuple[Array, Array]:
    """So many showers of a photon or a pion: incident energies in MeV ``(n,)``, and layers or voxels in MeV ``(n, k)``.

    Blocks of 2000 are drawn each from a stream of its own, the layers before the voxels, so that the first showers are
    the same whatever their number, and layers are those of the voxels but for what falls below 0.01 MeV there.

    Raises:
        Refused: too few or too many events.
    """
    if not FEWEST <= events <= EVENTS:
        raise Refused(f"events is {events}; from {FEWEST} to {EVENTS} were expected")
    make, _ = MAKERS[particle]
    known, parts = [], []
    for block in range(-(-events // BLOCK)):
        rng = numpy_rng("data", particle, "showers", block)
        if energies.uniform:
            low, high = np.log(energies.values)
            of_block = np.exp(rng.uniform(low, high, BLOCK))
        else:
            places = (np.arange(BLOCK) + block * BLOCK) % len(energies.values)
            of_block = np.array(energies.values)[places]
        known.append(of_block)
        parts.append(make(of_block, rng, whole=whole))
    return np.concatenate(known)[:events], np.concatenate(parts)[:events]


def drawn_set(
    name: str,
    particle: str,
    calorimeter: Calorimeter,
    cut: float,
    description: str,
    *,
    events: int,
    energies: str | float,
    wanted: RowForm,
) -> Dataset:
    """The data set of that `name`: showers of a particle in the calorimeter that it is drawn for, as wanted rows.

    Raises:
        Refused: impossible energies.
    """
    asked = incident(particle, energies)
    drawn = DrawnShowers(*draw(particle, asked, events, whole=wanted.whole), calorimeter)
    about = {"description": description, "energies_mev": energies, "events": events}
    knobs: Knobs = {"energies": energies}
    return shower_set(name, knobs, drawn, wanted, cut=cut, energy=asked.single, provenance=about)
