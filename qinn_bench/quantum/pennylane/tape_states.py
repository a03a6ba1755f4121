"""The final state of a PennyLane tape: gates by the kernel, given matrices and all that follows them in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pennylane as qml
import torch
from pennylane.devices.qubit import get_final_state
from pennylane.operation import StatePrepBase
from pennylane.tape import QuantumScript
from torch import Tensor

from qinn_bench.quantum.pennylane.tape_binding import as_tensor, bound
from qinn_bench.quantum.pennylane.tape_gates import is_applied_exactly
from qinn_bench.quantum.pennylane.tapes import Precision, TapeStep, compiled, places_of
from qinn_bench.quantum.simulators import native, statevector

State = tuple[Tensor, bool]
"""Amplitudes ``(B, 2^n_wires)``, and whether their first axis is a batch."""


def steps_of(operations: Sequence[Any], data: Sequence[Any], precision: Precision) -> list[TapeStep]:
    """The operations with their parameters from `data`, which has those of all operations in order."""
    left, steps = iter(data), []
    for operation in operations:
        values = tuple([next(left) for _ in operation.data])
        if isinstance(operation, qml.BasisState):
            steps += [TapeStep(flip, (), True) for flip in _flips(operation, *values)]
        else:
            steps.append(TapeStep(operation, values, is_applied_exactly(operation, values, precision.real)))
    return steps


def final_state(
    tape: Any, steps: Sequence[TapeStep], precision: Precision, **options: Any
) -> tuple[QuantumScript, Tensor, bool]:
    """A script with the tape's measurements on wires 0, 1, ..., the final state and whether that has a batch axis.

    The state is ``(2, ..., 2)`` or ``(B, 2, ..., 2)``. The kernel applies gates up to the first operation for which it
    has none; PennyLane applies such operations, torch the gates after them, in double precision. `options` are
    PennyLane's for finite shots: rng and postselect_mode.
    """
    places = places_of(tape)
    n_wires = max(1, len(places))
    measured = [_moved(measurement, places) for measurement in tape.measurements]
    script = QuantumScript([], measured, shots=tape.shots)
    state: State | None = None
    for is_native, group in groupby(steps, key=lambda step: step.native):
        if is_native:
            state = _by_gates(state, list(group), places, precision)
        else:
            script, state = _by_pennylane(state, list(group), places, script, options)
    rows, batched = state or _by_gates(None, [], places, precision)
    amplitudes = (rows if batched else rows[0]).to(precision.real.to_complex())
    return script, amplitudes.reshape(*amplitudes.shape[:-1], *[2] * n_wires), batched


def _by_gates(state: State | None, steps: Sequence[TapeStep], places: dict[Any, int], precision: Precision) -> State:
    if state is None:
        circuit, inputs, weights = compiled(steps, places, None, precision)
        return native.state(circuit, inputs, weights, threads=precision.threads), bool(circuit.n_inputs)
    start, batched = state
    circuit, inputs, weights = compiled(steps, places, None, Precision())
    rows = inputs if circuit.n_inputs else inputs.expand(len(start), 0)
    return statevector.state_from(start, circuit, rows, weights), batched or bool(circuit.n_inputs)


def _by_pennylane(
    begun: State | None,
    steps: Sequence[TapeStep],
    places: dict[Any, int],
    script: QuantumScript,
    options: dict[str, Any],
) -> tuple[QuantumScript, State]:
    """The state after operations that PennyLane applies, and the script with the shots that a postselection left."""
    n_wires = max(1, len(places))
    listed = [_moved(bound(step.operation, list(map(as_tensor, step.data))), places) for step in steps]
    if begun is None and isinstance(listed[0], StatePrepBase):
        first = listed.pop(0)
        prepared = as_tensor(first.state_vector(wire_order=range(n_wires))).reshape(-1, 2**n_wires)
        begun = prepared.to(torch.complex128), first.batch_size is not None
    rows, batched = begun or (torch.eye(1, 2**n_wires, dtype=torch.complex128), False)
    # A row of its own where there is no batch: PennyLane takes a leading axis for one.
    start = qml.StatePrep(rows if batched else rows[0], wires=range(n_wires), validate_norm=False)
    evolved = QuantumScript([start, *listed], script.measurements, shots=script.shots)
    state, batched = get_final_state(evolved, interface="torch", **options)
    return QuantumScript([], script.measurements, shots=evolved.shots), (state.reshape(-1, 2**n_wires), batched)


def _flips(operation: Any, bits: Any) -> Iterator[Any]:
    for wire, bit in zip(operation.wires, np.asarray(qml.math.toarray(bits)), strict=True):
        if bit:
            yield qml.X(wire)


def _moved(item: Any, places: dict[Any, int]) -> Any:
    """An operation or measurement on the wires 0, 1, ..."""
    if all(wire == place for wire, place in places.items()):
        return item
    return qml.map_wires(item, places)
