"""`qinn.native` gives default.qubit's values and gradients on random tapes over many of PennyLane's operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pennylane import numpy as pnp

from qinn_bench.quantum.simulators import native
from qinn_bench.seeds import numpy_rng

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

N = 3
Program = Callable[..., Any]
Wires = list[int]
GENERATOR = np.array([[0.3, 0.2 - 0.5j], [0.2 + 0.5j, -0.4]])


def unitary(n: int, name: str = "") -> Any:
    values = numpy_rng("properties", str(n), name).normal(size=(2**n, 2**n, 2))
    return np.linalg.qr(values[..., 0] + 1j * values[..., 1])[0]


def times(t: Any, array: Any) -> Any:
    return t * qml.math.convert_like(np.asarray(array, dtype=float), t)


def hamiltonian(w: Wires) -> Any:
    return 0.7 * qml.X(w[0]) @ qml.Z(w[1]) - 0.4 * qml.Y(w[1]) + 0.2 * qml.Z(w[2])


def hermitian(w: Wires) -> Any:
    return qml.Hermitian(GENERATOR, wires=w[0])


def nearly(n: int, angle: float) -> Any:
    """``exp(-i angle/2 Z...Z)`` of a small angle, which a decomposition with a threshold drops."""
    signs = np.array([(-1) ** k.bit_count() for k in range(2**n)])
    return np.diag(np.exp(-0.5j * angle * signs))


# Each takes an angle, which may be a parameter of any library, and the three wires in some order.
OPERATIONS: dict[str, Callable[[Any, Wires], Any]] = {
    "RX": lambda t, w: qml.RX(t, w[0]),
    "RY": lambda t, w: qml.RY(t, w[0]),
    "Rot": lambda t, w: qml.Rot(t, 0.3, -t, w[0]),
    "U2": lambda t, w: qml.U2(t, 0.4, w[0]),
    "U3": lambda t, w: qml.U3(t, 0.4, 0.1, w[0]),
    "CNOT": lambda t, w: qml.CNOT(w[:2]),
    "CRot": lambda t, w: qml.CRot(t, 0.2, 0.3, w[:2]),
    "IsingXY": lambda t, w: qml.IsingXY(t, w[:2]),
    "PSWAP": lambda t, w: qml.PSWAP(t, w[:2]),
    "single excitation": lambda t, w: qml.SingleExcitation(t, w[:2]),
    "single excitation plus": lambda t, w: qml.SingleExcitationPlus(t, w[:2]),
    "Pauli rotation": lambda t, w: qml.PauliRot(t, "XYZ", w),
    "multi RZ": lambda t, w: qml.MultiRZ(t, w),
    "Fourier transform": lambda t, w: qml.QFT(w),
    "Grover": lambda t, w: qml.GroverOperator(w),
    "global phase": lambda t, w: qml.GlobalPhase(t),
    "controlled global phase": lambda t, w: qml.ctrl(qml.GlobalPhase(t), w[:2]),
    "doubly controlled rotation": lambda t, w: qml.ctrl(qml.RX(t, w[2]), w[:2], control_values=[0, 1]),
    "controlled excitation": lambda t, w: qml.ctrl(qml.SingleExcitation(t, w[1:]), w[0], control_values=[0]),
    "given one-wire matrix": lambda t, w: qml.QubitUnitary(unitary(1), w[0]),
    "given two-wire matrix": lambda t, w: qml.QubitUnitary(unitary(2), w[:2]),
    "given three-wire matrix": lambda t, w: qml.QubitUnitary(unitary(3), w),
    "nearly nothing on two wires": lambda t, w: qml.QubitUnitary(nearly(2, 0.001), w[:2]),
    "nearly nothing on three wires": lambda t, w: qml.QubitUnitary(nearly(3, 1e-6), w),
    "controlled matrix": lambda t, w: qml.ControlledQubitUnitary(unitary(1), w, control_values=[0, 1]),
    "nearly nothing controlled": lambda t, w: qml.ControlledQubitUnitary(nearly(1, 1e-5), w),
    "matrix turned back": lambda t, w: qml.adjoint(qml.QubitUnitary(unitary(2), w[:2])),
    "power of a matrix": lambda t, w: qml.pow(qml.QubitUnitary(unitary(2), w[:2]), 3),
    "diagonal": lambda t, w: qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), w[:2]),
    "special unitary": lambda t, w: qml.SpecialUnitary(times(t, np.linspace(-1, 1, 15)), w[:2]),
    "block encoding": lambda t, w: qml.BlockEncode(np.array([[0.2, 0.1], [0.3, -0.4]]), wires=w[:2]),
    "block encoding turned back": lambda t, w: qml.adjoint(qml.BlockEncode(times(t, 0.1 * np.eye(2)), wires=w[:2])),
    "projector-controlled phase": lambda t, w: qml.PCPhase(t, dim=3, wires=w[:2]),
    "comparison": lambda t, w: qml.IntegerComparator(2, geq=True, wires=w),
    "evolution of a word": lambda t, w: qml.evolve(qml.X(w[0]) @ qml.Y(w[2]), t),
    "evolution of a sum": lambda t, w: qml.evolve(hamiltonian(w), t),
    "evolution of a Hermitian": lambda t, w: qml.evolve(hermitian(w), t),
    "evolution turned back": lambda t, w: qml.adjoint(qml.evolve(hamiltonian(w), t)),
    "controlled evolution": lambda t, w: qml.ctrl(qml.evolve(0.3 * qml.X(w[0]) + qml.Z(w[1]), t), w[2]),
    "power of an evolution": lambda t, w: qml.pow(qml.evolve(hamiltonian(w), t), 2),
    "controlled product": lambda t, w: qml.ctrl(qml.prod(qml.evolve(hermitian(w), t), qml.RX(t, w[1])), w[2]),
    "exponential of a word": lambda t, w: qml.exp(qml.X(w[0]) @ qml.Y(w[2]), -0.3j),
    "exponential of a sum": lambda t, w: qml.exp(hamiltonian(w), -0.3j),
    "Trotter": lambda t, w: qml.TrotterProduct(hamiltonian(w), time=t, order=2, n=2),
    "approximate evolution": lambda t, w: qml.ApproxTimeEvolution(hamiltonian(w), t, 2),
    "select": lambda t, w: qml.Select([qml.RX(t, w[1]), qml.RZ(t, w[2])], control=w[0]),
    "selected rotation": lambda t, w: qml.SelectPauliRot(times(t, np.arange(4)), w[:2], w[2]),
    "controlled sequence": lambda t, w: qml.ControlledSequence(qml.RX(t, w[2]), control=w[:2]),
    "signal transformation": lambda t, w: qml.QSVT(
        qml.BlockEncode(np.array([[0.3]]), wires=[w[0]]), [qml.PCPhase(t, dim=1, wires=[w[0]]) for _ in range(3)]
    ),
    "permutation": lambda t, w: qml.Permute([w[2], w[0], w[1]], w),
    "embedding": lambda t, w: qml.IQPEmbedding(qml.math.stack([t, 2 * t, -t]), wires=w),
}
# The same where default.qubit fails: it cannot train the power of an evolution.
TWINS = {"power of an evolution": lambda t, w: qml.evolve(hamiltonian(w), 2 * t)}
LETTERS = [qml.X(0) @ qml.Y(1), 0.5 * qml.Z(0) @ qml.Z(2) - 1.5 * qml.Y(1) + 0.25 * qml.I(0)]
MEASURED: dict[str, Callable[[], Any]] = {
    "words": lambda: tuple(qml.expval(observable) for observable in LETTERS),
    "probabilities": lambda: (qml.probs(wires=[2, 0]), qml.var(qml.Z(0) @ qml.X(1))),
    "Hermitian": lambda: qml.expval(qml.Hermitian(unitary(2) + unitary(2).conj().T, [1, 2])),
    "state": qml.state,
}
ANGLES = st.sampled_from([0.0, 1e-9, 1e-4, np.pi, -np.pi / 2]) | st.floats(-4, 4)


@st.composite
def tapes(draw: st.DrawFn) -> tuple[list[tuple[str, Wires]], list[float], str]:
    """Names with wires, angles, and what is measured."""
    count = draw(st.integers(1, 5))
    named = [(draw(st.sampled_from(sorted(OPERATIONS))), draw(st.permutations(range(N)))) for _ in range(count)]
    return named, [draw(ANGLES) for _ in named], draw(st.sampled_from(sorted(MEASURED)))


def program_of(named: list[tuple[str, Wires]], measured: str, device: str = "qinn.native") -> Program:
    operations = OPERATIONS if device == "qinn.native" else OPERATIONS | TWINS

    def program(x: Any) -> Any:
        for wire in range(N):
            qml.RY(0.4 + wire, wire)
            qml.RZ(0.3 - wire, wire)
        for k, (name, wires) in enumerate(named):
            operations[name](x[..., k], list(wires))
        qml.RY(0.2, 0)
        qml.CNOT([0, 2])
        return MEASURED[measured]()

    return program


def scalar(results: Any) -> Any:
    """A real number that each entry of the results enters in its own way."""
    flat = [qml.math.flatten(r) for r in listed(results)]
    ranks = [qml.math.convert_like(np.arange(1.0, len(r) + 1), r) for r in flat]
    parts = [qml.math.sum(qml.math.sin(qml.math.real(r) * k)) for r, k in zip(flat, ranks, strict=True)]
    return sum(parts) + sum(qml.math.sum(qml.math.imag(r) ** 2 * k) for r, k in zip(flat, ranks, strict=True))


def in_torch(device: str, named: list[tuple[str, Wires]], measured: str, x: Any) -> list[Any]:
    """Results and the gradient of a function of them.

    Values of default.qubit are NumPy's: torch's exponential of a matrix is off by up to 2e-10 there, in gradients too.
    """
    program = program_of(named, measured, device)
    node = qml.QNode(program, qml.device(device, wires=N), interface="torch")
    leaf = torch.tensor(x, requires_grad=True)
    results = listed(node(leaf))
    total = scalar(results)
    gradient = torch.autograd.grad(total, leaf, allow_unused=True)[0] if total.requires_grad else None
    values = [r.detach().resolve_conj().numpy() for r in results]
    if device == "default.qubit":
        values = listed(qml.QNode(program, qml.device(device, wires=N), interface="numpy")(x))
    return [*values, np.zeros(len(x)) if gradient is None else gradient.numpy()]


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, tuple | list) else [results]


def agree(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.shape(mine) == np.shape(other)
        last = mine is ours[-1]
        np.testing.assert_allclose(mine, other, rtol=3e-9 if last else 0, atol=3e-9 if last else 1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tapes())
def test_random_tapes(tape: tuple[list[tuple[str, Wires]], list[float], str]) -> None:
    named, angles, measured = tape
    agree(*(in_torch(device, named, measured, np.array(angles)) for device in ("qinn.native", "default.qubit")))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_at_angles_where_thresholds_lie(name: str) -> None:
    for angle in (0.0, 1e-6, 0.7):
        given_ = [(name, [2, 0, 1])], "words", np.array([angle])
        agree(*(in_torch(device, *given_) for device in ("qinn.native", "default.qubit")))


# The matrix of an exponential has no derivative in autograd, on default.qubit either.
NOT_IN_AUTOGRAD = {"special unitary", "power of an evolution", "controlled evolution", "controlled product"}
NOT_IN_AUTOGRAD |= {"evolution of a sum", "evolution of a Hermitian", "evolution turned back"}
NOT_IN_AUTOGRAD |= {"block encoding turned back", "signal transformation"}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - NOT_IN_AUTOGRAD))
def test_each_operation_in_autograd(name: str) -> None:
    def evaluate(device: str) -> list[Any]:
        node = qml.QNode(program_of([(name, [1, 2, 0])], "words"), qml.device(device, wires=N), interface="autograd")
        x = pnp.array([0.6], requires_grad=True)
        return [*node(x), qml.grad(lambda y: scalar(node(y)))(x)]

    agree(evaluate("qinn.native"), evaluate("default.qubit"))
