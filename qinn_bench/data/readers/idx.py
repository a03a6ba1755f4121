"""Files in IDX, as MNIST is published in: a big-endian header and bytes, packed with gzip or not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers.checks import checked_bytes
from qinn_bench.files import FILE_BYTES, at_most, short
from qinn_bench.values import Refused

MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""The files of MNIST, whose sums were published with them."""
GZIP = b"\x1f\x8b"
IMAGES, LABELS = 0x803, 0x801
"""The numbers that files of images and of labels begin with."""
AXES = {IMAGES: 3, LABELS: 1}


def read(path: Path, magic: int, checksum: str = "") -> NDArray[Any]:
    """The bytes of images ``(n, rows, columns)`` or of labels ``(n,)``.

    Raises:
        Refused: no such file, another checksum than was expected, a file of another kind, or one that is cut off.
    """
    content = checked_bytes(path, checksum)
    if content.startswith(GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = at_most(packed, FILE_BYTES)  # type: ignore[arg-type]
        except (OSError, EOFError) as error:
            raise Refused(f"{path.name} is no whole gzip file ({short(error)})") from None
    axes = AXES[magic]
    start = 4 * (1 + axes)
    header = np.frombuffer(content[:start], ">u4") if len(content) >= start else np.zeros(1, ">u4")
    if header[0] != magic:
        raise Refused(
            f"{path.name} begins with {content[:4].hex() or 'nothing'}; {magic:08x} was expected, which a file of "
            f"{'images' if magic == IMAGES else 'labels'} in IDX begins with"
        )
    shape = tuple(int(length) for length in header[1:])
    if len(content) - start != (size := int(np.prod(shape, dtype=object))):
        raise Refused(f"{path.name} holds {len(content) - start} bytes after its header; it says {size}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def pair(folder: Path, part: str, check: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images ``(n, rows, columns)`` and labels ``(n,)`` of the part ``train`` or ``t10k`` in a folder.

    With `check` packed files have to be those of MNIST.

    Raises:
        Refused: a file is missing, damaged or another one; or there are not as many labels as images.
    """
    read_in = []
    for kind, magic in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
        name = f"{part}-{kind}-ubyte"
        path = next((folder / one for one in (f"{name}.gz", name) if (folder / one).exists()), folder / f"{name}.gz")
        read_in.append(read(path, magic, MD5.get(path.name, "") if check else ""))
    images, labels = read_in
    if len(images) != len(labels):
        raise Refused(f"the folder '{folder.name}' has {len(images)} images and {len(labels)} labels of {part}")
    return images, labels
