"""Samples of jets in memory: what belongs to each jet, and rows of constituents or of features made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data import sample_files
from qinn_bench.data.sample_files import Arrays
from qinn_bench.data.sample_sources import JET_COLUMNS, SOURCES
from qinn_bench.values import Array, Refused

CHARGED_KINDS = (1, 2, 3)
"""Electrons, muons and charged hadrons."""


@dataclass(frozen=True)
class Jets:
    """Jets and the constituents of all of them one after the other, hardest first, of which each jet has `counts`.

    `features` ``(n, 12)`` are `JET_COLUMNS`, `constituents` ``(total, 3)`` pT in GeV and eta and phi from the axis in
    rad, `kinds` ``(total,)`` what they are, `hits` ``(total, 3)`` what they leave in a detector, where one is modelled.

    Example:
        >>> jets = bundled("qg_jets").first(5)
        >>> jets.features.shape, bool(len(jets.constituents) == jets.counts.sum())
        ((5, 12), True)
    """

    features: NDArray[Any]
    labels: NDArray[Any]
    counts: NDArray[np.int64]
    constituents: NDArray[Any]
    kinds: NDArray[Any]
    hits: NDArray[Any]

    @classmethod
    def of(cls, arrays: Arrays) -> Jets:
        """The jets of a sample.

        Raises:
            Refused: the counts are not those of the constituents.
        """
        counts = arrays["counts"].astype(np.int64)
        if counts.sum() != len(arrays["constituents"]):
            raise Refused("a sample of jets has other constituents than its counts say; make it again")
        none = np.zeros((len(arrays["constituents"]), 0), np.float16)
        named = {name: arrays[name] for name in ("features", "labels", "constituents", "kinds")}
        return cls(counts=counts, hits=arrays.get("hits", none), **named)

    def slice(self, start: int, stop: int) -> Jets:
        """The jets from one place to another."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        inside = slice(ends[start], ends[min(stop, len(self.counts))])
        jets = slice(start, stop)
        return Jets(
            self.features[jets],
            self.labels[jets],
            self.counts[jets],
            self.constituents[inside],
            self.kinds[inside],
            self.hits[inside],
        )

    def first(self, n: int) -> Jets:
        """The first so many."""
        return self.slice(0, n)

    def of_class(self, label: int, most: int = 0) -> Jets:
        """Those of a class, or the first so many of them."""
        chosen = np.flatnonzero(self.labels == label)[: most or None]
        if len(chosen) and np.array_equal(chosen, np.arange(chosen[0], chosen[-1] + 1)):
            return self.slice(int(chosen[0]), int(chosen[-1]) + 1)
        ends = np.cumsum(self.counts)
        inside = np.concatenate([np.arange(ends[i] - self.counts[i], ends[i]) for i in chosen] or [np.zeros(0, int)])
        of_jets = (self.features[chosen], self.labels[chosen], self.counts[chosen])
        return Jets(*of_jets, self.constituents[inside], self.kinds[inside], self.hits[inside])

    @property
    def owner(self) -> NDArray[np.int64]:
        """Which jet each constituent is of."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def charged(self) -> NDArray[np.bool_]:
        """Which constituents are charged."""
        return np.isin(self.kinds, CHARGED_KINDS)

    def column(self, name: str) -> Array:
        """A column of the features."""
        return np.asarray(self.features[:, JET_COLUMNS.index(name)], dtype=np.float64)


def read(source: str, sample: str) -> tuple[Jets, dict[str, Any]]:
    """The jets of a sample and its provenance.

    Raises:
        Refused: no such sample, one of something else, or a broken one.
    """
    arrays, provenance = sample_files.read(sample_files.sample_of(source, sample))
    return Jets.of(arrays), provenance


def bundled(source: str) -> Jets:
    """The jets of the sample that ships."""
    return Jets.of(sample_files.read(SOURCES[source].bundled)[0])


def hardest(jets: Jets, n: int) -> Array:
    """The `n` hardest constituents of each jet ``(jets, n, 3)``: pT over that of the jet, eta, phi; zeros beyond.

    Example:
        >>> rows = hardest(bundled("qg_jets").first(5), 3)
        >>> rows.shape, bool((rows[:, 0, 0] >= rows[:, 1, 0]).all())
        ((5, 3, 3), True)
    """
    place = np.arange(len(jets.constituents)) - np.repeat(np.cumsum(jets.counts) - jets.counts, jets.counts)
    kept, owner = place < n, jets.owner
    rows = np.zeros((len(jets.counts), n, 3))
    rows[owner[kept], place[kept]] = jets.constituents[kept]
    rows[:, :, 0] /= jets.column("jet_pt")[:, None]
    return rows
