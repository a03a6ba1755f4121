"""The whole gate set: one matrix each, and random circuits of every executor against default.qubit."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any, get_args

import pennylane as qml
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import Entangler, reuploading
from qinn_bench.quantum.circuit import (
    ANGLES,
    WIRES,
    AllZero,
    Angle,
    Circuit,
    Gate,
    GateName,
    Observable,
    Pauli,
    Probabilities,
    WeightBlock,
    WeightedSum,
)
from qinn_bench.quantum.compiler.decompose import decompose
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused

NAMES: tuple[GateName, ...] = get_args(GateName)
WEIGHTS = 5
EXECUTORS = [
    pytest.param(statevector, id="torch"),
    pytest.param(native, id="native", marks=pytest.mark.skipif(not native.AVAILABLE, reason="it was not built")),
]
QUICK = settings(max_examples=20, derandomize=True, deadline=None)


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


def matrix(executor: ModuleType, circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    """The unitary of a circuit, column by column from the basis states."""
    n = circuit.n_wires
    columns = []
    for k in range(2**n):
        flips = tuple(Gate("X", (q,)) for q in range(n) if k >> (n - 1 - q) & 1)
        columns.append(executor.state(Circuit(n, circuit.n_inputs, circuit.weights, flips + circuit.gates), x, w)[0])
    return torch.stack(columns, -1)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in NAMES for form in ("constant", "trained", "fed")[: 1 + 2 * (name in ANGLES)]],
)
def test_a_gate_is_the_matrix_of_pennylane(name: GateName, form: str, executor: ModuleType) -> None:
    n_angles, n = ANGLES.get(name, 0), WIRES.get(name, 1)
    numbers = torch_rng("angles", name)
    x, w = (torch.randn(*shape, generator=numbers, dtype=torch.float64) for shape in ((1, 3), (4,)))
    makes = {
        "constant": lambda k: Angle(constant=0.3 + k),
        "trained": lambda k: Angle(k, factor=-0.5),
        "fed": lambda k: Angle(k, k, 3, 0.2),
    }
    radians = {
        "constant": lambda k: 0.3 + k,
        "trained": lambda k: -0.5 * w[k].item(),
        "fed": lambda k: 0.2 + (w[k] + w[3] * x[0, k]).item(),
    }
    gate = Gate(name, tuple(reversed(range(n))), tuple(makes[form](k) for k in range(n_angles)))
    operator = getattr(qml, {"H": "Hadamard", "CPhase": "ControlledPhaseShift"}.get(name, name))
    wanted = qml.matrix(operator(*(radians[form](k) for k in range(n_angles)), wires=gate.wires), wire_order=range(n))
    found = matrix(executor, Circuit(n, 3, (WeightBlock("w", (4,)),), (gate,)), x, w)
    torch.testing.assert_close(found, torch.as_tensor(wanted).to(found.dtype), atol=1e-14, rtol=0)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", NAMES)
def test_the_adjoint_of_a_gate_is_its_conjugate_transpose(name: GateName, executor: ModuleType) -> None:
    n = WIRES.get(name, 1)
    angles = tuple(Angle(k, k, 3, 0.4 - k, 0.5) for k in range(ANGLES.get(name, 0)))
    circuit = Circuit(n, 3, (WeightBlock("w", (4,)),), (Gate(name, tuple(range(n)), angles),))
    x, w = torch.tensor([[0.3, -1.1, 0.7]], dtype=torch.float64), torch.tensor([0.2, 1.3, -0.4, 0.9]).double()
    found = matrix(executor, circuit.adjoint(), x, w)
    torch.testing.assert_close(found, matrix(executor, circuit, x, w).mH.resolve_conj(), atol=1e-14, rtol=0)


def angles() -> st.SearchStrategy[Angle]:
    indices = st.none() | st.integers(0, WEIGHTS - 1)
    tenths = st.integers(-30, 30).map(lambda k: 0.1 * k)
    factors = st.sampled_from([1.0, -1.0, 0.5])
    return st.builds(Angle, weight=indices, input=indices, scale=indices, constant=tenths, factor=factors)


@st.composite
def gates(draw: st.DrawFn, n: int) -> Gate:
    name = draw(st.sampled_from([name for name in NAMES if WIRES.get(name, 1) <= n]))
    wires = draw(st.permutations(range(n)))[: WIRES.get(name, 1)]
    drawn = [draw(angles()) for _ in range(ANGLES.get(name, 0))]
    fed = [Angle(a.weight, None if a.input is None else a.input % n, a.scale, a.constant, a.factor) for a in drawn]
    return Gate(name, tuple(wires), tuple(fed))


def words(n: int) -> st.SearchStrategy[Pauli]:
    return st.builds(Pauli, st.text("IXYZ", min_size=n, max_size=n), st.permutations(range(n)).map(tuple))


def sums(n: int) -> st.SearchStrategy[WeightedSum]:
    terms = st.lists(st.tuples(st.sampled_from([0.5, -1.25, 2.0]), words(n)), min_size=1, max_size=3)
    return terms.map(lambda found: WeightedSum(*zip(*found, strict=True)))


@st.composite
def observables(draw: st.DrawFn, n: int) -> Observable:
    wires = tuple(draw(st.permutations(range(n)))[: draw(st.integers(1, 3))])
    return draw(st.one_of(words(n), sums(n), st.just(Probabilities(wires)), st.just(AllZero(wires))))


@st.composite
def circuits(draw: st.DrawFn, n: int, most: int = 20) -> Circuit:
    """An upload of one input per wire, then gates of every kind, then as many random observables as wires."""
    upload = tuple(Gate("RY", (q,), (Angle(input=q, constant=0.2 * q),)) for q in range(n))
    others = tuple(draw(st.lists(gates(n), min_size=8, max_size=most)))
    readout = tuple(draw(observables(n)) for _ in range(n))
    return Circuit(n, n, (WeightBlock("w", (WEIGHTS,)),), upload + others, readout)


def numbers(circuit: Circuit) -> tuple[Tensor, Tensor]:
    rng = torch_rng("numbers", circuit.n_wires)
    x, w = (torch.randn(*s, generator=rng, dtype=torch.float64) for s in ((2, circuit.n_inputs), (WEIGHTS,)))
    return x.requires_grad_(), w.requires_grad_()


def gradients(loss: Tensor, *of: Tensor) -> list[Tensor]:
    if not loss.requires_grad:
        return [torch.zeros_like(t) for t in of]
    found = torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(of, found, strict=True)]


def agree(circuit: Circuit) -> None:
    """States, values, Jacobians and the gradients of functions of each, in every executor as in default.qubit."""
    oracle = backends.get("default.qubit")
    x, w = numbers(circuit)
    y, jacobian = oracle.run_with_jacobian(circuit, x, w)
    mix = torch.randn(y.shape, generator=torch_rng("mix", circuit.n_wires), dtype=y.dtype)
    by_values = gradients((mix * y).sum(), x, w)
    by_jacobian = gradients(jacobian.square().sum() + (mix[..., None] * jacobian).sum(), x, w)
    psi = oracle.state(circuit, x, w)
    for executor in [statevector, *([native] if native.AVAILABLE else [])]:
        close(executor.state(circuit, x, w), psi)
        close(executor.run(circuit, x, w), y)
        found, J = executor.run_with_jacobian(circuit, x, w)
        close(found, y)
        close(J, jacobian)
        ours = gradients((mix * executor.run(circuit, x, w)).sum(), x, w)
        ours += gradients(J.square().sum() + (mix[..., None] * J).sum(), x, w)
        for a, b in zip(ours, by_values + by_jacobian, strict=True):
            close(a, b)


@pytest.mark.parametrize("n", range(1, 7))
def test_random_circuits_agree_with_default_qubit(n: int) -> None:
    QUICK(given(circuits(n))(agree))()


@pytest.mark.slow
@pytest.mark.parametrize("n", range(7, 11))
def test_wide_random_circuits_agree_with_default_qubit(n: int) -> None:
    QUICK(given(circuits(n, most=40))(agree))()


def log_det(circuit: Circuit) -> None:
    """The gradient of sum log|det J| where no singular value of J is lost in rounding."""
    x, w = numbers(circuit)
    made: Any = [executor for executor in (backends.get("default.qubit"), statevector)]
    made += [native] if native.AVAILABLE else []
    jacobians = [executor.run_with_jacobian(circuit, x, w)[1] for executor in made]
    assume(torch.linalg.svdvals(jacobians[0].detach()).min() > 1e-3)
    wanted, *others = [gradients(torch.linalg.slogdet(J).logabsdet.sum(), x, w) for J in jacobians]
    for found in others:
        for a, b in zip(found, wanted, strict=True):
            close(a, b)


def z_circuits(n: int) -> st.SearchStrategy[Circuit]:
    """Circuits whose Jacobian is seldom singular: few gates, read out by one letter on each wire."""
    letters = st.lists(st.sampled_from("XYZ"), min_size=n, max_size=n)

    def read(circuit: Circuit, word: list[str]) -> Circuit:
        readout = tuple(Pauli(letter, (q,)) for q, letter in enumerate(word))
        return Circuit(n, n, circuit.weights, circuit.gates, readout)

    return st.builds(read, circuits(n, most=14), letters)


@pytest.mark.parametrize("n", range(1, 7))
def test_gradient_of_log_det_agrees_with_default_qubit(n: int) -> None:
    QUICK(given(z_circuits(n))(log_det))()


@given(circuits(4))
@settings(QUICK, max_examples=50)
def test_adjoint_inverts(circuit: Circuit) -> None:
    both = Circuit(4, 4, circuit.weights, circuit.gates + circuit.adjoint().gates)
    x, w = numbers(circuit)
    one = torch.eye(16, dtype=torch.complex128)[:1].expand(2, -1)
    for name in ("torch", "auto"):
        torch.testing.assert_close(backends.get(name).state(both, x, w), one, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n", [2, 5])
def test_lightning_agrees(n: int) -> None:
    @settings(QUICK, max_examples=10)
    @given(z_circuits(n))
    def check(circuit: Circuit) -> None:
        x, w = numbers(circuit)
        lightning = backends.get("lightning.qubit")
        y, ours = (executor.run(circuit, x, w) for executor in (lightning, backends.get("torch")))
        close(ours, y)
        for a, b in zip(gradients(ours.square().sum(), x, w), gradients(y.square().sum(), x, w), strict=True):
            close(a, b)

    check()


READOUTS: dict[str, tuple[Observable, ...]] = {
    "all wires": (Probabilities(tuple(range(6))),),
    "wires out of order": (Probabilities((4, 1, 3)), AllZero((5, 0))),
    "beside Z": (Pauli("Z", (2,)), Probabilities((2, 0)), Pauli("Z", (5,))),
    "beside ZZ": (AllZero((1,)), Pauli("ZZ", (0, 3)), Probabilities((3,))),
    "beside XY": (Probabilities((5, 4)), Pauli("XY", (0, 3)), Pauli("Z", (1,)), AllZero((0, 1, 2, 3, 4, 5))),
    "a sum": (WeightedSum((0.5, -2.0, 3.0), (Pauli("XZ", (1, 2)), Pauli("Z", (0,)), Pauli("", ()))), Pauli("I", (0,))),
    "an empty sum": (WeightedSum((), ()), AllZero((2,))),
}


@pytest.mark.skipif(not native.AVAILABLE, reason="it was not built")
@pytest.mark.parametrize("kind", READOUTS)
@pytest.mark.parametrize("entangler", ["cnot", "zz"])
def test_the_kernel_reads_out_what_torch_does(kind: str, entangler: Entangler) -> None:
    circuit = replace(reuploading(6, uploads=2, entangler=entangler), readout=READOUTS[kind])
    rng = torch_rng("readout")
    x, w = (
        torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()
        for shape in ((11, 6), (circuit.n_weights,))
    )
    results = []
    for executor in (native, statevector):
        y, (also, J) = executor.run(circuit, x, w), executor.run_with_jacobian(circuit, x, w)
        by_both = gradients(also.sin().sum() + J.square().sum() + (also[..., None] * J).sum(), x, w)
        results.append([y, also, J, *gradients(y.cos().sum(), x, w), *by_both])
    for found, wanted in zip(*results, strict=True):
        close(found, wanted)


H = Gate("H", (0,))


@pytest.mark.parametrize(
    ("gates", "readout", "message"),
    [
        ((Gate("CNOT", (0, 2)),), (), r"CNOT was put on the wires \(0, 2\)"),
        ((Gate("X", (-1,)),), (), "wires 0 to 1"),
        ((Gate("RX", (0,), (Angle(weight=3),)),), (), "weight 3, but the circuit has 3 weights"),
        ((Gate("RX", (0,), (Angle(scale=-1),)),), (), "weight -1"),
        ((Gate("RX", (0,), (Angle(input=1),)),), (), "input 1, but the circuit has 1 inputs"),
        ((H,), (Probabilities((0, 0)),), "different ones"),
        ((H,), (AllZero((2,)),), "wires 0 to 1"),
        ((H,), (AllZero(()),), "at least one wire"),
        ((H,), (Pauli("ZZ", (1, 1)),), "different ones"),
        ((H,), (Pauli("Z", (0, 1)),), "one letter"),
        ((H,), (Pauli("P", (0,)),), "one letter"),
        ((H,), (WeightedSum((1.0,), (Pauli("Z", (7,)),)),), r"\(7,\)"),
        ((H,), (WeightedSum((1.0, 2.0), (Pauli("Z", (0,)),)),), "one coefficient"),
    ],
)
def test_a_circuit_names_only_what_it_has(
    gates: tuple[Gate, ...], readout: tuple[Observable, ...], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        Circuit(2, 1, (WeightBlock("w", (3,)),), gates, readout)


def test_only_angles_that_vary_leave_a_phase_to_compute() -> None:
    circuit = Circuit(
        2, 1, (WeightBlock("w", (1,)),), (Gate("S", (0,)), Gate("CPhase", (0, 1), (Angle(constant=1.0),)))
    )
    assert decompose(circuit).angles == ()
    fed = Circuit(2, 1, (WeightBlock("w", (1,)),), (Gate("PhaseShift", (0,), (Angle(input=0),)),))
    assert decompose(fed).angles == (Angle(input=0, factor=0.5),)
