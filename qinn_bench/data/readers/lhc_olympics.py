"""The R&D events of the LHC Olympics (arXiv:2101.08320, Zenodo 4536377): pandas tables in HDF5, read without pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, labels_of
from qinn_bench.values import Refused

CLASSES = ("background", "signal")
PER_PARTICLE = 3
"""pT in GeV, eta and phi."""
FEATURES = tuple(f"{name}j{jet}" for jet in (1, 2) for name in ("px", "py", "pz", "m", "tau1", "tau2", "tau3"))
"""The columns of a file of features, before the label; momenta and masses in GeV."""


def read(path: Path, *, ones: str = "signal", max_rows: int = 0, checksum: str = "") -> Published:
    """Particles ``(n, 700, 3)`` of events, pT in GeV, eta and phi, or of a file of features its 14 numbers ``(n, 14)``.

    Labels are 0 background, 1 signal. Angles are those of the event, not relative to a jet.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format, shape or labels.
    """
    stop = check_rows(path, max_rows)
    with hdf5.opened(path, checksum) as file:
        names, values = _frame(path, file, stop)
    check_lengths(path, {"df": values})
    numbers, label = values[:, :-1], values[:, -1]
    if values.shape[1] == len(FEATURES) + 1:
        if names and names[:-1] != list(FEATURES):
            raise Refused(f"{path.name} has the columns {', '.join(names)[:200]}; {', '.join(FEATURES)} were expected")
        beside = dict(zip(FEATURES, numbers.T, strict=True))
        return Published(numbers, labels_of(path, label, ones, CLASSES), CLASSES, beside)
    if numbers.shape[1] % PER_PARTICLE or numbers.shape[1] < PER_PARTICLE:
        raise Refused(
            f"{path.name} has {values.shape[1]} columns; {len(FEATURES)} features and a label, or pT, eta and phi of "
            "each particle and a label were expected"
        )
    rows = numbers.reshape(len(numbers), -1, PER_PARTICLE)
    labels = labels_of(path, label, ones, CLASSES)
    remarks = () if (rows[:, :, 0] >= 0).all() else (f"{path.name}: some pT are negative",)
    return Published(rows, labels, CLASSES, {"multiplicity": (rows[:, :, 0] > 0).sum(1)}, remarks)


def _frame(path: Path, file: Any, stop: int | None) -> tuple[list[str], NDArray[Any]]:
    """The columns of a frame in pandas' fixed format, whose blocks of one type are put together again."""
    group = next((file[name] for name in ("df", *file) if name in file and "block0_values" in file[name]), None)
    if group is None:
        raise Refused(f"{path.name} has no table of pandas in the fixed format ('df/block0_values')")
    blocks = sorted(name.removesuffix("_values") for name in group if name.startswith("block") and "_values" in name)
    parts = [hdf5.first_rows(path, hdf5.dataset(path, group, f"{block}_values"), stop) for block in blocks]
    if len({len(part) for part in parts}) != 1 or any(part.ndim != 2 for part in parts):
        raise Refused(f"{path.name}: the blocks of its table have the shapes {[part.shape for part in parts]}")
    values = np.concatenate(parts, axis=1)
    known = [name for block in blocks for name in _texts(group, f"{block}_items")]
    order = [known.index(name) for name in _texts(group, "axis0")] if len(known) == values.shape[1] else []
    if not order or len(order) != len(known):
        return [], values
    return [known[i] for i in order], values[:, order]


def _texts(group: Any, name: str) -> list[str]:
    """Names of columns, which are bytes or numbers; none where they are stored in another way."""
    stored = np.asarray(group[name][()]) if name in group else np.zeros(0)
    if stored.ndim != 1 or stored.dtype.kind not in "SOUiu":
        return []
    return [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in stored.tolist()]
