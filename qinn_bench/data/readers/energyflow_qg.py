"""Quark and gluon jets of EnergyFlow (arXiv:1810.05165, Zenodo 3164691 and 3066475), arrays of NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.data.readers.checks import check_file
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, check_shape, labels_of, more_of
from qinn_bench.data.readers.published import hardest_first as ordered
from qinn_bench.files import read_arrays
from qinn_bench.values import Refused

CLASSES = ("quark", "gluon")
SHA256 = {"QG_jets.npz": "3f27a02eab06e8b83ccc9d25638021e6e24c9361341730961f9d560dee12c257"}
"""Of the files whose sums are known."""


def read(path: Path, *, ones: str = "quark", max_rows: int = 0, checksum: str = "") -> Published:
    """Constituents ``(n, particles, 3)`` about the pT-weighted axis, PDG codes beside; labels 0 quark, 1 gluon.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format, shape or labels.
    """
    stop = check_rows(path, max_rows)
    try:
        arrays = read_arrays(check_file(path, checksum))
    except Refused as refusal:
        raise Refused(str(refusal).replace(str(path), path.name)) from None
    if lacking := [name for name in ("X", "y") if name not in arrays]:
        raise Refused(f"{path.name} has no array '{lacking[0]}'; there are: {', '.join(arrays)[:200] or 'none'}")
    check_shape(path, "X", arrays["X"], (None, None, 4))
    check_lengths(path, {"X": arrays["X"], "y": arrays["y"]})
    pt, eta, phi, codes = np.moveaxis(arrays["X"][:stop].astype(np.float64), 2, 0)
    total = np.maximum(pt.sum(1, keepdims=True), 1e-12)
    # Directions are given in (0, 2 pi), so that the mean of angles would be off across the seam.
    turn = np.arctan2((pt * np.sin(phi)).sum(1, keepdims=True), (pt * np.cos(phi)).sum(1, keepdims=True))
    rows = ordered(pt, eta - (pt * eta).sum(1, keepdims=True) / total, phi - turn)
    labels = labels_of(path, arrays["y"][:stop], ones, CLASSES)
    order = np.argsort(-pt, axis=1, kind="stable")
    beside = {"codes": np.take_along_axis(codes, order, axis=1), "multiplicity": (pt > 0).sum(1)}
    remarks = more_of(path, "number of constituents", "gluons", beside["multiplicity"], labels, 1)
    return Published(rows, labels, CLASSES, beside, tuple(remarks))
