"""Handwritten digits of 8 x 8 pixels that come with scikit-learn: some are background, others signal."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from qinn_bench.about import About
from qinn_bench.data.assemble import Shares
from qinn_bench.data.pixel_images import chosen_digits, digit_set, of_digits
from qinn_bench.data.two_classes import split
from qinn_bench.dataset import Dataset
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array

ABOUT = About(citation="Alpaydin and Kaynak 1998, doi:10.24432/C50P49, as scikit-learn has it")
SHARES = Shares(train=0.5, valid=0.125)
BRIGHTEST = 16.0


def load(*, background: int = 8, signal: int = -1, mixed: bool = False) -> Dataset:
    """Rows are images ``(1, 8, 8)`` between 0 and 1; there are about 180 of each digit, half of them to train.

    Args:
        background: the digits that are normal: 8, or 38 for 3 and 8.
        signal: the digits that are not; -1 stands for all others.
        mixed: training and validation rows hold both, with their labels, for models that may see them.

    Raises:
        Refused: a digit that is asked for twice, or none.
    """
    own, other = chosen_digits("digits", background, signal)
    stored = load_digits()
    order = numpy_rng("data", "digits").permutation(len(stored.target))
    images: Array = np.asarray(stored.images, dtype=np.float64)[order, None] / BRIGHTEST
    classes = stored.target[order]
    return digit_set(
        "digits",
        {"background": background, "signal": signal},
        split("digits", "background", of_digits(images, classes, own), SHARES),
        split("digits", "signal", of_digits(images, classes, other), SHARES),
        mixed,
        {"description": "digits of scikit-learn", "background": list(own), "signal": list(other)},
    )
