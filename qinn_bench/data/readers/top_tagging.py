"""The reference data of top tagging (arXiv:1902.09914, Zenodo 2603256): a table of pandas in HDF5, without pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.published import (
    Published,
    check_lengths,
    check_rows,
    labels_of,
    more_of,
    relative,
)
from qinn_bench.values import Refused

CLASSES = ("qcd", "top")
PARTICLES = 200
FLOATS = 4 * PARTICLES + 4
"""E, px, py, pz of each constituent, and of the true top."""


def read(path: Path, *, ones: str = "top", max_rows: int = 0, checksum: str = "") -> Published:
    """Constituents ``(n, 200, 3)`` about the axes of jets, pT in GeV; labels 0 QCD, 1 top.

    The names of the columns are stored as pickles, which are not read: what a column is follows from the numbers of
    columns of each type. The self-check looks whether tops are heavier.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format, shape or labels.
    """
    stop = check_rows(path, max_rows)
    with hdf5.opened(path, checksum) as file:
        stored = hdf5.dataset(path, file, "table/table")
        fields = stored.dtype.fields or {}
        shapes = {name: kind[0].shape for name, kind in fields.items()}
        if shapes.get("values_block_0") != (FLOATS,) or len(shapes.get("values_block_1", ())) != 1:
            raise Refused(
                f"{path.name}: 'table' has the columns {shapes or stored.dtype}; {FLOATS} numbers of momenta and whole "
                "numbers with the label last were expected"
            )
        floats, wholes = (stored.fields(f"values_block_{i}")[:stop] for i in (0, 1))
    check_lengths(path, {"values_block_0": floats, "values_block_1": wholes})
    momenta = np.asarray(floats[:, : 4 * PARTICLES], dtype=np.float64).reshape(-1, PARTICLES, 4)
    labels = labels_of(path, wholes[:, -1], ones, CLASSES)
    total = momenta.sum(1)
    mass = np.sqrt(np.maximum(total[:, 0] ** 2 - np.square(total[:, 1:]).sum(1), 0.0))
    remarks = more_of(path, "mass", "tops", mass, labels, 1)
    return Published(relative(momenta[:, :, 1:]), labels, CLASSES, {"mass": mass}, tuple(remarks))
