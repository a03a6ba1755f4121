"""MNIST from the files in IDX that it is published in: some digits are background, others signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.about import About
from qinn_bench.data.assemble import FEWEST, Shares
from qinn_bench.data.pixel_images import chosen_digits, digit_set, of_digits, shrunk
from qinn_bench.data.readers import idx
from qinn_bench.data.two_classes import Split
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Knobs, Refused

ABOUT = About(citation="LeCun, Bottou, Bengio and Haffner 1998, doi:10.1109/5.726791", needs_path=True)
SHARES = Shares(train=0.875, valid=0.125)
"""Of the training images; the test images are those that were published as such."""
BRIGHTEST = 255.0


def load(
    *, path: str = "", background: int = 3, signal: int = -1, pixels: int = 28, mixed: bool = False, check: bool = True
) -> Dataset:
    """Rows are images ``(1, pixels, pixels)`` between 0 and 1.

    Args:
        path: the folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, each with or without .gz.
        background: the digits that are normal: 3, or 38 for 3 and 8.
        signal: the digits that are not; -1 stands for all others.
        pixels: along a side, 2 to 28, each the mean of the area that it covers.
        mixed: training and validation rows hold both, with their labels, for models that may see them.
        check: packed files have to be those that were published, by their MD5.

    Raises:
        Refused: no folder is named, a file is missing or another one, or a knob has an impossible value.
    """
    own, other = chosen_digits("mnist", background, signal)
    if not path:
        raise Refused("data 'mnist' needs the folder of its files in IDX: mnist[path=FOLDER]")
    train, test = (idx.pair(Path(path), part, check) for part in ("train", "t10k"))
    side = train[0].shape[1]
    if len({train[0].shape[1:], test[0].shape[1:], (side, side)}) > 1 or not 2 <= pixels <= side:
        raise Refused(f"data 'mnist': pixels is {pixels}, of images {train[0].shape[1:]}; 2 to their side was expected")
    parts = []
    for label, digits in (("background", own), ("signal", other)):
        first, valid, _ = SHARES.split(_images(train, digits, pixels))
        parts.append(Split(first, valid, _images(test, digits, pixels)))
        if len(first) + len(valid) < FEWEST or not len(parts[-1].test):
            raise Refused(f"data 'mnist' has {len(first)} training images of {label}; at least {FEWEST} were expected")
    about = {"description": "MNIST", "background": list(own), "signal": list(other)}
    knobs: Knobs = {"background": background, "signal": signal}
    return digit_set("mnist", knobs, parts[0], parts[1], mixed, about)


def _images(pair: tuple[Array, Array], digits: tuple[int, ...], pixels: int) -> Array:
    return shrunk(of_digits(pair[0], pair[1], digits).astype(np.float64) / BRIGHTEST, pixels)
