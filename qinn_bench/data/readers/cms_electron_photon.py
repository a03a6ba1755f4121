"""Electrons and photons in the crystals of CMS as images of 32 x 32 of energy and time (arXiv:1807.11916), in HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, check_shape, labels_of, permuted

CHANNELS, CLASSES = ("energy", "time"), ("photon", "electron")
SIDE = 32


def read(
    path: Path, *, channels: str = "energy;time", ones: str = "electron", max_rows: int = 0, checksum: str = ""
) -> Published:
    """Images ``(n, 2, 32, 32)`` of energy and time; labels 0 photon, 1 electron.

    `channels` is the order in the file, `ones` what label 1 stands for: neither is stated in the file. The self-check
    looks whether the energy is nowhere negative and largest in the middle.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format, shape or labels.
    """
    stop, order = check_rows(path, max_rows), permuted(path, channels, CHANNELS)
    with hdf5.opened(path, checksum) as file:
        stored = hdf5.dataset(path, file, "X")
        check_shape(path, "X", stored, (None, SIDE, SIDE, len(CHANNELS)))
        images = np.moveaxis(hdf5.first_rows(path, stored, stop), 3, 1)[:, order]
        values = hdf5.first_rows(path, hdf5.dataset(path, file, "y"), stop)
    check_lengths(path, {"X": images, "y": values})
    return Published(images, labels_of(path, values, ones, CLASSES), CLASSES, {}, tuple(_remarks(path, images)))


def _remarks(path: Path, images: NDArray[Any]) -> list[str]:
    energy = images[:, 0]
    middle = np.abs(energy[:, 12:20, 12:20]).sum() > 0.5 * np.abs(energy).sum()
    if (energy >= 0).all() and middle:
        return []
    return [f"{path.name}: the channel said to be energy is negative in places, or not mostly in the middle"]
