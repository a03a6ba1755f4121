"""The handwritten digits that come with scikit-learn as black and white pixels, in rows of 16 or 64 bits."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from qinn_bench.about import About
from qinn_bench.bit_rows import bits_in
from qinn_bench.data.bits import bit_rows_of, bit_set
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Refused

ABOUT = About(
    citation="Alpaydin and Kaynak 1998, doi:10.24432/C50P49, as scikit-learn has it; binarised as MNIST is in "
    "arXiv:2503.02934",
    deviations=("8 x 8 pixels of 17 shades, black from half of the darkest on, or 4 x 4 means of four pixels",),
)
SIDES = (4, 8)
DARKEST = 16.0
IMAGES = 1792


def load(*, pixels: int = 4) -> Dataset:
    """1792 of the 1797 images of all ten digits, `pixels` on a side.

    Raises:
        Refused: other than 4 or 8 pixels.
    """
    if pixels not in SIDES:
        raise Refused(f"data 'digit_bits': pixels is {pixels}, but 4 or 8 on a side were expected")
    stored: Array = np.asarray(load_digits().images, dtype=np.float64) / DARKEST
    each = 8 // pixels
    means = stored.reshape(-1, pixels, each, pixels, each).mean((2, 4)).reshape(len(stored), -1)
    bits = (means >= 0.5)[numpy_rng("data", "digit_bits").permutation(len(means))[:IMAGES]]
    side = pixels * pixels
    columns = [f"p_{{{row}{column}}}" for row in range(pixels) for column in range(pixels)]
    plots = (Observable("ones", "black pixels", -0.5, side + 0.5, bins=side + 1),)
    about = {"description": f"digits of scikit-learn in {pixels} x {pixels} black and white pixels"}
    rows = bit_rows_of("digit_bits", bits)
    return bit_set("digit_bits", {"pixels": pixels}, rows, columns, _observables, plots, about)


def _observables(rows: Array) -> dict[str, Array]:
    return {"ones": bits_in(rows).sum(1).astype(np.float64)}
