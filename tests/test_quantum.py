"""The quantum engine against a dense twin, PennyLane, and what is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from drawn_circuits import random_circuit
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import overlap, reuploading, ring, swap_test
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
from qinn_bench.quantum.compiler.program import compile_circuit
from qinn_bench.quantum.layer import CircuitLayer, fidelity
from qinn_bench.quantum.simulators import statevector
from qinn_bench.values import Refused

PAULI = {
    "I": torch.eye(2, dtype=torch.complex128),
    "X": torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128),
    "Y": torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128),
    "Z": torch.tensor([[1, 0], [0, -1]], dtype=torch.complex128),
    "0": torch.tensor([[1, 0], [0, 0]], dtype=torch.complex128),
    "1": torch.tensor([[0, 0], [0, 1]], dtype=torch.complex128),
}
EIGHTH = torch.tensor(torch.pi / 4, dtype=torch.float64)


def dense(n: int, word: str, wires: tuple[int, ...]) -> Tensor:
    """A product of letters on wires as a full matrix."""
    letters = dict(zip(wires, word, strict=True))
    return reduce(torch.kron, (PAULI[letters.get(wire, "I")] for wire in range(n)))


def dense_gate(gate: Gate, n: int, angles: list[Tensor]) -> Tensor:
    def full(word: str) -> Tensor:
        return dense(n, word, gate.wires)

    def rotation(word: str, angle: Tensor) -> Tensor:
        return torch.cos(angle / 2) * full("I" * len(word)) - 1j * torch.sin(angle / 2) * full(word)

    def shift(angle: Tensor) -> Tensor:
        return full("0") + torch.exp(1j * angle) * full("1")

    match gate.name:
        case "RX" | "RY" | "RZ":
            return rotation(gate.name[1], angles[0])
        case "Rot":
            return rotation("Z", angles[2]) @ rotation("Y", angles[1]) @ rotation("Z", angles[0])
        case "U3":
            return shift(angles[1]) @ rotation("Y", angles[0]) @ shift(angles[2])
        case "PhaseShift" | "S" | "T":
            return shift(angles[0] if angles else EIGHTH * {"S": 2, "T": 1}[gate.name])
        case "IsingXX" | "IsingYY" | "IsingZZ":
            return rotation(gate.name[-2:], angles[0])
        case "CRX" | "CRY" | "CRZ":
            on = torch.cos(angles[0] / 2) * full("1I") - 1j * torch.sin(angles[0] / 2) * full("1" + gate.name[-1])
            return full("0I") + on
        case "CPhase":
            return full("0I") + full("10") + torch.exp(1j * angles[0]) * full("11")
        case "H":
            return (full("X") + full("Z")) / 2**0.5
        case "CNOT" | "CZ" | "CY":
            return full("0I") + full("1" + gate.name[1].replace("N", "X"))
        case "Toffoli":
            return full("0II") + full("10I") + full("11X")
        case "SWAP":
            return (full("II") + full("XX") + full("YY") + full("ZZ")) / 2
        case "CSWAP":
            return full("0II") + (full("1II") + full("1XX") + full("1YY") + full("1ZZ")) / 2
    return full(gate.name)


def twin_state(circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    def radians(angle: Angle) -> Tensor:
        value = torch.tensor(angle.constant, dtype=torch.float64) + (0 if angle.weight is None else w[angle.weight])
        term = 0 if angle.input is None else x[angle.input] * (1 if angle.scale is None else w[angle.scale])
        return angle.factor * (value + term)

    psi = torch.eye(2**circuit.n_wires, dtype=torch.complex128)[0]
    for gate in circuit.gates:
        psi = dense_gate(gate, circuit.n_wires, [radians(angle) for angle in gate.angles]) @ psi
    return psi


def twin_run(circuit: Circuit, inputs: Tensor, w: Tensor) -> Tensor:
    states = [twin_state(circuit, x, w) for x in inputs]
    paulis = [dense(circuit.n_wires, p.word, p.wires) for p in circuit.readout]
    return torch.stack([torch.stack([(psi.conj() @ P @ psi).real for P in paulis]) for psi in states])


def generic_jacobian(run: object, circuit: Circuit, inputs: Tensor, w: Tensor) -> Tensor:
    values = run(circuit, inputs, w)  # type: ignore[operator]
    rows = [torch.autograd.grad(v.sum(), inputs, create_graph=True, allow_unused=True)[0] for v in values.unbind(1)]
    return torch.stack([torch.zeros_like(inputs) if row is None else row for row in rows], 1)


def tensors(circuit: Circuit, batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, circuit.n_inputs, dtype=torch.float64, generator=rng)
    w = torch.randn(circuit.n_weights, dtype=torch.float64, generator=rng)
    return x.requires_grad_(), w.requires_grad_()


def gradients(loss: Tensor, *of: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(of, found, strict=True)]


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


def same_derivatives(circuit: Circuit, reference: object, batch: int = 3) -> None:
    """Outputs, Jacobian, and the gradients of a function of each, against another simulator."""
    x, w = tensors(circuit, batch)
    y, J = statevector.run_with_jacobian(circuit, x, w)
    expected = reference(circuit, x, w)  # type: ignore[operator]
    expected_J = generic_jacobian(reference, circuit, x, w)
    close(y, expected)
    close(J, expected_J)
    close(statevector.run(circuit, x, w), expected)
    mix = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(
        gradients((mix * statevector.run(circuit, x, w)).sum(), x, w),
        gradients((mix * expected).sum(), x, w),
        strict=True,
    ):
        close(ours, theirs)

    def loss(values: Tensor, jacobian: Tensor) -> Tensor:
        metric = jacobian.mT @ jacobian + 0.1 * torch.eye(circuit.n_inputs, dtype=torch.float64)
        return torch.linalg.slogdet(metric)[1].sum() + values.square().sum()

    for ours, theirs in zip(gradients(loss(y, J), x, w), gradients(loss(expected, expected_J), x, w), strict=True):
        close(ours, theirs)


def here(*names: str) -> list[ParameterSet]:
    """Names of backends as parameters; those that cannot run here are skipped with the reason."""
    reasons = {name: backends.why_not(name) for name in names}
    return [
        pytest.param(name, marks=pytest.mark.skipif(bool(reason), reason=reason or "it runs"))
        for name, reason in reasons.items()
    ]


ANSATZE = [
    reuploading(n, copies=copies, uploads=2, layers=layers, entangler=entangler)  # type: ignore[arg-type]
    for n, copies, layers in ((1, 1, 1), (2, 1, 1), (3, 1, 2), (2, 2, 1), (5, 1, 1))
    for entangler in ("zz", "cnot", "none")
]


@pytest.mark.parametrize("circuit", ANSATZE, ids=lambda c: f"{c.n_wires}-{c.counts}")
def test_each_ansatz_equals_the_dense_twin(circuit: Circuit) -> None:
    same_derivatives(circuit, twin_run, batch=2)


@pytest.mark.parametrize("seed", range(16))
def test_random_circuits_equal_the_dense_twin(seed: int) -> None:
    circuit = random_circuit(1 + seed % 4, 16, seed)
    same_derivatives(circuit, twin_run, batch=2)
    x, w = tensors(circuit, 2)
    close(statevector.state(circuit, x, w), torch.stack([twin_state(circuit, row, w) for row in x]))


@pytest.mark.parametrize(
    "circuit", [*ANSATZE[9:12], random_circuit(5, 40, 7), reuploading(9, uploads=2, entangler="cnot")]
)
def test_default_qubit_agrees(circuit: Circuit) -> None:
    oracle = backends.get("default.qubit")
    same_derivatives(circuit, oracle.run)
    x, w = tensors(circuit, 3)
    close(statevector.state(circuit, x, w), oracle.state(circuit, x, w))


@pytest.mark.parametrize("gates", [(), (Gate("H", (1,)), Gate("CNOT", (1, 0)), Gate("CZ", (0, 1)), Gate("Y", (0,)))])
def test_circuits_without_angles_have_no_derivatives(gates: tuple[Gate, ...]) -> None:
    circuit = Circuit(2, 2, (), gates, (Pauli("XY", (0, 1)), Pauli("Z", (1,))))
    x, w = tensors(circuit, 3)
    y, J = statevector.run_with_jacobian(circuit, x, w)
    close(y, twin_run(circuit, x, w), 1e-15)
    close(statevector.state(circuit, x, w)[0], twin_state(circuit, x[0], w), 1e-15)
    assert not J.any()


@pytest.mark.parametrize("seed", range(3))
def test_inputs_may_enter_any_rotation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("RX", "IsingZZ", "Rot", "RZ", "IsingZZ", "H", "RY")
    gates = tuple(
        Gate(
            name,  # type: ignore[arg-type]
            tuple(int(q) for q in rng.permutation(3)[: WIRES.get(name, 1)]),
            tuple(Angle(input=int(rng.integers(2)), scale=k) for k in range(ANGLES.get(name, 0))),
        )
        for name in names * 2
    )
    circuit = Circuit(3, 2, (WeightBlock("w", (3,)),), gates, (*z_on(range(3)), Pauli("XX", (0, 2))))
    same_derivatives(circuit, twin_run, batch=2)


def test_nll_gradient_agrees_with_default_qubit() -> None:
    circuit = reuploading(2, copies=2, uploads=3)
    x, w = tensors(circuit, 8)
    jacobians = [backends.get(name).run_with_jacobian(circuit, x, w)[1] for name in ("torch", "default.qubit")]
    ours, theirs = ([*gradients(torch.linalg.slogdet(J)[1].sum(), x, w)] for J in jacobians)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


@pytest.mark.parametrize("circuit", [ANSATZE[9], ANSATZE[7], random_circuit(4, 20, 3)])
def test_lightning_agrees_and_refuses_to_train_through_a_jacobian(circuit: Circuit) -> None:
    lightning = backends.get("lightning.qubit")
    x, w = tensors(circuit, 3)
    y, J = statevector.run_with_jacobian(circuit, x, w)
    values, jacobian = lightning.run_with_jacobian(circuit, x, w)
    close(y, values)
    close(J, jacobian)
    close(statevector.state(circuit, x, w), lightning.state(circuit, x, w))
    for ours, theirs in zip(gradients(y.square().sum(), x, w), gradients(values.square().sum(), x, w), strict=True):
        close(ours, theirs)
    with pytest.raises(Refused, match="cannot train through a Jacobian"):
        jacobian.sum().backward()


@pytest.mark.parametrize("name", here(*backends.names()))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_backend_honours_the_interface(name: str, dtype: torch.dtype) -> None:
    layer = CircuitLayer(reuploading(2, uploads=2, entangler="cnot"), name).to(dtype)
    torch.nn.init.normal_(layer.weights, generator=torch.Generator().manual_seed(3))
    x = torch.linspace(-1, 1, 6, dtype=dtype).view(3, 2)
    y, J = layer.jacobian(x)
    assert (y.shape, J.shape, layer(x).shape) == ((3, 2), (3, 2, 2), (3, 2))
    assert {y.dtype, J.dtype, layer(x).dtype} == {dtype}
    assert layer.state(x).dtype == dtype.to_complex()
    assert layer.state(x).shape == (3, 4)
    assert layer(x[:1]).shape == (1, 2)
    layer(x).sum().backward()
    assert layer.weights.grad is not None
    assert layer.weights.grad.abs().sum() > 0.1
    with torch.no_grad():
        y, J = layer.jacobian(x)
    assert not y.requires_grad
    assert not J.requires_grad


def test_an_empty_batch_is_simulated() -> None:
    circuit = reuploading(9, uploads=2, entangler="cnot")
    x, w = torch.zeros(0, 9), torch.zeros(circuit.n_weights)
    assert [t.shape for t in statevector.run_with_jacobian(circuit, x, w)] == [(0, 9), (0, 9, 9)]


def test_wrong_backend_is_refused_with_the_list() -> None:
    with pytest.raises(Refused, match=r"no backend is called 'qpu'; there are: .*torch"):
        backends.get("qpu")


@pytest.mark.parametrize("seed", range(4))
def test_adjoint_inverts(seed: int) -> None:
    circuit = random_circuit(4, 30, seed)
    both = Circuit(4, 3, circuit.weights, circuit.gates + circuit.adjoint().gates)
    x, w = tensors(circuit, 5)
    close(statevector.state(both, x, w), torch.eye(16, dtype=torch.complex128)[:1].expand(5, -1), 1e-12)


@pytest.mark.parametrize("compare", [swap_test, overlap])
def test_the_fidelity_of_two_circuits_is_the_inner_product(compare: Callable[[Circuit, Circuit], Circuit]) -> None:
    first, second = reuploading(2, uploads=2), reuploading(2, uploads=1, entangler="cnot")
    test = compare(first, second)
    x, w = tensors(test, 6)
    psi = statevector.state(first, x[:, :2], w[: first.n_weights])
    phi = statevector.state(second, x[:, 2:], w[first.n_weights :])
    close(statevector.run(test, x, w)[:, 0], fidelity(psi, phi), 1e-12)
    assert fidelity(psi, phi).max() < 0.99


@pytest.mark.parametrize("circuit", ANSATZE[9:15])
def test_single_precision_is_close_to_double(circuit: Circuit) -> None:
    x, w = tensors(circuit, 16)
    for ours, exact in zip(
        statevector.run_with_jacobian(circuit, x.float(), w.float()),
        statevector.run_with_jacobian(circuit, x, w),
        strict=True,
    ):
        close(ours.double(), exact, 2e-5)


def test_expectations_can_be_differentiated_twice() -> None:
    circuit = random_circuit(3, 12, 5)
    x, w = tensors(circuit, 2)
    assert torch.autograd.gradgradcheck(lambda x, w: statevector.run(circuit, x, w), (x, w))


def test_ry_product_state_has_a_flat_metric() -> None:
    n = 4
    circuit = Circuit(n, n, (), tuple(Gate("RY", (q,), (Angle(input=q),)) for q in range(n)), z_on(range(n)))
    x = torch.linspace(-2, 2, n, dtype=torch.float64)
    none = torch.zeros(0, dtype=torch.float64)
    derivative = torch.autograd.functional.jacobian(lambda v: statevector.state(circuit, v[None], none)[0].real, x)
    psi = statevector.state(circuit, x[None], none)[0].real
    along = derivative.T @ psi
    close(derivative.T @ derivative - torch.outer(along, along), torch.eye(n, dtype=torch.float64) / 4, 1e-12)


@pytest.mark.parametrize("uploads", [1, 2, 4])
def test_serial_uploads_bound_the_fourier_spectrum(uploads: int) -> None:
    circuit = reuploading(1, uploads=uploads)
    _, w = tensors(circuit, 1)
    w = w.detach().clone()
    w[circuit.block("scale")] = 1.0
    x = torch.arange(32, dtype=torch.float64)[:, None] * (2 * torch.pi / 32)
    spectrum = torch.fft.rfft(statevector.run(circuit, x, w)[:, 0]).abs() / 32
    assert spectrum[uploads] > 1e-4
    assert spectrum[uploads + 1 :].max() < 1e-14


def test_weights_are_laid_out_by_block() -> None:
    circuit = reuploading(2, copies=2, uploads=6)
    assert circuit.n_weights == 144
    assert [block.shape for block in circuit.weights] == [(6, 4), (6, 4), (6, 1, 4, 3), (6, 1, 4)]
    used = [angle.weight for gate in circuit.gates for angle in gate.angles]
    used += [angle.scale for gate in circuit.gates for angle in gate.angles if angle.scale is not None]
    assert sorted(used) == list(range(144))
    layer = CircuitLayer(circuit)
    with torch.no_grad():
        layer.block("zz")[5, 0, 3] = 7.0
    assert layer.weights[-1] == 7.0
    assert layer.is_quantum
    assert [len(ring(n)) for n in range(1, 5)] == [0, 1, 3, 4]


def test_first_upload_of_an_untrained_circuit_is_the_cosine() -> None:
    layer = CircuitLayer(reuploading(3, uploads=3)).double()
    with torch.no_grad():
        layer.block("scale")[0] = 1.0
    x = torch.linspace(0.1, 3.0, 12, dtype=torch.float64).view(4, 3)
    y, J = layer.jacobian(x)
    close(y, x.cos(), 1e-14)
    close(J, torch.diag_embed(-x.sin()), 1e-14)


def test_neighbouring_gates_share_a_step() -> None:
    kinds = [type(step).__name__ for step in compile_circuit(reuploading(4, uploads=2)).steps]
    assert kinds == ["Locals", "Diagonal"] * 2


def test_every_readout_is_its_definition() -> None:
    circuit = random_circuit(4, 30, 9)
    words = (Pauli("XY", (2, 0)), Pauli("", ()), Pauli("ZZ", (1, 3)))
    asked = (Probabilities((3, 1)), words[0], AllZero((2, 0)), WeightedSum((0.5, -2.0, 1.5), words), Pauli("Z", (3,)))
    x, w = tensors(circuit, 3)
    got = statevector.run(replace(circuit, readout=asked), x, w)
    p = statevector.state(circuit, x, w).abs().square().view(-1, 2, 2, 2, 2)
    by_word = statevector.run(replace(circuit, readout=words), x, w)
    weights = torch.tensor([0.5, -2.0, 1.5], dtype=torch.float64)
    close(got[:, :4], p.sum((1, 3)).mT.flatten(1), 1e-12)
    close(got[:, 4], by_word[:, 0], 1e-12)
    close(got[:, 5], p[:, 0, :, 0].sum((1, 2)), 1e-12)
    close(got[:, 6], by_word @ weights, 1e-12)
    close(by_word[:, 1], torch.ones(len(x), dtype=torch.float64), 1e-12)
    close(got[:, 7], p[..., 0].flatten(1).sum(1) - p[..., 1].flatten(1).sum(1), 1e-12)
