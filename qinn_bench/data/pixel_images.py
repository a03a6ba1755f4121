"""Images of one channel as background and signal, by the class that each is of: digits and the like."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.jets.images import area_weights
from qinn_bench.data.two_classes import Split, assemble_classes, within
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Knobs, Refused

OTHERS = -1
LABELS = {"lit": "pixels above 10 %", "sum": "sum of pixels"}
LIT = 0.1


def chosen_digits(name: str, background: int, signal: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The digits of background and signal, each written as a number: 3 is one digit, 38 two; -1 are all others.

    Raises:
        Refused: a digit that is asked for twice, or none for one of the two.

    Example:
        >>> chosen_digits("digits", 38, -1)
        ((3, 8), (0, 1, 2, 4, 5, 6, 7, 9))
    """
    own = _digits(name, "background", background)
    other = tuple(d for d in range(10) if d not in own) if signal == OTHERS else _digits(name, "signal", signal)
    if not other or set(own) & set(other):
        raise Refused(
            f"data '{name}': background is {background} and signal {signal}; digits that differ were expected, such as "
            "3 and 8, or 38 and -1 (all others)"
        )
    return own, other


def _digits(name: str, knob: str, number: int) -> tuple[int, ...]:
    digits = tuple(int(one) for one in str(number)) if number >= 0 else ()
    if not digits or len(set(digits)) < len(digits):
        raise Refused(f"data '{name}': {knob} is {number}; digits that differ were expected, such as 3 or 38")
    return digits


def of_digits(images: Array, digits: NDArray[Any], wanted: tuple[int, ...]) -> Array:
    """The images of the digits that are wanted, in their order."""
    return np.asarray(images[np.isin(digits, wanted)])


def shrunk(images: Array, pixels: int) -> Array:
    """Images ``(n, side, side)`` as ``(n, 1, pixels, pixels)``, each pixel the mean of the area that it covers.

    Example:
        >>> shrunk(np.ones((2, 28, 28)), 12).shape
        (2, 1, 12, 12)
    """
    side = images.shape[1]
    weights = area_weights(side, pixels) / side
    return np.asarray(np.clip(weights @ images @ weights.T, 0.0, 1.0)[:, None])


def digit_set(name: str, knobs: Knobs, background: Split, signal: Split, mixed: bool, provenance: Any) -> Dataset:
    """A data set of images between 0 and 1, which models see as they are."""
    return assemble_classes(
        name,
        knobs,
        background,
        signal,
        mixed=mixed,
        observables=_observables,
        labels=LABELS,
        support=partial(within, 0.0),
        provenance=provenance,
    )


def _observables(rows: Array) -> dict[str, Array]:
    """How many pixels are lit, and the sum of all."""
    return {"lit": (rows > LIT).sum(axis=(1, 2, 3)).astype(np.float64), "sum": rows.sum(axis=(1, 2, 3))}
