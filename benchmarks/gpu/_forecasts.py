"""What a step will take on the device or beside it, told from the points that are measured already."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from _places import Place, Rival

from qinn_bench.performance import engine
from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.quantum.simulators.forecast import RATES, forecast

SATURATED = 0.02
"""Seconds of a step on a GPU from which on more work is taken to need as much more time."""
SHARE, JAX_SHARE = 0.88, 0.4
"""Of the card's memory that a step of torch may take, and all of JAX, which keeps what it once had."""
JAX_COPIES = 30
"""Copies of all states in a step of JAX: XLA plans 20 to 29 of 8 to 16 qubits, for a gradient as for a likelihood."""
NOTICED = 2**28
"""Bytes from which on the measured memory of a step is that of its states, not of libraries."""


def seconds_of_step(known: Sequence[ScanRow], rival: Rival, place: Place) -> float:
    """Seconds of a step, from the point nearest in work; of a GPU that is not yet busy nothing is predicted."""
    near = _nearest(known, place)
    if near is None or (rival.gpu and (near.seconds or 0) < SATURATED):
        return 0.0
    return (near.seconds or 0) * max(place.work / _place(near).work, 1e-3)


def bytes_of_step(known: Sequence[ScanRow], rival: Rival, place: Place) -> float:
    """The bytes of a step: what is forecast, in the ratio of what was measured nearest by to the forecast of that."""
    expected = _expected(rival, place)
    near = _nearest([row for row in known if (row.peak_bytes or 0) > NOTICED], place)
    if near is None or rival.on_jax:
        return expected
    return expected * (near.peak_bytes or 0) / _expected(rival, _place(near))


def room(rival: Rival, card: int) -> float:
    """The bytes of the card that a step may take."""
    return (JAX_SHARE if rival.on_jax else SHARE) * card


def _expected(rival: Rival, place: Place) -> float:
    chosen = engine.candidate(rival.simulator)
    real = torch.float32 if rival.precision == "complex64" else torch.float64
    if chosen.simulator in RATES:
        return float(forecast(chosen.simulator, engine.circuit(place.n_qubits), place.batch, real, place.mode).bytes)
    return JAX_COPIES * place.amplitudes * real.to_complex().itemsize if rival.on_jax else 0.0


def _nearest(known: Sequence[ScanRow], place: Place) -> ScanRow | None:
    return min(known, key=lambda row: abs(log(_place(row).work / place.work)), default=None)


def _place(row: ScanRow) -> Place:
    return Place(row.mode, row.n_qubits, row.batch)
