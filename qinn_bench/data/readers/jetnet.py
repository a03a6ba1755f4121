"""Jets of JetNet (arXiv:2106.11535, Zenodo 6975118 and 6975117): one class a file, in HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, check_shape, hardest_first
from qinn_bench.values import Refused

NAMES = {"g": "gluon", "q": "quark", "t": "top", "w": "W", "z": "Z"}
"""What the first letter of a file's name says of its jets."""
FEATURES = ("pt", "eta", "mass", "num_particles")
LIGHT_MASS = {"t": (140, 200), "w": (60, 100), "z": (70, 110)}
"""Between which the median of the jet mass in GeV lies, of resonances."""


def read(path: Path, *, kind: str = "", max_rows: int = 0, checksum: str = "") -> Published:
    """Constituents ``(n, 30 or 150, 3)`` of the jets in a file, pT in GeV; the features of the jets beside.

    The file does not say which jets it has; its name does, or `kind` (g, q, t, w, z). The self-check looks whether
    a top, a W or a Z has the mass of one.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format or shape, or no such kind.
    """
    stop, kind = check_rows(path, max_rows), kind or path.name[:1].lower()
    if kind not in NAMES:
        raise Refused(f"{path.name}: its jets were said to be '{kind}'; there are: {', '.join(NAMES)}")
    with hdf5.opened(path, checksum) as file:
        particles = hdf5.dataset(path, file, "particle_features")
        jets = hdf5.dataset(path, file, "jet_features")
        check_shape(path, "particle_features", particles, (None, None, 4))
        check_shape(path, "jet_features", jets, (None, len(FEATURES)))
        inside, features = (hdf5.first_rows(path, one, stop) for one in (particles, jets))
    check_lengths(path, {"particle_features": inside, "jet_features": features})
    eta, phi, share, mask = np.moveaxis(inside.astype(np.float64), 2, 0)
    rows = hardest_first(share * features[:, :1] * (mask > 0), eta, phi)
    median, remarks = float(np.median(features[:, 2])), []
    if kind in LIGHT_MASS and not LIGHT_MASS[kind][0] < median < LIGHT_MASS[kind][1]:
        remarks.append(f"{path.name}: jets said to be of a {NAMES[kind]} have a median mass of {median:.3g} GeV")
    if not (mask > 0).sum(1).max() <= features[:, 3].max():
        remarks.append(f"{path.name}: some jets have more particles than their features say")
    beside = dict(zip(FEATURES, features.T, strict=True))
    return Published(rows, np.zeros(len(rows), np.int64), (NAMES[kind],), beside, tuple(remarks))
