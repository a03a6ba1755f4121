"""Layer energies of photon showers as a few bits each: levels between quantiles of training rows, in a Gray code."""

from __future__ import annotations

from functools import partial

import numpy as np

from qinn_bench.about import About
from qinn_bench.bit_rows import bits_in, state_numbers, states_of
from qinn_bench.data.bits import bit_rows_of, bit_set
from qinn_bench.data.sets.showers import photon_showers
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.values import Array, Refused

ABOUT = About(
    citation="arXiv:hep-ex/0001020 (GFlash) for the showers; bits of features as in arXiv:2205.07674",
    deviations=("energies between quantiles, so that all levels of a layer are equally frequent in training rows",),
)
MOST = 8


def load(*, events: int = 20_000, energy: float = 65536.0, bits: int = 3) -> Dataset:
    """The shares that five layers take of photons of one energy in MeV, `bits` for each layer.

    Raises:
        Refused: fewer than 1 or more than 8 bits, or what `photon_showers` refuses.
    """
    if not 1 <= bits <= MOST:
        raise Refused(f"data 'layer_bits': bits is {bits}, but 1 to {MOST} a layer were expected")
    showers = photon_showers.load(events=events, energy=energy)
    rows = np.concatenate([showers.train, showers.valid, showers.test])
    steps = np.arange(1, 2**bits) / 2**bits
    parts = [_coded(column, np.quantile(column[: len(showers.train)], steps), bits) for column in rows.T]
    columns = [f"b_{{{layer},{k}}}" for layer in range(len(parts)) for k in range(bits)]
    top = 2**bits
    plots = tuple(Observable(f"level_{i}", f"level {i}", -0.5, top - 0.5, bins=top) for i in range(len(parts)))
    about = {"description": f"layer energies of photon showers in {bits} bits", "events": events, "energy": energy}
    return bit_set(
        "layer_bits",
        {"bits": bits, "energy": energy},
        bit_rows_of("layer_bits", np.concatenate(parts, axis=1)),
        columns,
        partial(_observables, bits),
        plots,
        about,
    )


def _coded(values: Array, edges: Array, bits: int) -> np.ndarray:
    """The Gray code of the level of each value, ``(n,) -> (n, bits)``."""
    level = np.searchsorted(edges, values, side="right")
    return states_of(level ^ (level >> 1), bits)


def _observables(bits: int, rows: Array) -> dict[str, Array]:
    coded = bits_in(rows).reshape(len(rows), -1, bits)
    numbers = np.stack([state_numbers(coded[:, i]) for i in range(coded.shape[1])], axis=1)
    for shift in (1, 2, 4):
        numbers = numbers ^ (numbers >> shift)
    return {f"level_{i}": numbers[:, i].astype(np.float64) for i in range(numbers.shape[1])}
