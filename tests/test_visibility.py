"""Gates that no readout sees: leaving them out changes nothing, and no weight that is left is without effect."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import (
    ANGLES,
    WIRES,
    AllZero,
    Angle,
    Circuit,
    Gate,
    Pauli,
    Probabilities,
    WeightBlock,
    WeightedSum,
    z_on,
)
from qinn_bench.quantum.simulators import statevector
from qinn_bench.quantum.visibility import blind_weights, trimmed

NAMES = ("RX", "RY", "RZ", "PhaseShift", "Rot", "U3", "H", "X", "Y", "Z", "S", "T", *WIRES)
READOUTS = (
    z_on(range(2)),
    (Pauli("XZ", (0, 2)),),
    (Pauli("IY", (1, 2)), Pauli("", ())),
    (WeightedSum((0.5, -1.0), (Pauli("ZZ", (0, 1)), Pauli("Z", (2,)))),),
    (Probabilities((1, 2)),),
    (AllZero((0, 2)),),
)


@st.composite
def circuits(draw):
    n = draw(st.integers(3, 4))
    gates, weights = [], 0
    for _ in range(draw(st.integers(0, 14))):
        name = draw(st.sampled_from(NAMES))
        wires = draw(st.permutations(range(n)))[: WIRES.get(name, 1)]
        angles = ANGLES.get(name, 0)
        gates.append(Gate(name, tuple(wires), tuple(Angle(weight=weights + k) for k in range(angles))))
        weights += angles
    blocks = (WeightBlock("w", (weights,)),) if weights else ()
    return Circuit(n, 0, blocks, tuple(gates), draw(st.sampled_from(READOUTS)))


def read(circuit, weights):
    return statevector.run(circuit, torch.zeros(1, circuit.n_inputs, dtype=torch.float64), weights)[0]


def without_effect(circuit, draws=4):
    """Weights along which no number of the readout changes, at any of some random weights."""
    rng, found = torch.Generator().manual_seed(0), torch.zeros(circuit.n_weights, dtype=torch.float64)
    for _ in range(draws):
        weights = 6.3 * torch.rand(circuit.n_weights, generator=rng, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda w: read(circuit, w), weights)
        found = torch.maximum(found, jacobian.abs().amax(0))
    return int((found < 1e-9).sum())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(circuits(), st.integers(0, 2**31))
def test_leaving_out_what_is_not_seen_changes_no_readout(circuit, seed):
    weights = 6.3 * torch.rand(circuit.n_weights, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    fewer, kept = trimmed(circuit)
    torch.testing.assert_close(read(fewer, weights[kept]), read(circuit, weights), rtol=0, atol=1e-12)
    assert len(kept) == fewer.n_weights == circuit.n_weights - blind_weights(circuit)
    assert trimmed(fewer) == (fewer, list(range(fewer.n_weights))), "nothing is left that is not seen"
    if circuit.n_weights:
        assert blind_weights(circuit) <= without_effect(circuit)


@pytest.mark.parametrize("entangler", ["zz", "cnot", "none"])
@pytest.mark.parametrize(("n", "copies", "uploads", "layers"), [(2, 1, 2, 1), (3, 1, 2, 2), (2, 2, 3, 1), (1, 3, 2, 1)])
def test_every_weight_that_is_left_of_a_reuploading_circuit_has_an_effect(n, copies, uploads, layers, entangler):
    circuit = reuploading(n, copies=copies, uploads=uploads, layers=layers, entangler=entangler)
    fewer = trimmed(circuit)[0]
    rng, found = torch.Generator().manual_seed(1), torch.zeros(fewer.n_weights, dtype=torch.float64)
    for _ in range(4):
        x = 3 * torch.rand(5, n, generator=rng, dtype=torch.float64)
        weights = 6.3 * torch.rand(fewer.n_weights, generator=rng, dtype=torch.float64)
        found += (
            torch.autograd.functional.jacobian(lambda w, x=x: statevector.run(fewer, x, w), weights).abs().sum((0, 1))
        )
    assert float(found.min()) > 1e-6 * float(found.max())


def test_published_sizes_of_what_has_no_effect():
    """An eighth of 2 x 8 x 8 weights: the last turn about Z of each wire, and the last ring."""
    assert [blind_weights(reuploading(8, uploads=n)) for n in (4, 7, 41)] == [16, 16, 16]
    assert blind_weights(reuploading(8, uploads=2, entangler="cnot")) == 8
