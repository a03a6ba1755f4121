"""Latents of dijets as arXiv:2301.10780 published them (Zenodo 7673769): two jets an event, in HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, check_shape
from qinn_bench.values import Refused

KEY = "latent_space"
SIZES = (4, 6, 8, 16)
"""Latents of a jet that were studied."""
SIGNALS = ("RSGraviton", "AtoHZ", "grav")
"""What the name of a file of signal has."""


def read(path: Path, *, kind: str = "", max_rows: int = 0, checksum: str = "") -> Published:
    """Latents ``(n, 2 l)`` of both jets of each event, as they are in the file: between -1 and 1, not normalised.

    The file does not say what it has; its name does, or `kind` (``background`` or ``signal``). Labels are 0 background,
    1 signal. The self-check looks whether the latents lie between -1 and 1.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format or shape, or no such kind.
    """
    stop = check_rows(path, max_rows)
    if not kind and "QCD" not in path.name and not any(name in path.name for name in SIGNALS):
        raise Refused(f"{path.name} does not say what it has; kind=background or kind=signal was expected")
    kind = kind or ("background" if "QCD" in path.name else "signal")
    if kind not in ("background", "signal"):
        raise Refused(f"{path.name}: kind is '{kind}'; there are: background, signal")
    with hdf5.opened(path, checksum) as file:
        stored = hdf5.dataset(path, file, KEY)
        check_shape(path, KEY, stored, (None, 2, None))
        values = hdf5.first_rows(path, stored, stop).astype(np.float64)
    check_lengths(path, {KEY: values})
    remarks = []
    if np.abs(values).max() > 1:
        remarks.append(f"{path.name}: latents reach {np.abs(values).max():.3g}; -1 to 1 was expected of a tanh")
    if values.shape[2] not in SIZES:
        remarks.append(
            f"{path.name} has {values.shape[2]} latents of a jet; published are {', '.join(map(str, SIZES))}"
        )
    label = int(kind == "signal")
    rows = values.reshape(len(values), -1)
    return Published(rows, np.full(len(rows), label), ("background", "signal"), {}, tuple(remarks))
