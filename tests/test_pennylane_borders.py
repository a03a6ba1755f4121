"""`qinn.native` at the borders of libraries: complex parameters, plain numbers, single precision, exact matrices."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pennylane import numpy as pnp
from pennylane.exceptions import DeviceError
from scipy import linalg

from qinn_bench.quantum.pennylane.tape_binding import bound, exponential
from qinn_bench.quantum.pennylane.tape_gates import EXACT, decomposition, is_kept
from qinn_bench.quantum.simulators import native
from qinn_bench.seeds import numpy_rng

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

Program = Callable[..., Any]
INTERFACES = ["torch", "autograd", *(["jax", "jax.jit"] if find_spec("jax") else [])]
OURS, THEIRS = "qinn.native", "default.qubit"


def jax() -> Any:
    library = pytest.importorskip("jax")
    library.config.update("jax_enable_x64", True)
    return library


def unitary(n: int) -> Any:
    values = numpy_rng("borders", str(n)).normal(size=(2**n, 2**n, 2))
    return np.linalg.qr(values[..., 0] + 1j * values[..., 1])[0]


def scalar(results: Any) -> Any:
    """A real number that each entry of the results enters in its own way."""
    total = 0.0
    for r in results if isinstance(results, tuple | list) else [results]:
        flat = qml.math.flatten(r)
        rank = qml.math.convert_like(np.arange(1.0, len(flat) + 1), flat)
        total = total + qml.math.sum(qml.math.sin(qml.math.real(flat) * rank)) + qml.math.sum(qml.math.imag(flat) ** 2)
    return total


def slope(program: Program, device: str, interface: str, z: Any, **options: Any) -> Any:
    """The gradient of `scalar` along one array, in the convention dL/dz of autograd and jax."""
    node = qml.QNode(program, qml.device(device, wires=3), interface=interface.removesuffix(".jit"), **options)
    if interface == "torch":
        leaf = torch.tensor(np.asarray(z), requires_grad=True)
        return torch.autograd.grad(scalar(node(leaf)), leaf)[0].conj().resolve_conj().numpy()
    if interface == "autograd":
        return qml.grad(lambda y: scalar(node(y)))(pnp.array(z, requires_grad=True))
    library = jax()

    def pull(y: Any) -> Any:
        return library.vjp(lambda v: scalar(node(v)), y)[1](1.0)[0]

    return np.asarray((library.jit(pull) if interface == "jax.jit" else pull)(library.numpy.array(z)))


@pytest.mark.parametrize("method", ["best", "adjoint", "backprop", "parameter-shift"])
@pytest.mark.parametrize("interface", INTERFACES)
def test_the_phase_of_a_trained_matrix_has_its_derivative(interface: str, method: str) -> None:
    def program(x: Any) -> Any:
        one = qml.math.convert_like(np.diag([1.0 + 0j, 0]), x)
        other = qml.math.convert_like(np.diag([0, 1.0 + 0j]), x)
        qml.RX(x, 0)
        qml.QubitUnitary(one + qml.math.exp(1j * qml.math.cast(x, "complex128")) * other, wires=0)
        qml.RY(x, 0)
        return qml.expval(qml.X(0))

    found = slope(lambda x: program(x), OURS, interface, 0.37, diff_method=method)
    value = qml.QNode(program, qml.device(THEIRS), interface="torch")(torch.tensor(0.37, dtype=torch.float64)).item()
    # `scalar` is the sine of the expectation value.
    assert found.real / np.cos(value) == pytest.approx(1.3198387149983835, abs=1e-10)


def between(apply: Callable[[Any], Any], measure: Callable[[], Any]) -> Program:
    def layer(x: float) -> None:
        qml.RY(x, 0)
        qml.RX(0.3 * x + 0.2, 1)
        qml.CNOT([0, 1])
        qml.RZ(0.4, 2)
        qml.RY(0.8, 2)
        qml.CZ([1, 2])

    def program(z: Any) -> Any:
        prepares = apply.__name__ == "prepare"
        if not prepares:
            layer(0.4)
        apply(z)
        layer(0.2)
        return measure()

    return program


def measured() -> Any:
    return qml.expval(qml.X(0) @ qml.Y(1)), qml.expval(qml.Z(2) + 0.3 * qml.X(1) @ qml.Y(2)), qml.probs(wires=[0, 2])


def prepare(z: Any) -> None:
    qml.StatePrep(z, [0, 2], normalize=True)


AMPLITUDES = np.array([0.3, 0.4j, 0.5 + 0.2j, -0.1])
HERMITIAN = np.array([[1, 2j], [-2j, 0.3]])
TRAINED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "one wire": (lambda z: qml.QubitUnitary(z, 0), unitary(1)),
    "two wires": (lambda z: qml.QubitUnitary(z, [0, 2]), unitary(2)),
    "controlled": (lambda z: qml.ControlledQubitUnitary(z, wires=[0, 2, 1], control_values=[0, 1]), unitary(1)),
    "turned back": (lambda z: qml.adjoint(qml.QubitUnitary)(z, [1, 2]), unitary(2)),
    "power": (lambda z: qml.pow(qml.QubitUnitary(z, [1, 2]), 2), unitary(2)),
    "diagonal": (lambda z: qml.DiagonalQubitUnitary(z, [1, 2]), np.exp(1j * np.arange(4))),
    "prepared state": (prepare, AMPLITUDES),
    "block encoding": (lambda z: qml.BlockEncode(z, wires=[0, 1]), np.array([[0.2, 0.1j], [0.3, -0.4]])),
    "coefficient": (lambda z: qml.exp(qml.X(1) @ qml.Z(0), z[0]), np.array([-0.3j])),
    "exponential": (lambda z: qml.exp(qml.Hermitian(z, 1), -0.3j), HERMITIAN),
    "evolution": (lambda z: qml.evolve(qml.Hermitian(z, 1), 0.3), HERMITIAN),
}
# default.qubit cannot do these in autograd, and of some not even the operation takes autograd's arrays.
NOT_IN_AUTOGRAD = {"controlled", "power", "exponential", "evolution"}


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("name", TRAINED)
def test_gradients_along_complex_parameters(name: str, interface: str) -> None:
    if interface == "autograd" and name in NOT_IN_AUTOGRAD:
        pytest.skip("not differentiable in autograd on default.qubit either")
    apply, z = TRAINED[name]
    for measure in (measured, qml.state) if name in ("one wire", "two wires") else (measured,):
        program = between(apply, measure)
        ours, theirs = (slope(program, device, interface, z.astype(complex)) for device in (OURS, THEIRS))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-9)


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_trained_observable(interface: str) -> None:
    def program(z: Any) -> Any:
        qml.RY(0.4, 0)
        qml.CNOT([0, 1])
        qml.RX(0.3, 1)
        return qml.expval(qml.Hermitian(z, 1))

    ours, theirs = (slope(program, device, interface, HERMITIAN) for device in (OURS, THEIRS))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_what_pennylane_does_not_see_is_differentiated_without_naming_the_interface() -> None:
    def program(z: Any) -> Any:
        qml.RX(0.3, 1)
        qml.evolve(qml.Hermitian(z, 1), 0.3)
        return qml.expval(qml.Y(1))

    z = torch.tensor(HERMITIAN, requires_grad=True)
    ours, theirs = (torch.autograd.grad(qml.QNode(program, qml.device(d, wires=2))(z), z)[0] for d in (OURS, THEIRS))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-9)


def test_second_derivatives_in_autograd_are_complete_without_asking() -> None:
    def program(x: Any) -> Any:
        qml.RX(x[0], 0)
        qml.CRY(x[1], [0, 1])
        qml.IsingXX(x[0] * x[1], [0, 1])
        return qml.expval(qml.Z(0) @ qml.X(1))

    x = np.array([0.3, -0.7])
    nodes = [qml.QNode(program, qml.device(device, wires=2)) for device in (OURS, THEIRS)]
    ours, theirs = (qml.jacobian(qml.grad(lambda y, node=node: node(y) ** 2))(pnp.array(x)) for node in nodes)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_a_derivative_that_would_be_lost_is_an_error() -> None:
    library = jax()

    def program(x: Any) -> Any:
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    node = qml.QNode(program, qml.device(OURS, wires=1))
    with pytest.raises((DeviceError, ValueError, TypeError)):
        library.grad(library.grad(node))(0.3)
    with pytest.raises((DeviceError, ValueError, TypeError)):
        library.hessian(node)(0.3)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("angle", [0.001, 1e-6, 1e-9])
def test_a_matrix_near_the_identity_is_applied_to_the_last_digit(n: int, angle: float) -> None:
    phases = np.exp(-0.5j * angle * np.array([(-1) ** k.bit_count() for k in range(2**n)]))

    def program() -> Any:
        for wire in range(n):
            qml.RY(0.4 + wire, wire)
        qml.QubitUnitary(np.diag(phases), wires=range(n))
        return qml.state()

    start = np.array([1.0])
    for wire in range(n):
        start = np.kron(start, [np.cos((0.4 + wire) / 2), np.sin((0.4 + wire) / 2)])
    found = qml.QNode(program, qml.device(OURS, wires=n))()
    np.testing.assert_allclose(found, phases * start, rtol=0, atol=2e-15)


def test_plain_numbers_are_in_double_precision() -> None:
    def program() -> Any:
        qml.BasisState([1, 0], wires=[0, 1])
        qml.RX(0.3, 0)
        qml.QubitUnitary(unitary(2), wires=[0, 1])
        qml.RX(0.3, 1)
        return qml.expval(qml.Z(0)), qml.state()

    ours, theirs = (qml.QNode(program, qml.device(device, wires=2))() for device in (OURS, THEIRS))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=3e-15)
    rotated = qml.QNode(lambda: (qml.BasisState([1], 0), qml.RX(0.3, 0), qml.expval(qml.Z(0)))[-1], qml.device(OURS))
    assert rotated() == pytest.approx(-np.cos(0.3), abs=1e-15)


PREPARATIONS: dict[str, Callable[[], Any]] = {
    "basis state": lambda: qml.BasisState([1, 0], wires=[2, 0]),
    "basis embedding": lambda: qml.BasisEmbedding([1, 0], wires=[2, 0]),
    "amplitudes": lambda: qml.StatePrep(AMPLITUDES, wires=[2, 0], normalize=True),
    "amplitude embedding": lambda: qml.AmplitudeEmbedding(AMPLITUDES[:3], wires=[2, 0], pad_with=0.2, normalize=True),
    "cosine window": lambda: qml.CosineWindow(wires=[2, 0]),
    "product state": lambda: qml.MPSPrep([np.eye(2), np.eye(2)], wires=[2, 0], work_wires=[1]),
    "Möttönen": lambda: qml.MottonenStatePreparation(AMPLITUDES / np.linalg.norm(AMPLITUDES), wires=[2, 0]),
    "superposition": lambda: qml.Superposition([0.6, 0.8], np.array([[0, 1], [1, 0]]), [2, 0], 3),
}


@pytest.mark.parametrize("name", PREPARATIONS)
def test_a_circuit_may_begin_with_any_preparation(name: str) -> None:
    """As the first operation, where PennyLane hands it to the device, and as the second, where it decomposes it."""

    def program(late: bool) -> Any:
        if late:
            qml.Identity(1)
        PREPARATIONS[name]()
        qml.RX(0.3, 1)
        qml.CNOT([1, 0])
        return qml.probs(wires=[0, 1, 2])

    for late in (False, True):
        found = []
        for device in (OURS, THEIRS):
            try:
                found.append(qml.QNode(program, qml.device(device, wires=4))(late))
            except Exception as error:
                found.append(type(error))
        if isinstance(found[1], type):
            assert isinstance(found[0], type)
        else:
            np.testing.assert_allclose(*found, rtol=0, atol=1e-14)


@pytest.mark.parametrize("c_dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("jitted", [False, True])
def test_precisions_of_jax(jitted: bool, dtype: str, c_dtype: str) -> None:
    library = jax()

    def program(x: Any, u: Any) -> Any:
        qml.RX(x[0], 0)
        qml.QubitUnitary(u, 0)
        qml.CRY(x[1], [0, 1])
        return qml.expval(qml.Z(1)), qml.probs(wires=[0, 1])

    x = library.numpy.array([0.4, 0.9], dtype=dtype)
    u = library.numpy.array(unitary(1), dtype="complex64" if dtype == "float32" else "complex128")
    found = []
    for device in (qml.device(OURS, wires=2, c_dtype=c_dtype), qml.device(THEIRS, wires=2)):
        node = qml.QNode(program, device, interface="jax")

        def slopes(x: Any, u: Any, node: Any = node) -> Any:
            return library.vjp(lambda *given_: scalar(node(*given_)), x, u)[1](library.numpy.ones(()))

        values, gradients = (library.jit(f) if jitted else f for f in (node, slopes))
        found.append([*values(x, u), *gradients(x, u)])
    for mine, other in zip(*found, strict=True):
        single = dtype == "float32" or c_dtype == "complex64"
        np.testing.assert_allclose(mine, other, rtol=0, atol=3e-5 if single else 1e-12)
    assert [g.dtype for g in found[0][2:]] == [x.dtype, u.dtype]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-4, 2), st.integers(1, 4), st.integers(0, 3))
def test_exponentials_are_right_to_the_last_digits(size: float, n: int, seed: int) -> None:
    """Against SciPy's, also where torch's own is off by 2e-10; derivatives against those of the eigenvectors."""
    values = numpy_rng("exponential", str(n), str(seed)).normal(size=(n, n, 2))
    hermitian = values[..., 0] + values[..., 0].T + 1j * (values[..., 1] - values[..., 1].T)
    matrix = -1j * 10**size * hermitian / max(1e-300, np.abs(hermitian).sum(0).max())
    error = np.abs(exponential(torch.tensor(matrix)).numpy() - linalg.expm(matrix)).max()
    assert error < 1e-14 * max(1, 4 * 10**size)
    direction = torch.tensor(1j * np.roll(hermitian, 1, 0))
    derivative = torch.func.jvp(exponential, (torch.tensor(matrix),), (direction,))[1]
    wanted = linalg.expm_frechet(matrix, direction.numpy())[1]
    np.testing.assert_allclose(derivative, wanted, rtol=0, atol=1e-13 * max(1, 10**size) * np.abs(wanted).max())


SPECIAL: dict[str, Callable[[float], Any]] = {
    "MultiRZ": lambda t: qml.MultiRZ(t, range(3)),
    "PauliRot": lambda t: qml.PauliRot(t, "XYZ", range(3)),
    "Permute": lambda t: qml.Permute([2, 0, 1], range(3)),
    "QFT": lambda t: qml.QFT(range(3)),
    "GroverOperator": lambda t: qml.GroverOperator(range(3)),
    "C(GlobalPhase)": lambda t: qml.ctrl(qml.GlobalPhase(t), [0, 1]),
    "C(S)": lambda t: qml.ctrl(qml.S(2), [0, 1]),
    "C(T)": lambda t: qml.ctrl(qml.T(2), [0]),
}


def instance(name: str, angle: float) -> Any:
    """The operation of that name with all its parameters at an angle."""
    if name in SPECIAL:
        return SPECIAL[name](angle)
    kind = getattr(qml, name)
    return kind(*[angle] * kind.num_params, wires=range(kind.num_wires))


@pytest.mark.parametrize("name", sorted(EXACT))
def test_decompositions_that_are_used_are_the_operation(name: str) -> None:
    for angle in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.7, np.pi, -2 * np.pi, 5.1):
        operation = instance(name, angle)
        assert not is_kept(operation)
        wires = operation.wires
        made = qml.matrix(qml.tape.QuantumScript(decomposition(operation)), wire_order=wires)
        wanted = qml.matrix(operation, wire_order=wires) if operation.has_matrix else None
        if wanted is not None:
            np.testing.assert_allclose(made, wanted, rtol=0, atol=4e-15)


KEPT: dict[str, Any] = {
    "controlled unitary": qml.ControlledQubitUnitary(unitary(1), wires=[0, 1, 2], control_values=[0, 1]),
    "controlled rotation": qml.ctrl(qml.RX(0.3, 2), [0, 1], control_values=[0, 1]),
    "controlled product": qml.ctrl(qml.prod(qml.X(0), qml.RX(0.3, 1)), [2], control_values=[0]),
    "power": qml.pow(qml.QubitUnitary(unitary(2), [0, 1]), 3, lazy=True),
    "power of an exponential": qml.pow(qml.exp(qml.X(0) + qml.Z(1), -0.3j), 2.5, lazy=True),
    "turned back": qml.adjoint(qml.exp(qml.X(0) + qml.Z(1), -0.3j), lazy=True),
    "real exponential": qml.exp(qml.X(0), 0.4),
    "phases": qml.PCPhase(0.4, 3, [0, 1]),
    "sum": qml.sum(qml.X(0), 0.5 * qml.Z(1)),
    "Hamiltonian": qml.Hamiltonian([0.3, 0.4], [qml.X(0), qml.Z(1) @ qml.Y(0)]),
    "special unitary": qml.SpecialUnitary(np.arange(15) * 0.1, wires=[0, 1]),
    "excitation": qml.DoubleExcitationPlus(0.3, [0, 1, 2, 3]),
    "comparison": qml.IntegerComparator(2, geq=True, wires=[0, 1, 2]),
}


def _resolved(matrix: Any) -> Any:
    return matrix.resolve_conj().numpy() if isinstance(matrix, torch.Tensor) else matrix


@pytest.mark.parametrize("name", KEPT)
def test_operations_with_other_parameters_stay_what_they_are(name: str) -> None:
    operation = KEPT[name] if is_kept(KEPT[name]) else decomposition(KEPT[name])[0]
    with_same = bound(
        operation,
        [
            torch.as_tensor(np.asarray(value, dtype=complex if np.iscomplexobj(value) else float))
            for value in operation.data
        ],
    )
    wanted = qml.matrix(KEPT[name], wire_order=KEPT[name].wires)
    np.testing.assert_allclose(
        _resolved(qml.matrix(with_same, wire_order=KEPT[name].wires)), wanted, rtol=0, atol=1e-14
    )
