"""Circuits on PennyLane's simulators: the oracle, and the yardstick of speed. All compute in complex128 only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pennylane as qml
import torch
from pennylane.devices import ExecutionConfig
from pennylane.exceptions import DeviceError
from torch import Tensor

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.tensor_kind import TensorKind
from qinn_bench.quantum.pennylane.circuits import expectations, folded, measurements, natural, one_angled
from qinn_bench.quantum.simulators.forecast import require_room
from qinn_bench.quantum.simulators.jacobian import by_backward_passes, untrainable
from qinn_bench.values import Refused

ADJOINT = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True, grad_on_execution=True)


class DefaultQubit:
    """PennyLane's reference simulator: one broadcast circuit, differentiated by torch any number of times.

    The natural form runs the gates as they are written; the other, `unitaries`, multiplies the gates of a wire between
    two entanglers into one `QubitUnitary` per sample, which is exact and takes PennyLane less time.
    """

    def __init__(self, *, unitaries: bool = False) -> None:
        self.name = "default.qubit:unitary" if unitaries else "default.qubit"
        self._form = folded if unitaries else natural

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The readout, ``(B, n_outputs)``, differentiable."""
        require_room("default.qubit", circuit, inputs, weights)
        operators = self._form(circuit, _double(inputs)).operators(inputs.double(), weights)
        results = _executed(circuit, operators, measurements(circuit.readout), inputs)
        batch = (len(inputs),)
        sized = [r.expand(batch)[:, None] if r.shape in ((), batch) else r.expand(*batch, -1) for r in results]
        return torch.cat(sized, 1).to(inputs.dtype) if sized else inputs.new_zeros(len(inputs), 0)

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The readout and its derivatives along the inputs, ``(B, n_outputs, n_inputs)``, both differentiable."""
        require_room("default.qubit", circuit, inputs, weights, jacobian=True)
        return by_backward_passes(lambda leaf: self.run(circuit, leaf, weights), inputs)

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``; the form is always the natural one, which keeps the phase."""
        require_room("default.qubit", circuit, inputs, weights)
        operators = natural(circuit, _double(inputs)).operators(inputs.double(), weights)
        (amplitudes,) = _executed(circuit, operators, [qml.state()], inputs)
        return amplitudes.expand(len(inputs), 2**circuit.n_wires).to(inputs.dtype.to_complex())


def _executed(circuit: Circuit, operators: list[Any], measured: list[Any], inputs: Tensor) -> list[Tensor]:
    """The results of the measurements, with a leading batch axis where an input enters."""
    if not measured:
        return []
    script = qml.tape.QuantumScript(operators, measured)
    results = _device("default.qubit", circuit.n_wires).execute([script])[0]
    listed = results if len(measured) > 1 else (results,)
    return [torch.as_tensor(result, device=inputs.device) for result in listed]


class Lightning:
    """PennyLane's compiled simulators with adjoint differentiation; they take the samples of a batch one by one.

    They give first derivatives of expectation values only: Jacobians and states are values, and training through them
    is refused.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._refusal = (
            f"backend '{name}' cannot train through a Jacobian or a state, because its adjoint differentiation gives "
            "first derivatives of expectation values only; backends that can: torch, native, default.qubit"
        )

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The readout, ``(B, n_outputs)``, once differentiable."""
        require_room("lightning.qubit", circuit, inputs, weights)
        columns = one_angled(circuit, _double(inputs)).angles.rows(inputs.double(), weights)
        values: Tensor = _Adjoint.apply(columns, circuit, self.name)  # type: ignore[no-untyped-call]
        return values.to(inputs)

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The readout and, as values, its derivatives along the inputs, ``(B, n_outputs, n_inputs)``."""
        values, jacobian = by_backward_passes(lambda leaf: self.run(circuit, leaf, weights), inputs, trainable=False)
        return values, untrainable(jacobian, weights, self._refusal)

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``, as values."""
        require_room("lightning.qubit", circuit, inputs, weights)
        written = one_angled(circuit, _double(inputs))
        with torch.no_grad():
            rows = written.angles.rows(inputs.double(), weights).tolist()
        scripts = [qml.tape.QuantumScript(written.with_radians(row), [qml.state()]) for row in rows]
        executed = np.array(_device(self.name, circuit.n_wires).execute(scripts)).reshape(len(rows), 2**circuit.n_wires)
        amplitudes = torch.as_tensor(executed).to(inputs.device, inputs.dtype.to_complex())
        return untrainable(amplitudes, weights, self._refusal)


class _Adjoint(torch.autograd.Function):
    """The readout on a device as a function of all angles ``(B, n_angles)``."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, circuit: Circuit, name: str) -> Tensor:
        """``(B, n_outputs)``."""
        written = one_angled(circuit, _double(angles))
        measured, trainable = expectations(circuit.readout), list(range(angles.shape[1]))
        scripts = [
            qml.tape.QuantumScript(written.with_radians(row), measured, trainable_params=trainable)
            for row in angles.tolist()
        ]
        shape = (len(angles), len(measured))
        derivatives: Any = np.zeros((*shape, len(trainable)))
        device = _device(name, circuit.n_wires)
        if trainable and any(ctx.needs_input_grad):
            values, derivatives = device.execute_and_compute_derivatives(scripts, ADJOINT)
        else:
            values = device.execute(scripts)
        ctx.save_for_backward(angles.new_tensor(np.asarray(derivatives)).reshape(*shape, len(trainable)))
        return angles.new_tensor(np.asarray(values)).reshape(shape)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None, None]:
        """``(B, n_angles)``."""
        (derivatives,) = ctx.saved_tensors
        return torch.einsum("bm,bma->ba", cotangents[0], derivatives), None, None


def _double(tensor: Tensor) -> TensorKind:
    return TensorKind(torch.float64, tensor.device)


@lru_cache(maxsize=32)
def _device(name: str, n_wires: int) -> Any:
    try:
        return qml.device(name, wires=n_wires)
    except (DeviceError, ImportError, RuntimeError) as error:
        raise Refused(f"backend '{name}' cannot run here: {' '.join(str(error).split())}") from error


def check(name: str) -> None:
    """Open the device of that name once.

    Raises:
        Refused: it cannot run here; the reason is named.
    """
    _device(name, 1)
