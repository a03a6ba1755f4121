"""Files in HDF5: datasets by name, read in part, with what is damaged or foreign said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers.checks import check_file, library
from qinn_bench.files import GIB, short, size
from qinn_bench.values import Refused

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST = 8 * GIB
"""What is read of one file may unpack to so much."""


@contextmanager
def opened(path: Path, checksum: str = "") -> Iterator[Any]:
    """An HDF5 file whose datasets can be read.

    Raises:
        Refused: no such file, another checksum, no HDF5, or a damaged one; h5py is not installed.
    """
    h5py = library("h5py", f"'{path.name}'")
    with check_file(path, checksum).open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Refused(f"{path.name} is no file in HDF5")
    try:
        with h5py.File(path, "r") as opened_file:
            yield opened_file
    except Refused:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # Damaged bytes make h5py raise all of them.
        raise Refused(f"{path.name} is damaged, no whole file in HDF5 ({short(error)})") from None


def dataset(path: Path, file: Any, *names: str) -> Any:
    """The first dataset of these names that there is.

    Raises:
        Refused: there is none; the message says which there are.
    """
    h5py = library("h5py", f"'{path.name}'")
    for name in names:
        if not isinstance(file.get(name), h5py.Dataset):
            continue
        if file[name].is_virtual or file[name].external or file[name].file.filename != file.file.filename:
            raise Refused(f"{path.name}: '{name}' lies in another file, which is not read")
        return file[name]
    known = sorted(str(name) for name in file)
    raise Refused(f"{path.name} has no dataset '{names[0]}'; there are: {', '.join(known)[:200] or 'none'}")


def first_rows(path: Path, stored: Any, stop: int | None) -> NDArray[Any]:
    """The first rows of a dataset of numbers, or all.

    Raises:
        Refused: it holds no numbers, or more than may be read at once.
    """
    return some_rows(path, stored, 0, len(stored) if stop is None else min(stop, len(stored)))


def some_rows(path: Path, stored: Any, start: int, stop: int) -> NDArray[Any]:
    """The rows of a dataset of numbers from one place to another.

    Raises:
        Refused: it holds no numbers, or more than may be read at once.
    """
    if stored.dtype.kind not in "fiub":
        raise Refused(f"{path.name}: '{stored.name}' holds {stored.dtype}; numbers were expected")
    if (stop - start) * int(np.prod(stored.shape[1:], dtype=object)) * stored.dtype.itemsize > MOST:
        raise Refused(f"{path.name}: '{stored.name}' unpacks to more than {size(MOST)}; max_rows was expected")
    return np.asarray(stored[start:stop])
