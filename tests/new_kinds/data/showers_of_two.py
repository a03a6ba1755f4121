"""Two numbers whose means and widths grow with an energy, which is the condition."""

from __future__ import annotations

import numpy as np

from qinn_bench.data.assemble import Shares, fingerprint
from qinn_bench.data.transforms import fitted
from qinn_bench.dataset import Column, Dataset, Observable, Parts
from qinn_bench.seeds import numpy_rng


def mean(energy):
    """The centre of the rows of an energy ``(n, 1)``."""
    return np.column_stack([2 * energy[:, 0] - 1, 1 - energy[:, 0]])


def load(*, events: int = 2000) -> Dataset:
    """Rows are normal of width 1/2 about their means; energies are uniform in (0, 1)."""
    rng = numpy_rng("showers_of_two", events)
    energy = rng.random((events, 1))
    rows = mean(energy) + 0.5 * rng.normal(size=(events, 2))
    train, valid, test = Shares().split(rows)
    return Dataset(
        name="showers_of_two",
        columns=(Column("a", "a"), Column("b", "b")),
        train=train,
        valid=valid,
        test=test,
        transform=fitted((), train),
        observables=lambda rows: {"sum": rows.sum(1)},
        plots=(Observable("sum", "sum", -3, 3),),
        support=lambda rows: np.isfinite(rows).all(axis=1),
        fingerprint=fingerprint("showers_of_two", {"events": events}, train, valid, test),
        conditions=Parts(*Shares().split(energy)),
    )
