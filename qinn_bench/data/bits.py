"""Data sets of bits: what they share, and the map of their rows to features, which are half normals about zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.bit_rows import BIT, BitLaw, spread_bits
from qinn_bench.data.assemble import FEWEST, PUBLISHED, fingerprint
from qinn_bench.data.transforms import Probit
from qinn_bench.dataset import Column, Dataset, KnownDensity, Observable
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Knobs, Refused

HALVES = Probit(0.0, 2.0)


@dataclass(frozen=True)
class SpreadBits:
    """Each value in (0, 2) to a feature that is below zero for the bit 0 and above it for the bit 1.

    Nothing is fitted: a fair bit is a standard normal, and cells of one bit after a normal distribution function, as
    models of cells have them, are the bits.

    Example:
        >>> SpreadBits().forward(np.array([[0.5, 1.5]]))[0].round(3).tolist()
        [[-0.674, 0.674]]
    """

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, k) -> (n, k), (n,)``: features and the sum of the logarithms of the slopes."""
        features, slopes = HALVES.forward(rows)
        return features, slopes.sum(1)

    def inverse(self, features: Array) -> Array:
        """``(n, k) -> (n, k)``: the rows."""
        return HALVES.inverse(features)


def bit_set(
    name: str,
    knobs: Knobs,
    rows: Array,
    columns: Sequence[str],
    observables: Callable[[Array], dict[str, Array]],
    plots: tuple[Observable, ...],
    provenance: Mapping[str, Any],
    density: KnownDensity | None = None,
) -> Dataset:
    """A data set of spread bits ``(n, k)``, split in their order; `observables` are of rows.

    Raises:
        Refused: fewer rows than a split needs.
    """
    if len(rows) < FEWEST:
        raise Refused(f"data '{name}' was asked for {len(rows)} events, but at least {FEWEST} are needed to split them")
    train, valid, test = PUBLISHED.split(rows)
    return Dataset(
        name=name,
        columns=tuple(Column(column, f"${column}$", BIT) for column in columns),
        train=train,
        valid=valid,
        test=test,
        transform=SpreadBits(),
        observables=observables,
        plots=plots,
        support=_inside,
        fingerprint=fingerprint(name, knobs, train, valid, test),
        density=density,
        provenance=provenance,
    )


def bit_toy(
    name: str,
    law: BitLaw,
    events: int,
    observables: Callable[[Array], dict[str, Array]],
    plots: tuple[Observable, ...],
    about: str,
) -> Dataset:
    """A data set of `events` rows that are drawn from a known law of bits.

    Raises:
        Refused: fewer rows than a split needs.
    """
    rows = law.sample(max(events, 0), numpy_rng("data", name))
    columns = [f"b_{{{i}}}" for i in range(law.bits)]
    provenance = {"description": about, "events": events, "entropy_nats": law.entropy}
    return bit_set(name, {}, rows, columns, observables, plots, provenance, law)


def bit_rows_of(name: str, bits: NDArray[Any]) -> Array:
    """Bits ``(n, k)`` spread by the stream of a data set."""
    return spread_bits(bits, numpy_rng("data", name, "spread"))


def _inside(rows: Array) -> NDArray[np.bool_]:
    return np.asarray(((rows >= 0) & (rows <= 2)).all(axis=1))
