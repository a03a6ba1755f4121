"""Showers in the HDF5 layout of the CaloChallenge (arXiv:2410.21611): incident energies and voxels in MeV."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qinn_bench.calorimeter import LAYOUTS, Calorimeter
from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.checks import library
from qinn_bench.data.readers.published import check_equal, check_lengths, check_rows, check_shape
from qinn_bench.values import Array, Refused
from qinn_bench.writing import write_whole

INCIDENT, SHOWERS = "incident_energies", "showers"
SAME = 1.0
"""Incident energies within so many MeV are one."""
RESPONSE = (0.1, 2.0)
"""Between which the median of the energy in all voxels over the incident energy lies."""
CHECKSUMS = {
    "dataset_1_photons_1.hdf5": "005d2adeda7db034b388112661265656",
    "dataset_1_photons_2.hdf5": "4767715ed56e99565fd9c67340661e70",
    "dataset_1_pions_1.hdf5": "6a5f52722064a1bcd8a0bc002f16515d",
    "dataset_1_pions_2.hdf5": "fee7457b40127bc23c8ab909e2638ca0",
    "dataset_2_1.hdf5": "e590333e9a2da51b258288d74bd8357a",
    "dataset_2_2.hdf5": "7a56fd68aa53ded37c2ac445694d9736",
    "dataset_3_1.hdf5": "d33f03418aa311b0965452fcbef1ff87",
    "dataset_3_2.hdf5": "911dec2c40aafa64a07b7450b80881bf",
    "dataset_3_3.hdf5": "5ea62f6831a1821bb5035fafc9f030e8",
    "dataset_3_4.hdf5": "5e8d82e6a6c28c6914a3b602a1cfa299",
}
"""MD5 of the published files (Zenodo 8099322, 6366271 and 6366324), by name."""


class ShowerFile(NamedTuple):
    """The showers of a file: incident energies ``(n,)`` and voxels ``(n, k)`` in MeV, and remarks of the self-check.

    Example:
        >>> ShowerFile(np.array([1000.0]), np.array([[900.0, 0.0]]), ()).energies.shape
        (1, 2)
    """

    incident: Array
    energies: Array
    remarks: tuple[str, ...]


def read(
    path: Path,
    calorimeter: Calorimeter,
    *,
    energy: float = 0.0,
    max_rows: int = 0,
    checksum: str = "",
    check: bool = True,
) -> ShowerFile:
    """The first showers of a file, or those at one incident energy, in its order.

    A file with the name of a published one has to have its checksum, unless `check` is false. The self-check looks
    whether the showers hold about the incident energy, in which they do not if either is not in MeV.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format or geometry, values that are
            not finite, incident energies that are not positive, or no shower at the energy.
    """
    stop = check_rows(path, max_rows)
    expected = checksum or (CHECKSUMS.get(path.name, "") if check else "")
    with hdf5.opened(path, expected) as file:
        stored, known = hdf5.dataset(path, file, SHOWERS), hdf5.dataset(path, file, INCIDENT)
        _check_voxels(path, stored.shape, calorimeter)
        check_shape(path, INCIDENT, known, (None, 1))
        check_equal(path, {INCIDENT: len(known), SHOWERS: len(stored)})
        incident = hdf5.first_rows(path, known, None)[:, 0].astype(np.float64)
        picked = np.flatnonzero(np.abs(incident - energy) < SAME) if energy else np.arange(len(incident))
        picked = picked[:stop]
        if not len(picked):
            raise Refused(f"{path.name} has no shower at {energy:g} MeV; it has {_energies(incident)}")
        first, last = int(picked[0]), int(picked[-1]) + 1
        voxels = hdf5.some_rows(path, stored, first, last)[picked - first].astype(np.float64)
    incident = incident[picked]
    check_lengths(path, {INCIDENT: incident, SHOWERS: voxels})
    if not (incident > 0).all():
        raise Refused(f"{path.name} has an incident energy of {incident.min():g} MeV; positive ones were expected")
    return ShowerFile(incident, voxels, tuple(_remarks(path, incident, voxels)))


def _check_voxels(path: Path, shape: tuple[int, ...], calorimeter: Calorimeter) -> None:
    if len(shape) == 2 and shape[1] == calorimeter.voxels:
        return
    fits = [name for name, layout in LAYOUTS.items() if len(shape) == 2 and layout.voxels == shape[1]]
    hint = f"; it has the voxels of {fits[0]}" if fits else ""
    raise Refused(
        f"{path.name}: '{SHOWERS}' has the shape {shape}; (n, {calorimeter.voxels}) was expected of this geometry{hint}"
    )


def _energies(incident: Array) -> str:
    values = np.unique(incident.round(3))
    some = ", ".join(f"{value:g}" for value in values[:20])
    return f"{some} MeV" if len(values) <= 20 else f"{len(values)} energies from {values[0]:g} to {values[-1]:g} MeV"


def _remarks(path: Path, incident: Array, voxels: Array) -> list[str]:
    found = []
    response = float(np.median(voxels.sum(axis=1) / incident))
    if not RESPONSE[0] <= response <= RESPONSE[1]:
        found.append(
            f"{path.name}: half of the showers hold less than {response:.3g} of their incident energy; one of the two "
            "may not be in MeV"
        )
    if (voxels < 0).any():
        found.append(f"{path.name}: {int((voxels < 0).sum())} voxels are negative, the least {voxels.min():.3g} MeV")
    return found


def write(path: Path, incident: Array, energies: Array) -> None:
    """Write showers as the challenge's evaluation reads them, whole or not at all: gzip, in 32 bits.

    `incident` ``(n,)`` and `energies` ``(n, voxels)`` are in MeV. Equal showers are equal bytes.

    Raises:
        Refused: h5py is not installed, other shapes, or values that are not finite.
        OSError: the file cannot be written.
    """
    h5py = library("h5py", f"'{path.name}'")
    if incident.ndim != 1 or energies.ndim != 2:
        raise Refused(f"{path.name}: arrays of {incident.shape} and {energies.shape} were given; (n,) and (n, voxels)")
    check_lengths(path, {INCIDENT: incident, SHOWERS: energies})
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in ((INCIDENT, incident[:, None]), (SHOWERS, energies)):
            file.create_dataset(
                name, data=values.astype(np.float32), compression="gzip", compression_opts=4, shuffle=True
            )
    write_whole(path, lambda target: target.write(buffer.getbuffer()))
