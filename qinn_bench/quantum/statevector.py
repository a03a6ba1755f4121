"""The exact statevector of a batch of circuits in torch, with its derivatives along the inputs."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit, Pauli
from qinn_bench.quantum.plan import Kind, plan
from qinn_bench.quantum.program import pauli


def run(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_readout)``, differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.
    """
    return _expectations(circuit, _evolve(circuit, inputs, weights, tangents=False))[:, 0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_readout)`` and their derivatives along the inputs ``(B, n_readout, n_inputs)``."""
    values = _expectations(circuit, _evolve(circuit, inputs, weights, tangents=True))
    return values[:, 0], 2 * values[:, 1:].mT


def state(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included."""
    return _evolve(circuit, inputs, weights, tangents=False).flatten(1)


def _evolve(circuit: Circuit, inputs: Tensor, weights: Tensor, *, tangents: bool) -> Tensor:
    """The final psi and, if asked for, d psi / d x_j beside it: ``(B, high, 1 + n or 1, low)``."""
    laid = plan(circuit, tangents, inputs.dtype, inputs.device)
    states = laid.start.expand(len(inputs), *laid.start.shape[1:])
    for operation, operand in zip(laid.operations, laid.operands(inputs, weights), strict=True):
        states = operation.apply(states, operand)
    return states


def _expectations(circuit: Circuit, states: Tensor) -> Tensor:
    """``Re <psi|P|states>`` for each observable P of the readout: ``(B, width, n_readout)``."""
    batch, high, width, low = states.shape
    kind = Kind(states.dtype.to_real(), states.device)
    rows = states.transpose(1, 2).reshape(batch, width, high * low)
    values = states.new_zeros(batch, width, len(circuit.readout), dtype=kind.real)
    for columns, source, phases in _observables(circuit.readout, circuit.n_wires, kind):
        moved = rows if source is None else rows[:, :, source]
        products = rows[:, :1].conj() * moved
        part = products.real @ phases.real if source is None else (products @ phases).real
        values = values.index_add(2, columns, part)
    return values


@lru_cache(maxsize=256)
def _observables(
    readout: tuple[Pauli, ...], n_wires: int, kind: Kind
) -> tuple[tuple[Tensor, Tensor | None, Tensor], ...]:
    """Observables that move amplitudes alike, together: their places, where amplitudes come from, their phases."""
    alike: dict[int, list[int]] = {}
    paulis = [pauli(n_wires, observable.word, observable.wires) for observable in readout]
    for place, (mask, _) in enumerate(paulis):
        alike.setdefault(mask, []).append(place)
    index = torch.arange(2**n_wires, device=kind.device)
    return tuple(
        (
            kind.indices(places),
            index ^ mask if mask else None,
            kind.complexes([paulis[place][1] for place in places]).T,
        )
        for mask, places in alike.items()
    )
