"""Circuits on PennyLane's simulators: the oracle, and the yardstick of speed. Both compute in complex128 only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import pennylane as qml
import torch
from pennylane.devices import ExecutionConfig
from pennylane.exceptions import DeviceError
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Observable, Pauli
from qinn_bench.values import Refused

OPERATORS = {"H": "Hadamard", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "CPhase": "ControlledPhaseShift"}
ADJOINT = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True, grad_on_execution=True)


class PennyLane(ABC):
    """What both simulators do alike; the Jacobian takes one backward pass per observable."""

    name: str
    twice_differentiable: bool

    @abstractmethod
    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of the readout, ``(B, n_readout)``, differentiable."""

    @abstractmethod
    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``."""

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Expectation values and their derivatives along the inputs, ``(B, n_readout, n_inputs)``."""
        trained = torch.is_grad_enabled()
        twice = trained and self.twice_differentiable
        with torch.enable_grad():
            leaf = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
            values = self.run(circuit, leaf, weights)
            jacobian = torch.stack([_row(value, leaf, twice) for value in values.unbind(1)], 1)
        if not trained:
            return values.detach(), jacobian.detach()
        return values, jacobian if twice else _untrainable(self.name, jacobian, weights)


class DefaultQubit(PennyLane):
    """PennyLane's reference simulator: one broadcast QNode, differentiated by torch."""

    name = "default.qubit"
    twice_differentiable = True

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of the readout, ``(B, n_readout)``, differentiable."""
        values = self._execute(circuit, inputs, weights, [qml.expval(_observable(p)) for p in circuit.readout])
        return torch.stack([value.expand(len(inputs)) for value in values], -1).to(inputs.dtype)

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``."""
        (amplitudes,) = self._execute(circuit, inputs, weights, [qml.state()])
        return amplitudes.expand(len(inputs), 2**circuit.n_wires).to(inputs.dtype.to_complex())

    def _execute(self, circuit: Circuit, inputs: Tensor, weights: Tensor, measured: list[Any]) -> tuple[Tensor, ...]:
        """The measurements' results, with a leading batch axis where an input enters."""
        angles = _angles(circuit, inputs, weights)

        def program(*radians: Tensor) -> tuple[Any, ...]:
            _operators(circuit, radians)
            return tuple(qml.apply(measurement) for measurement in measured)

        node = qml.QNode(program, _device(self.name, circuit.n_wires), interface="torch", diff_method="backprop")
        results: tuple[Tensor, ...] = tuple(node(*angles))
        return results


class LightningQubit(PennyLane):
    """PennyLane's compiled simulator with adjoint differentiation; it takes the samples of a batch one by one.

    It gives first derivatives of expectation values only: Jacobians and states are values, and training through them
    is refused.
    """

    name = "lightning.qubit"
    twice_differentiable = False

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of the readout, ``(B, n_readout)``, once differentiable."""
        angles = _angles(circuit, inputs, weights)
        columns = torch.stack([angle.expand(len(inputs)) for angle in angles], 1) if angles else inputs[:, :0].double()
        values: Tensor = _Adjoint.apply(columns, circuit)  # type: ignore[no-untyped-call]
        return values.to(inputs.dtype)

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``."""
        with torch.no_grad():
            angles = [angle.expand(len(inputs)) for angle in _angles(circuit, inputs, weights)]
        scripts = [
            qml.tape.QuantumScript(_operators(circuit, [angle[b].item() for angle in angles]), [qml.state()])
            for b in range(len(inputs))
        ]
        rows = _device(self.name, circuit.n_wires).execute(scripts)
        amplitudes = torch.as_tensor(np.stack(rows)).to(inputs.dtype.to_complex())
        return _untrainable(self.name, amplitudes, weights)


class _Adjoint(torch.autograd.Function):
    """Expectation values of lightning.qubit as a function of all angles ``(B, n_angles)``."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, circuit: Circuit) -> Tensor:
        """``(B, n_readout)``."""
        measured = [qml.expval(_observable(pauli)) for pauli in circuit.readout]
        shape = (len(angles), len(measured))
        trainable = list(range(angles.shape[1]))
        scripts = [
            qml.tape.QuantumScript(_operators(circuit, row), measured, trainable_params=trainable)
            for row in angles.tolist()
        ]
        device = _device("lightning.qubit", circuit.n_wires)
        derivatives: Any = np.zeros((*shape, 0))
        if trainable:
            values, derivatives = device.execute_and_compute_derivatives(scripts, ADJOINT)
        else:
            values = device.execute(scripts)
        ctx.save_for_backward(torch.as_tensor(np.asarray(derivatives)).reshape(*shape, -1))
        return torch.as_tensor(np.asarray(values)).reshape(shape)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None]:
        """``(B, n_angles)``."""
        (derivatives,) = ctx.saved_tensors
        return torch.einsum("bm,bma->ba", cotangents[0], derivatives), None


class _Untrainable(torch.autograd.Function):
    """Passes values on, tied to the graph by the weights, and refuses to differentiate them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, _: Tensor, name: str) -> Tensor:
        """The values."""
        ctx.name = name
        return values.detach().clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[None, ...]:
        """Refuse."""
        raise Refused(
            f"backend '{ctx.name}' cannot train through a Jacobian or a state, because its adjoint differentiation "
            "gives first derivatives of expectation values only; backends that can: torch, default.qubit"
        )


def _untrainable(name: str, values: Tensor, weights: Tensor) -> Tensor:
    refusing: Tensor = _Untrainable.apply(values, weights, name)  # type: ignore[no-untyped-call]
    return refusing


def _row(value: Tensor, inputs: Tensor, twice: bool) -> Tensor:
    """The derivative of one observable along the inputs, ``(B, n_inputs)``."""
    if not value.requires_grad:
        return torch.zeros_like(inputs)
    (row,) = torch.autograd.grad(value.sum(), inputs, retain_graph=True, create_graph=twice, allow_unused=True)
    return torch.zeros_like(inputs) if row is None else row


def _angles(circuit: Circuit, inputs: Tensor, weights: Tensor) -> list[Tensor]:
    """Every angle of the circuit in order and in float64, ``(B,)`` where an input enters, else a scalar."""
    x, w = inputs.double(), weights.to(inputs.device).double()
    return [_radians(angle, x, w) for gate in _plain(circuit) for angle in gate.angles]


def _radians(angle: Angle, inputs: Tensor, weights: Tensor) -> Tensor:
    value = inputs.new_tensor(angle.constant)
    if angle.weight is not None:
        value = value + weights[angle.weight]
    if angle.input is not None:
        term = inputs[:, angle.input]
        value = value + (term if angle.scale is None else weights[angle.scale] * term)
    return angle.factor * value


def _operators(circuit: Circuit, radians: Any) -> list[Any]:
    """PennyLane's operators."""
    left = iter(radians)
    return [
        getattr(qml, OPERATORS.get(gate.name, gate.name))(*(next(left) for _ in gate.angles), wires=gate.wires)
        for gate in _plain(circuit)
    ]


@lru_cache(maxsize=256)
def _plain(circuit: Circuit) -> tuple[Gate, ...]:
    """The gates with Rot and U3 spelled out, as adjoint differentiation wants it: one angle in each."""
    return tuple(part for gate in circuit.gates for part in _spelled(gate))


def _spelled(gate: Gate) -> tuple[Gate, ...]:
    if gate.name not in ("Rot", "U3"):
        return (gate,)
    outer: GateName = "RZ" if gate.name == "Rot" else "PhaseShift"
    first, middle, last = gate.angles if gate.name == "Rot" else (gate.angles[k] for k in (2, 0, 1))
    named: tuple[tuple[GateName, Angle], ...] = ((outer, first), ("RY", middle), (outer, last))
    return tuple(Gate(name, gate.wires, (angle,)) for name, angle in named)


def _observable(pauli: Observable) -> Any:
    if not isinstance(pauli, Pauli):
        raise Refused("PennyLane's simulators read out Pauli words only; 'torch' reads out everything")
    letters = [getattr(qml, letter)(wire) for letter, wire in zip(pauli.word, pauli.wires, strict=True)]
    return qml.prod(*letters) if len(letters) > 1 else letters[0]


def _device(name: str, n_wires: int) -> Any:
    try:
        return qml.device(name, wires=n_wires)
    except (DeviceError, ImportError, RuntimeError) as error:
        raise Refused(f"backend '{name}' cannot run here: {error}") from error


def open_device(name: str) -> PennyLane:
    """The simulator of that name.

    Raises:
        Refused: the device cannot run here; the reason is named.
    """
    _device(name, 1)
    return DefaultQubit() if name == "default.qubit" else LightningQubit()
