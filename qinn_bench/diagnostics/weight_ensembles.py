"""A circuit at many weights at once: one row for each set of weights and inputs, and the states that they give."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.opened import opened

CHUNK_NUMBERS = 1 << 22
"""Amplitudes of states that are held at once."""


def uniform(circuit: Circuit, n: int, rng: torch.Generator) -> Tensor:
    """Sets of weights ``(n, n_weights)``, every one uniform in [0, 2 pi)."""
    return 2 * pi * torch.rand(n, circuit.n_weights, generator=rng, dtype=torch.float64)


def angles(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The inputs ``(B, n_angles)`` of the opened circuit, from rows ``(B, n_inputs)`` and ``(B, n_weights)``."""
    listed = opened(circuit).angles
    zeros = weights.new_zeros(len(weights), 1)
    w = torch.cat((weights, zeros, zeros + 1), 1)
    x = torch.cat((inputs, zeros), 1)
    own = w[:, [circuit.n_weights if a.weight is None else a.weight for a in listed]]
    scale = w[:, [circuit.n_weights + 1 if a.scale is None else a.scale for a in listed]]
    given = x[:, [circuit.n_inputs if a.input is None else a.input for a in listed]]
    constant, factor = (weights.new_tensor([getattr(a, part) for a in listed]) for part in ("constant", "factor"))
    return factor * (constant + own + scale * given)


def outputs(circuit: Circuit, inputs: Tensor, weights: Tensor, backend: str = "auto") -> Tensor:
    """The readout ``(B, n_outputs)`` at rows of inputs ``(B, n_inputs)`` and of weights ``(B, n_weights)``."""
    return backends.get(backend).run(opened(circuit).circuit, angles(circuit, inputs, weights), weights.new_zeros(0))


@torch.no_grad()
def states(circuit: Circuit, inputs: Tensor, weights: Tensor, backend: str = "auto") -> Tensor:
    """The states ``(B, 2^n_wires)`` up to a global phase, in the precision of the weights."""
    simulator, bare = backends.get(backend), opened(circuit).circuit
    rows = max(1, CHUNK_NUMBERS >> circuit.n_wires)
    parts = zip(torch.split(inputs, rows), torch.split(weights, rows), strict=True)
    return torch.cat([simulator.state(bare, angles(circuit, x, w), w.new_zeros(0)) for x, w in parts])


def fubini_study(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The Fubini-Study metric ``(B, n_inputs, n_inputs)`` of the states along the inputs, at shared weights.

    g_ij = Re(<d_i psi|d_j psi> - <d_i psi|psi><psi|d_j psi>) (Provost and Vallee, Commun. Math. Phys. 76, 289); exact,
    from the derivatives of the states. A product of one RY for each input has the metric 1/4.
    """
    simulator = backends.get("torch")

    def state(x: Tensor) -> Tensor:
        return torch.view_as_real(simulator.state(circuit, x, weights))

    along = torch.eye(circuit.n_inputs).to(inputs)
    psi = torch.view_as_complex(state(inputs))
    tangents = torch.stack(
        [torch.view_as_complex(torch.func.jvp(state, (inputs,), (e.expand_as(inputs),))[1]) for e in along], 1
    )
    products = torch.einsum("bis,bjs->bij", tangents.conj(), tangents)
    moved = torch.einsum("bis,bs->bi", tangents.conj(), psi)
    return (products - moved[:, :, None] * moved[:, None, :].conj()).real
