"""Images of one spot on a dim ground; signal has a second spot."""

from __future__ import annotations

import numpy as np

from qinn_bench.data.assemble import Shares, fingerprint
from qinn_bench.data.transforms import AsTheyAre
from qinn_bench.dataset import Dataset, Parts
from qinn_bench.seeds import numpy_rng

SIDE = 5


def load(*, events: int = 400, mixed: bool = False) -> Dataset:
    """Half of the test rows are signal, and if `mixed` half of the others; else these are background."""
    rng = numpy_rng("spots", events)
    images = 0.1 * rng.random((events, 1, SIDE, SIDE))
    images[:, 0, SIDE // 2, SIDE // 2] += 1 + 0.2 * rng.random(events)
    train, valid, test = Shares().split(images)
    labels = Parts(*(np.arange(len(rows)) % 2.0 * (mixed or rows is test) for rows in (train, valid, test)))
    for rows, signal in zip((train, valid, test), labels, strict=True):
        rows[signal == 1, 0, 0, 0] += 0.6
    return Dataset(
        name="spots",
        columns=(),
        train=train,
        valid=valid,
        test=test,
        transform=AsTheyAre(),
        observables=lambda rows: {},
        plots=(),
        support=lambda rows: np.isfinite(rows).all(axis=(1, 2, 3)),
        fingerprint=fingerprint("spots", {"events": events, "mixed": mixed}, train, valid, test),
        labels=labels,
    )
