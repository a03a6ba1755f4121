"""Classical twins of circuits: matrix products of known bonds, series of known terms, and what their numbers mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import zoo

from qinn_bench.diagnostics import dequantised, diagnose, expressibility
from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, z_on
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused


def haar(n):
    return expressibility.haar_states(n, 1, torch_rng("haar", n))[0].numpy()


def ghz(n):
    vector = np.zeros(2**n)
    vector[[0, -1]] = 0.5**0.5
    return vector


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_products_have_bonds_of_one_and_two_angles_a_wire(n):
    vector = np.ones(1)
    for wire in range(n):
        vector = np.kron(vector, haar(1) if wire % 2 else haar(1).conj())
    fit = dequantised.matrix_product(vector, 1e-9)
    assert (fit.bond, fit.least, fit.parameters) == (1, 1, 2 * n)
    real = np.abs(vector)
    assert [dequantised.matrix_product(phase * real, 1e-9).parameters for phase in (1, -1, 0.6 + 0.8j)] == [n] * 3


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_ghz_states_have_bonds_of_two_until_half_may_be_lost(n):
    fit = dequantised.matrix_product(ghz(n), 1e-6)
    assert fit.bonds == (2,) * (n - 1) and fit.least == 2 and fit.lost == pytest.approx(0, abs=1e-12)
    assert dequantised.matrix_product(ghz(n), 0.51).bond == 1


@pytest.mark.parametrize("n", [2, 4, 7])
def test_random_states_are_full_and_count_all_their_numbers(n):
    fit = dequantised.matrix_product(haar(n), 1e-9)
    assert fit.bonds == tuple(2 ** min(k, n - k) for k in range(1, n))
    assert fit.parameters == 2 * 2**n - 2


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2, 0.2])
def test_what_is_lost_is_measured_and_no_bond_can_be_below_the_least(epsilon):
    sizes = 2.0 ** -np.arange(8)
    u, v = (np.linalg.qr(haar(6).reshape(8, 8) + k * np.eye(8))[0] for k in (1, 2))
    vector = (u * sizes) @ v
    fit = dequantised.matrix_product(vector.ravel(), epsilon)
    assert fit.lost <= epsilon and fit.least <= fit.bond
    across = np.cumsum(sizes[::-1] ** 2)[::-1] / (sizes**2).sum()
    assert fit.least >= int((across > epsilon).sum()), "of the middle cut, whose Schmidt coefficients these are"


def test_bonds_are_the_schmidt_ranks_whatever_is_done_to_single_wires():
    turned = np.einsum(
        "abc,ai,bj,ck->ijk",
        ghz(3).reshape(2, 2, 2),
        *(np.linalg.qr(haar(2).reshape(2, 2) + k * np.eye(2))[0] for k in range(3)),
    )
    assert dequantised.matrix_product(turned.ravel(), 1e-9).bonds == (2, 2)


@pytest.mark.parametrize("vector", [np.zeros(4), np.ones(3), np.ones(1)])
def test_what_is_no_state_is_refused(vector):
    with pytest.raises(Refused, match="was to be equalled within"):
        dequantised.matrix_product(vector, 0.01)


def series(gates, n_inputs, n_wires, epsilon, weights=()):
    circuit = Circuit(n_wires, n_inputs, (), tuple(gates), z_on(range(n_wires)))
    return dequantised.fourier_series(circuit, torch.tensor(weights, dtype=torch.float64), epsilon)


def test_the_series_of_known_functions():
    """<Z> after RY(x) is cos x; after RY(x), RY(y) on one wire it is cos(x + y); after RY(x) RX(y) cos x cos y."""
    turn = {name: Gate(name, (0,), (Angle(input=0),)) for name in ("RX", "RY")}
    other = {name: Gate(name, (0,), (Angle(input=1),)) for name in ("RX", "RY")}
    assert (series([turn["RY"]], 1, 1, 1e-9).terms, series([turn["RY"]], 1, 1, 1e-9).parameters) == (1, 3)
    assert series([turn["RY"], other["RY"]], 2, 1, 1e-9).terms == 1
    assert series([turn["RY"], other["RX"]], 2, 1, 1e-9).terms == 2
    assert series([turn["RY"], turn["RX"]], 1, 1, 1e-9).frequencies == 1, "cos^2 x is a constant and one cosine"


def test_a_fixed_factor_is_a_frequency_and_what_is_small_may_be_lost():
    """cos(x) cos(a) - sin(x) sin(a) on one output, nothing of x on the other: a half of the mean square is constant."""
    gates = [Gate("RY", (0,), (Angle(input=0, factor=0.37),)), Gate("RY", (1,), (Angle(constant=0.1),))]
    assert series(gates, 1, 2, 1e-9).terms == 1
    lost = 0.5 / (0.5 + math.cos(0.1) ** 2)
    assert series(gates, 1, 2, lost + 1e-6).terms == 0 and series(gates, 1, 2, lost - 1e-6).terms == 1


def test_the_series_gives_the_outputs_of_a_circuit_again():
    circuit = reuploading(2, uploads=2)
    weights = torch.randn(circuit.n_weights, generator=torch_rng("w"), dtype=torch.float64)
    for scale in (1.0, 0.7):
        weights[circuit.block("scale")] = scale
        fit = dequantised.fourier_series(circuit, weights, 0.0)
        x = torch.rand(200, 2, generator=torch_rng("x"), dtype=torch.float64) * 2 * math.pi / scale
        y = backends.get("torch").run(circuit, x, weights).numpy()
        k = np.array([(a, b) for a in range(-2, 3) for b in range(-2, 3) if (a, b) >= (0, 0)])
        phases = scale * x.numpy() @ k.T
        waves = np.concatenate((np.cos(phases), np.sin(phases)), 1)
        found, _, _, _ = np.linalg.lstsq(waves, y, rcond=None)
        assert np.abs(waves @ found - y).max() < 1e-9
        sizes = (found[: len(k)] ** 2 + found[len(k) :] ** 2).sum(1)
        assert fit.terms == int((sizes[1:] > 1e-12).sum()) == fit.frequencies


def test_too_many_uploads_and_none_are_refused():
    circuit = reuploading(2, uploads=5)
    with pytest.raises(Refused, match="a circuit with 10 turns by data"):
        dequantised.fourier_series(circuit, torch.zeros(circuit.n_weights), 0.01)
    with pytest.raises(Refused, match="a circuit with 0 turns by data"):
        series([Gate("H", (0,))], 0, 1, 0.01)


def test_twins_of_a_circuit_that_prepares_ghz_and_of_one_that_is_too_wide():
    gates = (Gate("H", (0,)), *(Gate("CNOT", (q, q + 1)) for q in range(3)))
    found = list(dequantised.twins(Circuit(4, 0, (), gates, z_on(range(4))), torch.zeros(0), torch_rng("twins")))
    assert [(said, estimate.value) for said, estimate, _ in found] == [
        ("parameters of the twin, state", 11.0),
        ("parameters of the twin, outcomes", 11.0),
    ]
    wide = list(dequantised.twins(Circuit(13, 0, (), (), z_on(range(13))), torch.zeros(0), torch_rng("twins")))
    assert wide[0][1].value is None and "13 wires" in wide[0][1].note


def test_the_diagnostic_stands_beside_the_weights_of_each_circuit():
    model = zoo.tiny("qinn", 2, knobs={"fidelity": 0.0, "mmd": 0.0})
    subject = diagnose.Subject(model, lambda dim, seed: model, torch.zeros(4, 2).double(), 100)
    found = {one.quantity: one for one in diagnose.diagnose(subject, "dequantised")}
    assert list(found) == [f"parameters of the twin, {of}" for of in ("state", "outcomes", "Fourier series")]
    own = model.circuit.circuit.n_weights
    assert all(one.reference.value == own and one.found.value > 0 for one in found.values())
    classical = diagnose.Subject(zoo.tiny("affine_inn", 2), lambda dim, seed: model, torch.zeros(4, 2).double(), 100)
    assert diagnose.diagnose(classical, "dequantised")[0].found.note == "no circuit"
