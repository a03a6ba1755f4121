"""Does a PennyLane device give right numbers: values, first and second derivatives, batches, the same for a seed?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from math import pi
from typing import Any, Literal

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from pennylane.devices import Device

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Pauli, WeightBlock, z_on
from qinn_bench.quantum.pennylane.differentiation import LIBRARIES, Library, Vector
from qinn_bench.quantum.simulators import statevector
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Refused

CheckStatus = Literal["passed", "failed", "not supported"]
SHIFTS = "parameter-shift"
METHODS = ("backprop", "adjoint", SHIFTS, "best")
LAYERS, ROWS, SHOTS = 2, 3, 50
TOLERANCE = {"values": 1e-6, "first": 1e-5, "second": 1e-5}
"""What single precision explains: some devices' results get it on their way to torch. What is missing is of order 1."""
DOUBLE = 1e-9
"""Beyond it a number is in single precision, or nearly so."""
FIRST = ("values", "batch values", "VJP", "batch VJP", "JVP")
SECOND = ("HVP", "Jacobian of Jacobian", "HVP, max_diff=2", "Jacobian of Jacobian, max_diff=2")
QUANTITIES = (*FIRST, *SECOND)


@dataclass(frozen=True)
class DeviceCheck:
    """What became of one check; `difference` is the largest absolute one to the exact number, or None."""

    interface: str
    method: str
    quantity: str
    status: CheckStatus
    difference: float | None = None
    reason: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the device gives a wrong number: second derivatives by parameter shifts are PennyLane's own."""
        return self.status == "failed" and not (self.method == SHIFTS and self.quantity in SECOND)


def conformance(name: str, n_wires: int = 2) -> tuple[DeviceCheck, ...]:
    """Every check of a device by its PennyLane name, in every interface that is here and by every method.

    The exact numbers are those of this project's statevector in torch, in double precision.

    Raises:
        Refused: there is no such device, it cannot be made here, or the wires are fewer than 2 or more than 10.
    """
    if not 2 <= n_wires <= 10:
        raise Refused(f"{n_wires} wires were given, but a device is examined on 2 to 10 of them")
    _made(name, n_wires)
    case = _Case.drawn(n_wires)
    checks = [check for library in LIBRARIES if library.here() for check in _derivatives(name, library, case)]
    return (*checks, *_seeds(name, case))


def installed() -> tuple[str, ...]:
    """The names of PennyLane's devices and plug-ins that are here."""
    return tuple(sorted(qml.plugin_devices))


def _made(name: str, n_wires: int, **options: Any) -> Device:
    if name not in qml.plugin_devices:
        raise Refused(f"there is no PennyLane device '{name}'; installed are: {', '.join(installed())}")
    try:
        return qml.device(name, wires=n_wires, **options)
    except Exception as error:
        raise Refused(f"the PennyLane device '{name}' cannot be made here: {_sentence(error)}") from error


@dataclass(frozen=True)
class _Case:
    """One circuit, the numbers it is taken at, and the directions of its derivatives."""

    n_wires: int
    x: NDArray[np.float64]
    rows: NDArray[np.float64]
    weights: NDArray[np.float64]
    cotangent: NDArray[np.float64]
    direction: NDArray[np.float64]

    @classmethod
    def drawn(cls, n_wires: int) -> _Case:
        rng = numpy_rng("conformance", str(n_wires))
        x, weights = rng.uniform(-pi, pi, n_wires), rng.uniform(-pi, pi, (LAYERS, n_wires))
        return cls(n_wires, x, rng.uniform(-pi, pi, (ROWS, n_wires)), weights, *rng.normal(size=(2, n_wires)))

    def program(self, x: Any) -> Any:
        """The circuit in PennyLane; a batch of inputs has its axis first."""
        for layer in range(LAYERS):
            for wire in range(self.n_wires):
                qml.RY(x[..., wire] + self.weights[layer, wire], wires=wire)
                qml.RZ(0.7 * x[..., wire], wires=wire)
            for wire in range(self.n_wires - 1):
                qml.CNOT([wire, wire + 1])
        word = qml.X(0) @ qml.Y(1)
        return [qml.expval(word), *(qml.expval(qml.Z(wire)) for wire in range(1, self.n_wires))]

    def exact(self, x: torch.Tensor) -> torch.Tensor:
        """The same by this project's statevector: ``(n,) -> (n,)`` or ``(B, n) -> (B, n)``."""
        n, gates = self.n_wires, []
        for layer in range(LAYERS):
            for wire in range(n):
                gates.append(Gate("RY", (wire,), (Angle(layer * n + wire, wire),)))
                gates.append(Gate("RZ", (wire,), (Angle(input=wire, factor=0.7),)))
            gates += [Gate("CNOT", (wire, wire + 1)) for wire in range(n - 1)]
        readout = (Pauli("XY", (0, 1)), *z_on(range(1, n)))
        circuit = Circuit(n, n, (WeightBlock("w", (LAYERS * n,)),), tuple(gates), readout)
        values = statevector.run(circuit, x.reshape(-1, n), torch.as_tensor(self.weights.flatten()))
        return values.reshape(x.shape)


def _derivatives(name: str, library: Library, case: _Case) -> Iterator[DeviceCheck]:
    exact = _answers(LIBRARIES[0], lambda _: case.exact, case, "torch")
    for method in METHODS:

        def node(max_diff: int, method: str = method) -> Vector:
            made = qml.QNode(
                case.program, _made(name, case.n_wires), interface=library.name, diff_method=method, max_diff=max_diff
            )
            return lambda x: library.stacked(made(x))

        answers = _answers(library, node, case, method)
        for quantity, ask in answers.items():
            yield _compared(library.name, method, quantity, ask, exact[quantity])


def _answers(
    library: Library, node: Callable[[int], Vector], case: _Case, method: str
) -> dict[str, Callable[[], NDArray[np.float64]]]:
    """How each quantity is asked for; the scalar whose Hessian is taken is the sum of the sines of the outputs."""
    c, v, rows = case.cotangent, case.direction, np.tile(case.cotangent, (ROWS, 1))
    asked: dict[str, Callable[[], NDArray[np.float64]]] = {
        "values": lambda: library.values(node(1), case.x),
        "batch values": lambda: library.values(node(1), case.rows),
        "VJP": lambda: library.vjp(node(1), case.x, c),
        "batch VJP": lambda: library.vjp(node(1), case.rows, rows),
        "JVP": lambda: library.jvp(node(1), case.x, v),
    }
    for suffix, order in (("", 1), (", max_diff=2", 2)):
        if order == 1 or method != "backprop":
            asked["HVP" + suffix] = lambda order=order: library.hvp(node(order), case.x, v)  # type: ignore[misc]
            asked["Jacobian of Jacobian" + suffix] = lambda order=order: library.second(node(order), case.x)  # type: ignore[misc]
    return asked


def _compared(
    interface: str,
    method: str,
    quantity: str,
    ask: Callable[[], NDArray[np.float64]],
    exact: Callable[[], NDArray[np.float64]],
) -> DeviceCheck:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = np.asarray(ask())
    except Exception as error:  # whatever a device raises is its way of saying that it cannot
        return DeviceCheck(interface, method, quantity, "not supported", reason=_sentence(error))
    wanted = exact()
    if answer.dtype == object:
        return DeviceCheck(
            interface, method, quantity, "not supported", reason="gives no numbers, but what autograd follows"
        )
    if answer.shape != wanted.shape:
        reason = f"has the shape {answer.shape}, not {wanted.shape}"
        return DeviceCheck(interface, method, quantity, "failed", reason=reason)
    difference = float(np.abs(answer - wanted).max())
    kind = "values" if "values" in quantity else "second" if quantity in SECOND else "first"
    status: CheckStatus = "passed" if difference <= TOLERANCE[kind] else "failed"
    return DeviceCheck(interface, method, quantity, status, difference)


def _seeds(name: str, case: _Case) -> Iterator[DeviceCheck]:
    """Whether the same seed gives the same shots, and another seed others."""
    if "seed" not in signature(qml.plugin_devices[name].load().__init__).parameters:
        yield DeviceCheck("numpy", "–", "seeds", "not supported", reason="the device takes no seed")
        return

    def draw(seed: int) -> Any:
        def program() -> Any:
            for wire in range(case.n_wires):
                qml.Hadamard(wire)
            return qml.sample(wires=range(case.n_wires))

        node = qml.set_shots(qml.QNode(program, _made(name, case.n_wires, seed=seed)), SHOTS)
        return np.asarray([node(), node()])

    try:
        same, other = np.array_equal(draw(7), draw(7)), np.array_equal(draw(7), draw(8))
    except Exception as error:  # as above
        yield DeviceCheck("numpy", "–", "seeds", "not supported", reason=_sentence(error))
        return
    reason = "" if same and not other else "two seeds give the same shots" if same else "one seed gives other shots"
    yield DeviceCheck("numpy", "–", "seeds", "failed" if reason else "passed", reason=reason)


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
