"""Images of jets in the tracker, the crystals and the hadron calorimeter, rasterised from constituents on demand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.jets.arrays import Jets
from qinn_bench.values import Array, Refused

PITCH = 0.01745
"""The side of a crystal in eta and in phi."""
WINDOW, CROP, TOWER = 125, 100, 5
"""Crystals along a side of the window about the axis, of its middle 80 %, and of a tower of the hadron calorimeter."""
PIXELS = (12, 20, 40, WINDOW)
"""The sides of images; all but the last are averages over the middle 80 %."""
CHANNELS = ("tracks", "ecal", "hcal")
THRESHOLD = 0.05
"""A crystal with less than so many GeV reads nothing."""
SHARING = {(0, 0): 208, (0, 1): 10, (1, 1): 2}
"""Of 256 parts a crystal keeps 208 (81 %), each of its four neighbours gets 10 (3.9 %), and each at a corner 2."""
WHOLE = 256
DIGITS = 9
"""To which images of others are rounded."""
CHUNK = 16
"""Jets that are rasterised at a time, so that their crystals stay in the cache of a processor."""

CrystalPlaces = NDArray[np.int64]


def crystals_of(pixels: int) -> int:
    """How many crystals an image of so many pixels is over, along a side.

    Example:
        >>> crystals_of(12), crystals_of(125)
        (100, 125)
    """
    return WINDOW if pixels == WINDOW else CROP


def images(jets: Jets, pixels: int, channels: tuple[str, ...]) -> Array:
    """Images ``(n, channels, pixels, pixels)`` of jets, eta along the rows and phi along the columns.

    `tracks` hold the pT of charged constituents at their directions, `ecal` and `hcal` transverse energies where
    constituents meet the calorimeter; crystals share with their eight neighbours and read nothing below a threshold.
    Each channel of an image is divided by its maximum. All sums are of multiples of small fractions of a GeV and
    exact, so that every processor gives the same numbers.

    Example:
        >>> from qinn_bench.data.jets.arrays import bundled
        >>> drawn = images(bundled("qg_jets").first(4), 12, ("ecal",))
        >>> drawn.shape, float(drawn.max())
        ((4, 1, 12, 12), 1.0)
    """
    side = crystals_of(pixels)
    origin = (WINDOW - side) // 2
    weights = area_weights(side, pixels)
    drawn = np.empty((len(jets.counts), len(channels), pixels, pixels))
    for start, part in _parts(jets):
        for c, channel in enumerate(channels):
            full = _crystals(part, channel, side, origin)
            rows = slice(start, start + len(full))
            drawn[rows, c] = full if pixels == side else weights @ full @ weights.T
    highest = drawn.max(axis=(2, 3), keepdims=True)
    return np.asarray(drawn / np.where(highest > 0, highest, 1.0))


def of_window(images: Array, *, pixels: int, crop: bool) -> Array:
    """Images ``(n, channels, side, side)`` made smaller by area averages, and each channel divided by its maximum.

    With `crop` the middle 80 % are taken, but for an image of all its pixels. Where several processors sum in
    several ways, results are rounded to what they share.

    Raises:
        Refused: more pixels than there are, or fewer than 2.

    Example:
        >>> of_window(np.ones((1, 2, 32, 32)), pixels=12, crop=False).shape
        (1, 2, 12, 12)
    """
    side = images.shape[2]
    if not 2 <= pixels <= side:
        raise Refused(f"images of {side} x {side} were asked for in {pixels} pixels; 2 to {side} were expected")
    full = images.astype(np.float64)
    if pixels < side:
        inner = int(0.8 * side) if crop else side
        start = (side - inner) // 2
        weights = area_weights(inner, pixels) / inner
        full = weights @ full[:, :, start : start + inner, start : start + inner] @ weights.T
    highest = np.abs(full).max(axis=(2, 3), keepdims=True)
    return np.asarray(np.round(full / np.where(highest > 0, highest, 1.0), DIGITS))


def area_weights(side: int, pixels: int) -> Array:
    """Overlaps ``(pixels, side)`` of equal parts of a side with its crystals, in 1 / `pixels` of a crystal.

    Example:
        >>> area_weights(5, 2).tolist()
        [[2.0, 2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0, 2.0]]
    """
    bins, crystals = side * np.arange(pixels)[:, None], pixels * np.arange(side)
    overlap = np.minimum(bins + side, crystals + pixels) - np.maximum(bins, crystals)
    return np.asarray(np.maximum(overlap, 0), dtype=np.float64)


def _parts(jets: Jets) -> Iterator[tuple[int, Jets]]:
    for start in range(0, len(jets.counts), CHUNK):
        yield start, jets.slice(start, start + CHUNK)


def _crystals(jets: Jets, channel: str, side: int, origin: int) -> Array:
    """The channel in crystals ``(n, side, side)`` of the window from `origin` on."""
    n, owner = len(jets.counts), jets.owner
    eta, phi = jets.constituents[:, 1].astype(np.float64), jets.constituents[:, 2].astype(np.float64)
    if channel == "tracks":
        charged = jets.charged
        energy = jets.constituents[charged, 0].astype(np.float64)
        return _summed(
            n, owner[charged], _crystal(eta[charged]) - origin, _crystal(phi[charged]) - origin, energy, side
        )
    turn, ecal, hcal = jets.hits.astype(np.float64).T
    energy = ecal if channel == "ecal" else hcal
    left = energy > 0
    place = owner[left], _crystal(eta[left]), _crystal((phi + turn)[left]), energy[left]
    if channel == "hcal":
        towers = _summed(n, place[0], place[1] // TOWER, place[2] // TOWER, place[3], WINDOW // TOWER)
        full = towers.repeat(TOWER, axis=1).repeat(TOWER, axis=2)
        return full[:, origin : origin + side, origin : origin + side]
    full = _summed(n, *_shared(place[0], place[1] - origin, place[2] - origin, place[3]), side)
    return np.multiply(full, full >= THRESHOLD, out=full)


def _crystal(angle: Array) -> CrystalPlaces:
    """Which crystal of the window an angle from the axis lies in; the axis is in the middle of the middle one."""
    return np.floor(angle / PITCH + WINDOW / 2).astype(np.int64)


def _shared(
    owner: CrystalPlaces, i: CrystalPlaces, j: CrystalPlaces, energy: Array
) -> tuple[CrystalPlaces, CrystalPlaces, CrystalPlaces, Array]:
    """Deposits ``(9 n,)`` of which each is shared by a crystal with the eight about it (Moliere)."""
    steps = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
    parts = [SHARING[min(abs(di), abs(dj)), max(abs(di), abs(dj))] / WHOLE for di, dj in steps]
    away = np.array(steps)[:, :, None]
    return (
        np.tile(owner, len(steps)),
        (i + away[:, 0]).ravel(),
        (j + away[:, 1]).ravel(),
        np.outer(parts, energy).ravel(),
    )


def _summed(n: int, owner: CrystalPlaces, i: CrystalPlaces, j: CrystalPlaces, energy: Array, side: int) -> Array:
    """Energies summed in the cells ``(n, side, side)``; what lies outside is left out."""
    inside = (i >= 0) & (i < side) & (j >= 0) & (j < side)
    cell = (owner[inside] * side + i[inside]) * side + j[inside]
    total = np.bincount(cell, energy[inside], minlength=n * side * side)
    return np.asarray(total, dtype=np.float64).reshape(n, side, side)
