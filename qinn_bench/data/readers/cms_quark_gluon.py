"""Quark and gluon jets of the CMS open data as images of 125 x 125 crystals (arXiv:1902.08276), HDF5 or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers import hdf5
from qinn_bench.data.readers.checks import check_file, library
from qinn_bench.data.readers.published import (
    Published,
    check_equal,
    check_lengths,
    check_rows,
    check_shape,
    labels_of,
    more_of,
    permuted,
)
from qinn_bench.files import short
from qinn_bench.values import Array, Refused

CHANNELS, CLASSES = ("tracks", "ecal", "hcal"), ("quark", "gluon")
SIDE, TOWER = 125, 5
BATCH = 256
"""Rows that are unpacked at a time: as nested lists they need four times their memory."""
LOOKED_AT = 500
"""Rows that the self-check looks at."""


def read(
    path: Path,
    *,
    channels: str = "tracks;ecal;hcal",
    ones: str = "quark",
    max_rows: int = 0,
    checksum: str = "",
    shrink: Callable[[Array], Array] | None = None,
) -> Published:
    """Images ``(n, 3, 125, 125)`` of tracks, ecal and hcal, whatever their order in the file; labels 0 quark, 1 gluon.

    Sources disagree on the order of the channels and on what label 1 is, so that both can be said: `channels` is
    the order in the file, `ones` is what label 1 stands for. The self-check looks for the channel that is constant in
    5 x 5 towers (hcal), the one with fewest pixels (tracks), and whether gluons light more pixels than quarks.
    With `shrink`, which takes images and gives smaller ones, no more than a few hundred whole ones are held at a time.

    Raises:
        Refused: no such file, another checksum, a damaged file or one of another format, shape or labels.
    """
    stop, order = check_rows(path, max_rows), permuted(path, channels, CHANNELS)
    parts: dict[str, list[NDArray[Any]]] = {}
    looked_at: list[NDArray[Any]] = []
    for block in (_of_parquet if path.suffix == ".parquet" else _of_hdf5)(path, stop, checksum):
        check_lengths(path, block)
        whole = block.pop("X_jets")[:, order]
        if len(looked_at) * BATCH < LOOKED_AT:
            looked_at.append(whole)
        for name, values in {"images": shrink(whole) if shrink else whole, **block}.items():
            parts.setdefault(name, []).append(values)
    if not parts:
        raise Refused(f"{path.name} has no rows; at least one was expected")
    joined = {name: np.concatenate(several) for name, several in parts.items()}
    labels = labels_of(path, joined.pop("y"), ones, CLASSES)
    remarks = _remarks(path, np.concatenate(looked_at), labels)
    return Published(joined.pop("images"), labels, CLASSES, joined, tuple(remarks))


def _of_hdf5(path: Path, stop: int | None, checksum: str) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of a file, some at a time."""
    with hdf5.opened(path, checksum) as file:
        stored = {"X_jets": hdf5.dataset(path, file, "X_jets", "X"), "y": hdf5.dataset(path, file, "y")}
        stored |= {name: hdf5.dataset(path, file, name) for name in ("pt", "m0") if name in file}
        check_shape(path, "X_jets", stored["X_jets"], (None, SIDE, SIDE, len(CHANNELS)))
        check_equal(path, {name: len(one) for name, one in stored.items()})
        rows = len(stored["y"]) if stop is None else min(stop, len(stored["y"]))
        for start in range(0, rows, BATCH):
            block = {name: hdf5.some_rows(path, one, start, min(start + BATCH, rows)) for name, one in stored.items()}
            yield block | {"X_jets": np.moveaxis(block["X_jets"], 3, 1)}


def _of_parquet(path: Path, stop: int | None, checksum: str) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of a table, some at a time."""
    parquet = library("pyarrow.parquet", f"'{path.name}'")
    check_file(path, checksum)
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if lacking := [name for name in ("X_jets", "y") if name not in names]:
            raise Refused(f"{path.name} has no column '{lacking[0]}'; there are: {', '.join(names)[:200]}")
        columns = ["X_jets", "y", *(name for name in ("pt", "m0") if name in names)]
        left = file.metadata.num_rows if stop is None else min(stop, file.metadata.num_rows)
        for batch in file.iter_batches(batch_size=BATCH, columns=columns):
            if left <= 0:
                break
            yield {name: _array(path, batch.column(name)[:left], name == "X_jets") for name in columns}
            left -= len(batch)
    except Refused:
        raise
    except Exception as error:  # Damaged bytes make pyarrow raise errors of several kinds.
        raise Refused(f"{path.name} is no whole table in Parquet ({short(error)})") from None


def _array(path: Path, column: Any, nested: bool) -> NDArray[Any]:
    """A column, or the images of one, which are lists of three lists of lists."""
    if not nested:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat, rows = column, len(column)
    while hasattr(flat, "flatten") and hasattr(flat.type, "value_type"):
        flat = flat.flatten()
    if len(flat) != rows * len(CHANNELS) * SIDE * SIDE:
        raise Refused(f"{path.name}: 'X_jets' has not 3 x 125 x 125 numbers in each row")
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float32).reshape(rows, len(CHANNELS), SIDE, SIDE)


def _remarks(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> list[str]:
    """What does not look as it was said to be."""
    some = images[:LOOKED_AT]
    towers = some.reshape(*some.shape[:2], SIDE // TOWER, TOWER, SIDE // TOWER, TOWER)
    spread = np.abs(towers - towers[:, :, :, :1, :, :1]).max(axis=(0, 2, 3, 4, 5))
    lit = (some > 0).mean(axis=(0, 2, 3))
    said = []
    if (coarse := CHANNELS[int(np.argmin(spread))]) != "hcal":
        said.append(f"{path.name}: the channel said to be {coarse} is the one in towers of 5 x 5, which hcal should be")
    fine = [0, 1] if coarse == "hcal" else [c for c in range(3) if CHANNELS[c] != coarse]
    if coarse == "hcal" and lit[fine[0]] > lit[fine[1]]:
        said.append(f"{path.name}: the channel said to be tracks lights more pixels than that said to be ecal")
    return said + more_of(
        path, "number of lit pixels", "gluons", (some[:, :2] > 0).sum((1, 2, 3)), labels[:LOOKED_AT], 1
    )
