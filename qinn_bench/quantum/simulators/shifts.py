"""The parameter-shift rule: derivatives of expectation values from values at shifted angles (arXiv:1811.11184)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.opened import radians

AMPLITUDES = 2**22
"""At most so many amplitudes of shifted circuits are simulated at once."""
Evaluate = Callable[[Circuit, Tensor], Tensor]
"""From a circuit and the angles of its opened form, ``(B, n_angles)``, to its outputs ``(B, n_outputs)``."""


def derivatives(estimate: Evaluate, circuit: Circuit, angles: Tensor, places: list[int]) -> Tensor:
    """The derivatives along the angles at these places, ``(B, n_outputs, len(places))``.

    Each is ``(f(angle + pi/2) - f(angle - pi/2))/2``, exact for the elementary rotations of an opened circuit.
    """
    rows, at_once = len(angles), max(1, (AMPLITUDES >> circuit.n_wires) // (2 * max(1, len(angles))))
    columns = [angles.new_zeros(rows, circuit.n_outputs, 0)]
    for start in range(0, len(places), at_once):
        chosen = torch.tensor(places[start : start + at_once], device=angles.device)
        step = torch.pi / 2 * torch.nn.functional.one_hot(chosen, angles.shape[1]).to(angles)
        shifted = angles + torch.stack([step, -step])[:, :, None]
        plus, minus = estimate(circuit, shifted.flatten(0, 2)).view(2, len(chosen), rows, circuit.n_outputs)
        columns.append(((plus - minus) / 2).permute(1, 2, 0))
    return torch.cat(columns, 2)


def along_inputs(estimate: Evaluate, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The derivatives of the outputs along the inputs, ``(B, n_outputs, n_inputs)``."""
    laid = radians(circuit, inputs)
    steep = derivatives(estimate, circuit, laid.rows(inputs, weights), laid.fed) * laid.slopes(weights)
    return steep.new_zeros(*steep.shape[:2], circuit.n_inputs).index_add(2, laid.inputs, steep)
