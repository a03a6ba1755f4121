"""The rows of a data set split anew, for those who ask how much of a number is the luck of the split."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from qinn_bench import registry, train_rows
from qinn_bench.dataset import Dataset, Parts
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Use


def split_of(use: Use, seed: int) -> Dataset:
    """A data set by name, split anew; where it is asked for with fewer training rows, these are cut after the split,
    so that validation and test rows are the same for every number of them."""
    if seed == 0:
        return cast(Dataset, registry.make("data", use))
    whole, events = train_rows.apart(use)
    return train_rows.with_first(resplit(registry.make("data", whole), seed), events)


def resplit(data: Dataset, seed: int) -> Dataset:
    """The same rows split anew into as many train, valid and test rows; at seed 0 the data set as it is.

    Every part keeps as many rows of each label as it had, so that a search for anomalies still trains on background.
    The map to features stays the one of the first split, so that models are asked the same question.
    """
    if seed == 0:
        return data
    sizes = np.cumsum([len(data.train), len(data.valid)])
    order = _order(data, numpy_rng("split", data.fingerprint, seed))

    def again(parts: tuple[Array, Array, Array]) -> Parts:
        return Parts(*np.split(np.concatenate(parts)[order], sizes))

    train, valid, test = again((data.train, data.valid, data.test))
    fingerprint = hashlib.sha256(f"{data.fingerprint} split {seed}".encode()).hexdigest()
    return replace(
        data,
        train=train,
        valid=valid,
        test=test,
        fingerprint=fingerprint,
        labels=data.labels and again(data.labels),
        conditions=data.conditions and again(data.conditions),
    )


def _order(data: Dataset, rng: np.random.Generator) -> NDArray[np.intp]:
    """The places from which rows come: shuffled, and with labels shuffled within each label."""
    n = len(data.train) + len(data.valid) + len(data.test)
    if data.labels is None:
        return rng.permutation(n)
    labels, order = np.concatenate(data.labels), np.arange(n)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        order[places] = rng.permutation(places)
    return order
