"""How much of the machine's arithmetic the kernel reaches: its counted operations over its own time and the peak."""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qinn_bench.performance import engine
from qinn_bench.performance.timing import interleaved
from qinn_bench.quantum.compiler.lowering import simulator_of
from qinn_bench.values import Array

PEAKS = 5
"""How often the peak is measured; the median is taken."""
DENSE = 28 + 88
"""Operations of a dense 2x2 matrix on a pair of amplitudes, forwards and backwards with its gradient."""


class Arithmetic(NamedTuple):
    """Values and gradients by the kernel alone: operations on floats, CPU seconds, and the peak operations a second."""

    n_qubits: int
    batch: int
    precision: str
    operations: float
    seconds: float
    peak: float

    @property
    def share(self) -> float:
        """The share of the peak that is reached."""
        return self.operations / self.seconds / self.peak

    @property
    def dense_share(self) -> float:
        """The share of a kernel that takes as long but multiplies dense matrices, one for each wire and layer."""
        pairs = self.batch * engine.LAYERS * self.n_qubits << (self.n_qubits - 1)
        return DENSE * pairs / self.seconds / self.peak


def arithmetic(n_qubits: int, batch: int, precision: str, budget: float) -> Arithmetic:
    """Time the kernel's forward and reverse sweep on one thread for `budget` seconds, without torch around it.

    The peak is that of the widest instruction set the kernel found, measured on one thread in the same process.
    """
    single = precision == "complex64"
    posed, simulator = engine.problem(n_qubits, batch), simulator_of(engine.circuit(n_qubits))
    size_of = simulator.saved_size_single if single else simulator.saved_size_double

    def floats(array: Array) -> NDArray[np.floating[Any]]:
        """In memory of torch, which is aligned as the kernel wants it."""
        made: NDArray[np.floating[Any]] = torch.tensor(array, dtype=torch.float32 if single else torch.float64).numpy()
        return made

    inputs, weights, cotangents = map(floats, (posed.inputs, posed.weights, posed.targets))
    saved, nothing = floats(np.zeros(size_of(batch, 1, False))), floats(np.zeros(0))
    values, by_inputs, by_weights = map(floats, (posed.inputs, posed.inputs, posed.weights))

    def sweeps() -> tuple[float, float]:
        forth = simulator.forward(inputs, weights, values, nothing, saved, False, False, 1)
        given = (inputs, weights, saved, cotangents, nothing)
        return forth, simulator.reverse(*given, by_inputs, by_weights, False, False, 1)

    seconds = interleaved({"kernel": sweeps}, budget)["kernel"].median
    operations = batch * sum(simulator.flops(reverse, False, False) for reverse in (False, True))
    peak = median(simulator.peak_flops(single) for _ in range(PEAKS))
    return Arithmetic(n_qubits, batch, precision, operations, seconds, peak)
