"""Every simulator behind the one interface: readouts of all kinds, values, gradients and Jacobians against torch."""

from __future__ import annotations

import pytest
import torch
from test_quantum import close, gradients, here, random_circuit, tensors
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Pauli, Probabilities, WeightBlock, WeightedSum

READOUT = (
    Pauli("ZX", (2, 0)),
    WeightedSum((0.7, -1.3, 0.4), (Pauli("Z", (1,)), Pauli("YX", (0, 2)), Pauli("", ()))),
    Probabilities((2, 0)),
    AllZero((1, 2)),
    Pauli("", ()),
    WeightedSum((2.0,), (Pauli("Z", (0,)),)),
    Probabilities((1,)),
)
CIRCUITS = [
    Circuit(3, 3, circuit.weights, circuit.gates, READOUT) for circuit in (random_circuit(3, 24, k) for k in range(4))
]
PENNYLANE = here("default.qubit", "default.qubit:unitary", "lightning.qubit", "lightning.kokkos", "lightning.gpu")


def derivatives(backend: backends.Backend, circuit: Circuit, x: Tensor, w: Tensor) -> list[Tensor]:
    """Values, the gradient of a function of them, and the Jacobian."""
    y = backend.run(circuit, x, w)
    by_values = gradients((y.square() * torch.arange(1.0, 1 + y.shape[1])).sum(), x, w)
    return [y, *by_values, *backend.run_with_jacobian(circuit, x, w)]


@pytest.mark.parametrize("name", PENNYLANE)
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_every_readout_agrees_with_torch(name: str, circuit: Circuit) -> None:
    x, w = tensors(circuit, 3)
    ours, theirs = (derivatives(backends.get(key), circuit, x, w) for key in ("torch", name))
    for a, b in zip(ours, theirs, strict=True):
        close(b, a)
    close(backends.get(name).state(circuit, x, w), backends.get("torch").state(circuit, x, w))


@pytest.mark.parametrize("name", PENNYLANE)
def test_a_circuit_without_inputs_or_angles_is_read_out_for_every_row(name: str) -> None:
    block = (WeightBlock("w", (1,)),)
    for gates in ((Gate("H", (0,)), Gate("CNOT", (0, 1))), (Gate("RX", (1,), (Angle(weight=0),)),), ()):
        circuit = Circuit(2, 1, block, gates, (Probabilities((1, 0)), AllZero((1,)), Pauli("X", (0,))))
        x, w = torch.zeros(3, 1).double(), torch.tensor([0.4]).double()
        close(backends.get(name).run(circuit, x, w), backends.get("torch").run(circuit, x, w))
        assert not backends.get(name).run_with_jacobian(circuit, x, w)[1].any()
        assert backends.get(name).run(circuit, x[:0], w).shape == (0, 6) or name == "default.qubit"
