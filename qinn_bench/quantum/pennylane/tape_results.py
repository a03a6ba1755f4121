"""What a PennyLane tape measures: Pauli sums by the kernel's readout, the rest by PennyLane from the final state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pennylane as qml
import torch
from pennylane.devices.qubit import measure, measure_final_state
from pennylane.measurements import ExpectationMP
from torch import Tensor

from qinn_bench.quantum.circuit import Pauli
from qinn_bench.quantum.pennylane.tape_states import final_state, steps_of
from qinn_bench.quantum.pennylane.tapes import Precision, compiled, places_of, stacked
from qinn_bench.quantum.simulators import native


@dataclass(frozen=True)
class PauliSum:
    """``constant + sum_k coefficients[k] <words[places[k]]>``, with the words of a whole tape."""

    places: tuple[int, ...]
    coefficients: tuple[Any, ...]
    constant: Any

    def of(self, values: Tensor) -> Tensor:
        """The sum from the words' values ``(..., n_words)``: ``(...)``."""
        if self.coefficients == (1.0,) and self.constant == 0.0:
            return values[..., self.places[0]]
        constant = stacked([self.constant], values.dtype)[0].expand(values.shape[:-1])
        if not self.places:
            return constant
        return constant + values[..., list(self.places)] @ stacked(self.coefficients, values.dtype)


def evaluate(tape: Any, data: Sequence[Any], precision: Precision) -> tuple[Any, ...]:
    """The exact results of a tape's measurements, differentiable, with a leading batch axis if the tape has one.

    `data` are the parameters of the tape's operations in order, in place of those that they hold.
    """
    places = places_of(tape)
    steps = steps_of(tape.operations, data, precision)
    expectations = pauli_sums(tape.measurements, places) if all(step.native for step in steps) else None
    if expectations is None:
        script, state, batched = final_state(tape, steps, precision)
        return tuple(_measured(measurement, state, batched) for measurement in script.measurements)
    words, sums = expectations
    circuit, inputs, weights = compiled(steps, places, words, precision)
    values = native.run(circuit, inputs, weights, threads=precision.threads)
    rows = values if circuit.n_inputs else values[0]
    return tuple(item.of(rows) for item in sums)


def sample(tape: Any, data: Sequence[Any], precision: Precision, **options: Any) -> Any:
    """The results of a tape with finite shots; `options` are PennyLane's: rng and postselect_mode."""
    with torch.no_grad():
        script, state, batched = final_state(tape, steps_of(tape.operations, data, precision), precision, **options)
    amplitudes = state.numpy()
    axes = tuple(range(int(batched), amplitudes.ndim))
    norms = np.sqrt((np.abs(amplitudes.astype(np.complex128)) ** 2).sum(axes, keepdims=True))
    return measure_final_state(script, amplitudes / np.where(norms > 0, norms, 1), batched, **options)


def pauli_sums(measurements: Sequence[Any], places: dict[Any, int]) -> tuple[tuple[Pauli, ...], list[PauliSum]] | None:
    """The different Pauli words of the measurements, and each measurement as their sum; None if some are none."""
    words: dict[Pauli, int] = {}
    sums = []
    for measurement in measurements:
        sentence = measurement.obs.pauli_rep if _is_expectation(measurement) else None
        if sentence is None or any(_is_complex(coefficient) for coefficient in sentence.values()):
            return None
        listed = [(_pauli(word, places), _real(factor)) for word, factor in sentence.items() if word]
        taken = tuple(words.setdefault(pauli, len(words)) for pauli, _ in listed)
        constant = sum(_real(factor) for word, factor in sentence.items() if not word)
        sums.append(PauliSum(taken, tuple(factor for _, factor in listed), constant))
    return tuple(words), sums


def _is_expectation(measurement: Any) -> bool:
    return type(measurement) is ExpectationMP and measurement.mv is None and measurement.obs is not None


def _is_complex(number: Any) -> bool:
    return bool(qml.math.any(qml.math.imag(number) != 0)) if not isinstance(number, float | int) else False


def _real(number: Any) -> Any:
    return number if isinstance(number, float | int) else qml.math.real(number)


def _pauli(word: Any, places: dict[Any, int]) -> Pauli:
    return Pauli("".join(word.values()), tuple([places[wire] for wire in word]))


def _measured(measurement: Any, state: Tensor, batched: bool) -> Any:
    """A measurement of a state; PennyLane's own is not differentiable for sparse observables."""
    if getattr(measurement.obs, "name", "") != "SparseHamiltonian":
        return measure(measurement, state, is_state_batched=batched)
    n = state.ndim - batched
    rows = state.reshape(-1, 2**n)
    moved = measurement.obs.sparse_matrix(wire_order=range(n)) @ rows.detach().numpy().T
    products = 2 * (torch.from_numpy(moved.T).conj() * rows).real.sum(-1)
    values = products - products.detach() / 2
    return values if batched else values[0]
