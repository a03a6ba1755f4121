"""The rows of a data set split anew, for those who ask how much of a number is the luck of the split."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from qinn_bench.dataset import Dataset
from qinn_bench.seeds import numpy_rng


def resplit(data: Dataset, seed: int) -> Dataset:
    """The same rows split anew into as many train, valid and test rows; at seed 0 the data set as it is.

    The map to features stays the one of the first split, so that models are asked the same question.
    """
    if seed == 0:
        return data
    rows = np.concatenate([data.train, data.valid, data.test])
    rows = rows[numpy_rng("split", data.fingerprint, seed).permutation(len(rows))]
    train, valid, test = np.split(rows, np.cumsum([len(data.train), len(data.valid)]))
    fingerprint = hashlib.sha256(f"{data.fingerprint} split {seed}".encode()).hexdigest()
    return replace(data, train=train, valid=valid, test=test, fingerprint=fingerprint)
