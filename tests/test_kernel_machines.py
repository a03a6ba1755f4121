"""One-class machines: published values of the quantum kernel and its twins, and what the machines make of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import OneClassSVM
from torch import Tensor

from qinn_bench import registry
from qinn_bench.capacity import buffers
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum import controls
from qinn_bench.quantum.circuit import Circuit, Gate, Probabilities
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.patch_circuit import amplitude_angles, preparation
from reference_models.quantum_autoencoders.quantum_kernel import product_kernel

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


X = torch.arange(1, 9, dtype=torch.float64)[None] / 10
Y = -X.flip(1) / 2


def made(name: str, dim: int, backend: str = "torch", **knobs: object):
    torch.manual_seed(0)
    return registry.make("model", Use(name=name, knobs=knobs), dim, backend=backend).double()


def rows(n: int, dim: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(n, dim, generator=torch_rng("rows", seed), dtype=torch.float64) - 1


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, 0.1162174816),
        ({"entangler": "none", "repetitions": 1}, 0.0775798698),
        ({"kernel": "product"}, 0.6414081027),
    ],
)
def test_the_kernel_has_its_anchor_values(backend, knobs, expected):
    if backend == "native" and not native.AVAILABLE:
        pytest.skip("the compiled simulator was not built")
    found = made("quantum_kernel", 8, backend, **knobs).kernel(X, Y)
    assert float(found) == pytest.approx(expected, abs=5e-11)


def by_matrices(x: Tensor, repetitions: int) -> np.ndarray:
    """The state of two wires by matrices of the whole register."""

    def u(theta, phi, delta):
        half = theta / 2
        return np.array(
            [
                [np.cos(half), -np.exp(1j * delta) * np.sin(half)],
                [np.exp(1j * phi) * np.sin(half), np.exp(1j * (phi + delta)) * np.cos(half)],
            ]
        )

    a, b, c, d = x.tolist()
    cnot = np.eye(4)[[0, 1, 3, 2]]
    state = np.eye(4)[0].astype(complex)
    for _ in range(repetitions):
        state = np.kron(u(np.pi / 2, a, b), u(np.pi / 2, c, d)) @ state
        state = np.kron(u(a, b, 0), u(c, d, 0)) @ (cnot @ state)
    return state


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), repetitions=st.integers(1, 3))
def test_the_kernel_is_the_fidelity_of_the_states_and_one_on_its_diagonal(seed, repetitions):
    machine, x = made("quantum_kernel", 4, repetitions=repetitions), rows(3, 4, seed)
    found = machine.kernel(x, x)
    states = [by_matrices(row, repetitions) for row in x]
    expected = [[abs(np.vdot(a, b)) ** 2 for b in states] for a in states]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(np.diag(found.numpy()), 1, atol=1e-12)


def test_one_upload_without_entanglers_that_is_projected_and_the_product_are_kernels_too():
    x = rows(30, 6)
    for knobs in ({}, {"kernel": "projected"}, {"kernel": "product"}, {"entangler": "none"}, {"entangler": "all"}):
        machine = made("quantum_kernel", 6, rows=30, nu=0.1, **knobs)
        machine.initialise(Batch(x), torch_rng("initialise"))
        gram = machine.kernel(x, x)
        assert float(torch.linalg.eigvalsh(gram).min()) > -1e-10, knobs
        torch.testing.assert_close(gram.diagonal(), torch.ones(30, dtype=torch.float64), rtol=0, atol=1e-10)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_distance_circuit_of_quantum_k_medians_gives_euclidean_distances(n, seed):
    """F28: amplitudes (a, b) / norm, H on the first wire, ``d = norm sqrt 2 sqrt P(1)`` (arXiv:2301.10780)."""
    size = max(1, (n - 1).bit_length())
    a, b = (torch.nn.functional.pad(rows(5, n, seed + k), (0, 2**size - n)) for k in range(2))
    both, wires = torch.cat((a, b), 1), size + 1
    gates = (*preparation(wires), Gate("H", (0,)))
    circuit = Circuit(wires, 2**wires - 1, (), gates, (Probabilities((0,)),))
    measured = statevector.run(circuit, amplitude_angles(both, wires), torch.zeros(0, dtype=torch.float64))
    found = both.norm(dim=1) * (2 * measured[:, 1]).sqrt()
    torch.testing.assert_close(found, (a - b).norm(dim=1), rtol=0, atol=1e-12)


def test_the_product_sees_every_other_feature_only():
    x, y = rows(4, 5), rows(3, 5, seed=1)
    moved = y + torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    assert torch.equal(product_kernel(x, y), product_kernel(x, moved))


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("quantum_kernel", {"repetitions": 1}),
        ("quantum_kernel", {"kernel": "projected"}),
        *(("kernel_svm", {"kernel": kernel}) for kernel in ("rbf", "laplace", "fourier")),
    ],
)
def test_scores_are_those_of_the_machine_of_scikit_learn(name, knobs):
    x, test = rows(60, 3), rows(20, 3, seed=1)
    machine = made(name, 3, rows=50, nu=0.2, **knobs)
    machine.initialise(Batch(x), torch_rng("initialise"))
    fitted = machine.anchors
    kernels = [machine.kernel(part, fitted).numpy() for part in (fitted, test)]
    theirs = OneClassSVM(kernel="precomputed", nu=0.2, tol=1e-9).fit(kernels[0])
    np.testing.assert_allclose(machine.score(test).numpy(), -theirs.decision_function(kernels[1]), atol=1e-9)
    outside = float((machine.score(fitted) > 1e-6).double().mean())
    assert outside <= 0.2 + 0.021


def test_the_seed_chooses_the_rows_that_machines_are_fitted_to_the_same_ones_for_all():
    x, anchors = rows(60, 3), []
    for name, stream in (("quantum_kernel", "a"), ("kernel_svm", "a"), ("kernel_svm", "b")):
        machine = made(name, 3, rows=50)
        machine.initialise(Batch(x), torch_rng(stream))
        anchors.append(machine.anchors)
        assert len(machine.anchors.unique(dim=0)) == 50
        assert all((row == x).all(1).any() for row in machine.anchors)
    assert torch.equal(anchors[0], anchors[1]) and not torch.equal(anchors[0], anchors[2])


def test_few_rows_are_enough_and_single_precision_agrees():
    x = rows(10, 2)
    exact, single = made("kernel_svm", 2, rows=30, nu=0.3), made("kernel_svm", 2, rows=30, nu=0.3).float()
    exact.initialise(Batch(x), torch_rng("initialise"))
    single.initialise(Batch(x.float()), torch_rng("initialise"))
    torch.testing.assert_close(single.score(x.float()).double(), exact.score(x), rtol=0, atol=1e-4)
    assert float(exact.coefficients[10:].abs().max()) == 0


def test_the_likeliest_width_is_small_for_what_lies_in_clumps():
    rng = torch_rng("clumps")
    clumps = 10 * torch.randint(5, (80, 2), generator=rng).double()
    clumps += 0.1 * torch.randn(80, 2, generator=rng, dtype=torch.float64)
    hill = torch.randn(80, 2, generator=rng, dtype=torch.float64)
    ratios = []
    for x in (clumps, hill):
        machine = made("kernel_svm", 2, rows=80)
        machine.initialise(Batch(x), torch_rng("initialise"))
        ratios.append(float(machine.width / torch.pdist(x).median()))
    assert ratios[0] < 0.1 < ratios[1]


def test_random_features_come_near_the_kernel():
    x = rows(20, 3)
    exact, drawn = made("kernel_svm", 3, width=1.0), made("kernel_svm", 3, kernel="fourier", width=1.0, features=20_000)
    for machine in (exact, drawn):
        machine.prepare(x)
    assert float((exact.kernel(x, x) - drawn.kernel(x, x)).abs().max()) < 0.05


@pytest.mark.parametrize(
    ("name", "knobs", "says"),
    [
        ("quantum_kernel", {"kernel": "rbf"}, "there are: fidelity, projected, product"),
        ("quantum_kernel", {"entangler": "star"}, "there are: ring, chain, all, none"),
        ("quantum_kernel", {"nu": 0.0}, "0 < nu <= 1"),
        ("kernel_svm", {"kernel": "linear"}, "there are: rbf, laplace, fourier"),
        ("kernel_svm", {"width": -1.0}, "a width of -1"),
        ("kernel_svm", {"rows": 1}, "2 rows are expected"),
    ],
)
def test_machines_that_do_not_exist_are_refused(name, knobs, says):
    with pytest.raises(Refused, match=says):
        made(name, 4, **knobs)


@pytest.mark.parametrize("control", ["", "frozen", "unentangled"])
def test_nothing_of_a_machine_is_trained(control):
    machine, batch = made("quantum_kernel", 4, rows=20, nu=0.2), Batch(rows(30, 4))
    controls.apply(machine, control, torch_rng("control"))
    machine.initialise(batch, torch_rng("initialise"))
    outcome = fit(machine, batch, batch, Budget(steps=5, batch=10), ("machine",))
    assert outcome.status == "ok" and outcome.training.stopped == "nothing to train"


def test_what_is_fitted_is_counted_and_nothing_stands_in_for_a_circuit_without_weights():
    machine, x = made("quantum_kernel", 4, rows=20, nu=0.2), rows(30, 4)
    fresh = buffers.snapshot(machine)
    machine.initialise(Batch(x), torch_rng("initialise"))
    counted = buffers.fitted(machine, fresh, Batch(x), given=False)
    assert count_parameters(machine).total == 0 and counted == 20 * 4 + 20 + 1
    for control in ("fourier", "tanh"):
        with pytest.raises(Refused, match="has no weights"):
            controls.apply(machine, control, torch_rng("control"))
    twin = made("quantum_kernel", 4)
    controls.apply(twin, "unentangled", torch_rng("control"))
    bare = made("quantum_kernel", 4, entangler="none")
    torch.testing.assert_close(twin.kernel(x, x), bare.kernel(x, x), rtol=0, atol=1e-12)
