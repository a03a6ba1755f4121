"""The PennyLane device `qinn.native`: QNodes of anyone run on the compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pennylane.decomposition.gate_set import GateSet
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.default_qubit import accepted_analytic_measurement, accepted_sample_measurement
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    no_sampling,
    validate_device_wires,
    validate_measurements,
)
from pennylane.exceptions import DeviceError
from pennylane.gradients import param_shift
from pennylane.math import Interface, get_interface, is_abstract, toarray
from pennylane.transforms import defer_measurements
from pennylane.transforms.core import CompilePipeline
from torch import Tensor

from qinn_bench.quantum.pennylane.tape_autograd import is_followed, through_autograd
from qinn_bench.quantum.pennylane.tape_binding import as_tensor, concrete, unseen_parameters
from qinn_bench.quantum.pennylane.tape_gates import NATIVE, decomposition, is_kept
from qinn_bench.quantum.pennylane.tape_results import evaluate, sample
from qinn_bench.quantum.pennylane.tape_transforms import in_double_precision, observing_in_numpy, rows_apart
from qinn_bench.quantum.pennylane.tapes import Precision
from qinn_bench.quantum.simulators import native

REALS = {np.dtype(np.complex64): torch.float32, np.dtype(np.complex128): torch.float64}
JAX = (Interface.JAX, Interface.JAX_JIT)
DERIVATIVES = ("best", "device", "backprop", "adjoint")


@simulator_tracking
@single_tape_support
class NativeDevice(Device):  # type: ignore[misc]
    """Simulation of QNodes by the compiled kernel; a batch of parameters are the rows of one call.

    Derivatives are those of the kernel's reversible adjoint, for every exact measurement, states included: with the
    torch and autograd interfaces through their graphs, to any order; with jax as vector-Jacobian products of the device
    (second order by parameter shifts). Finite shots are drawn from the final state; mid-circuit measurements are
    deferred. Operations that have a matrix but no decomposition, and trained state preparations, are applied by
    PennyLane, and so is what follows them.

    Args:
        wires: the labels of the wires or their number; None takes those of each circuit.
        shots: the number of shots of circuits that name none; None is exact.
        seed: seeds the draws of finite shots: the same seed and the same calls give the same bits.
        c_dtype: complex128, or complex64 for speed.
        threads: how many threads the kernel uses; None is as many as torch. Results do not depend on it.

    Raises:
        DeviceError: the kernel was not built, or the precision is neither complex64 nor complex128.
    """

    name = "qinn.native"

    def __init__(
        self,
        wires: Any = None,
        shots: Any = None,
        *,
        seed: Any = None,
        c_dtype: Any = np.complex128,
        threads: int | None = None,
    ) -> None:
        super().__init__(wires=wires, shots=shots)
        if not native.AVAILABLE:
            raise DeviceError(f"qinn.native needs the compiled simulator, which {native.ABSENCE}")
        if np.dtype(c_dtype) not in REALS:
            raise DeviceError(f"qinn.native computes in complex64 or complex128, not in {np.dtype(c_dtype)}")
        self._precision = Precision(REALS[np.dtype(c_dtype)], threads)
        self._rng = np.random.default_rng(seed)

    def supports_derivatives(self, execution_config: ExecutionConfig | None = None, circuit: Any = None) -> bool:
        """Whether the device differentiates: exact circuits, by best, device, backprop and adjoint."""
        exact = circuit is None or not circuit.shots
        return exact and (execution_config is None or execution_config.gradient_method in DERIVATIVES)

    def supports_vjp(self, execution_config: ExecutionConfig | None = None, circuit: Any = None) -> bool:
        """Whether the device has vector-Jacobian products: where it differentiates."""
        return self.supports_derivatives(execution_config, circuit)

    def setup_execution_config(self, config: ExecutionConfig | None = None, circuit: Any = None) -> ExecutionConfig:
        """The configuration with all choices made.

        Raises:
            DeviceError: a method for mid-circuit measurements other than "deferred" was asked for.
        """
        config = config or ExecutionConfig()
        method = config.mcm_config.mcm_method
        if method not in (None, "deferred", "device"):
            raise DeviceError(f"mcm_method {method} is not supported by qinn.native, which knows 'deferred'")
        changes: dict[str, Any] = {"mcm_config": replace(config.mcm_config, mcm_method="deferred")}
        if config.gradient_method in DERIVATIVES:
            changes |= _differentiation(config, circuit)
        return replace(config, **changes)

    def preprocess_transforms(self, execution_config: ExecutionConfig | None = None) -> CompilePipeline:
        """What turns any tape into tapes that `execute` takes."""
        pipeline = CompilePipeline()
        pipeline.add_transform(defer_measurements, allow_postselect=True)
        pipeline.add_transform(
            decompose,
            stopping_condition=is_kept,
            decomposer=decomposition,
            device_wires=self.wires,
            target_gates=GateSet(NATIVE),
            name=self.name,
        )
        pipeline.add_transform(device_resolve_dynamic_wires, wires=self.wires, allow_resets=False)
        pipeline.add_transform(validate_device_wires, self.wires, name=self.name)
        pipeline.add_transform(
            validate_measurements,
            analytic_measurements=accepted_analytic_measurement,
            sample_measurements=accepted_sample_measurement,
            name=self.name,
        )
        pipeline.add_transform(rows_apart)
        if execution_config is not None and execution_config.interface in JAX:
            pipeline.add_transform(in_double_precision)
        if execution_config is not None and execution_config.gradient_method in DERIVATIVES:
            pipeline.add_transform(no_sampling, name=self.name)
        return pipeline

    def execute(self, circuits: Any, execution_config: ExecutionConfig | None = None) -> Any:
        """The results of each circuit: torch tensors where torch differentiates them, else NumPy arrays."""
        config = execution_config or ExecutionConfig()
        double = _doubled if config.interface in JAX else lambda results: results
        return tuple(double(self._execute(tape, config)) for tape in circuits)

    def _execute(self, tape: Any, config: ExecutionConfig) -> Any:
        data = [value for operation in tape.operations for value in operation.data]
        if tape.shots:
            mode = config.mcm_config.postselect_mode
            numbers = [toarray(value) for value in data]
            return sample(tape, numbers, self._precision, rng=self._rng, postselect_mode=mode)
        tape = observing_in_numpy(tape)
        if config.interface == Interface.TORCH and config.gradient_method == "backprop":
            return _one_or_all(evaluate(tape, data, self._precision))
        if any(map(is_followed, tape.get_parameters(trainable_only=False))):
            return _one_or_all(self._followed(tape))
        with torch.no_grad():
            return _one_or_all(tuple(map(_array, evaluate(tape, data, self._precision))))

    def compute_vjp(self, circuits: Any, cotangents: Any, execution_config: ExecutionConfig | None = None) -> Any:
        """For each circuit the products of its results' cotangents with their Jacobian along the trainable parameters.

        There is one product for each parameter, in the parameter's shape.
        """
        return self.execute_and_compute_vjp(circuits, cotangents, execution_config)[1]

    def execute_and_compute_vjp(
        self,
        circuits: Any,
        cotangents: Any,
        execution_config: ExecutionConfig | None = None,
    ) -> tuple[Any, Any]:
        """The results of each circuit, and what `compute_vjp` gives."""
        config = execution_config or ExecutionConfig()
        double = _doubled if config.interface in JAX else lambda results: results
        pairs = [self._pull(tape, given) for tape, given in zip(circuits, cotangents, strict=True)]
        return tuple(double(results) for results, _ in pairs), tuple(products for _, products in pairs)

    def _pull(self, tape: Any, cotangents: Any) -> tuple[Any, Any]:
        results, leaves = self._traced(tape)
        given = cotangents if len(results) > 1 or isinstance(cotangents, tuple | list) else (cotangents,)
        products = _products(results, leaves, [toarray(concrete(c)) for c in given])
        # For a complex parameter z torch takes dL/dz*, while PennyLane, autograd and jax take dL/dz.
        return _one_or_all(tuple(map(_array, results))), tuple(_array(product.conj()) for product in products)

    def _traced(self, tape: Any) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """The results of a tape as functions of its trainable parameters, in double precision."""
        values = tape.get_parameters(trainable_only=False)
        for k in tape.trainable_params:
            values[k] = as_tensor(values[k]).detach().clone().requires_grad_()
        with torch.enable_grad():
            return self._at(observing_in_numpy(tape), values), [values[k] for k in tape.trainable_params]

    def _followed(self, tape: Any) -> tuple[Any, ...]:
        """The results of a tape some of whose parameters autograd follows, as arrays that it follows."""
        values = tape.get_parameters(trainable_only=False)
        places = [k for k, value in enumerate(values) if is_followed(value)]

        def run(tensors: list[Tensor]) -> tuple[Tensor, ...]:
            return self._at(tape, [tensors[places.index(k)] if k in places else v for k, v in enumerate(values)])

        return through_autograd(run, [values[k] for k in places])

    def _at(self, tape: Any, values: Sequence[Any]) -> tuple[Tensor, ...]:
        """The results of a tape with these parameters in place of its own."""
        n = sum(len(operation.data) for operation in tape.operations)
        observed = [k for k in range(n, len(values)) if isinstance(values[k], Tensor)]
        if observed:
            tape = tape.bind_new_parameters([values[k] for k in observed], observed)
        return evaluate(tape, values[:n], self._precision)


def _differentiation(config: ExecutionConfig, circuit: Any) -> dict[str, Any]:
    """Through the graphs of torch and autograd, else products of the device or parameter shifts."""
    interface = _interface(config, circuit)
    in_graph = interface in (Interface.TORCH, Interface.AUTOGRAD)
    shifted = not in_graph and config.derivative_order > 1
    return {
        "interface": interface,
        "gradient_method": "backprop" if in_graph else param_shift if shifted else "adjoint",
        "use_device_gradient": not shifted,
        "use_device_jacobian_product": not in_graph and not shifted,
        "grad_on_execution": False,
        # PennyLane asks for products under jax.jit only where it leaves the parameters to the device.
        "convert_to_numpy": in_graph or shifted or interface != Interface.JAX_JIT,
    }


def _interface(config: ExecutionConfig, circuit: Any) -> Interface:
    """The library of the parameters, those included that PennyLane does not see: of H in ``Evolution(H, t)``."""
    if circuit is None or config.interface not in (Interface.AUTO, Interface.NUMPY):
        return config.interface
    values = [value for operation in circuit.operations for value in unseen_parameters(operation)]
    if config.interface == Interface.AUTO:
        values += circuit.get_parameters(trainable_only=False)
    library = Interface(get_interface(*values)) if values else config.interface
    return Interface.JAX_JIT if library == Interface.JAX and any(map(is_abstract, values)) else library


def _one_or_all(results: tuple[Any, ...]) -> Any:
    return results[0] if len(results) == 1 else results


def _array(result: Any) -> Any:
    return result.detach().resolve_conj().numpy()[()] if isinstance(result, Tensor) else result


def _doubled(results: Any) -> Any:
    """Results in double precision: jax is told of types before it calls, and of none but its own."""
    if isinstance(results, dict):
        return results
    if isinstance(results, tuple | list):
        return tuple(map(_doubled, results))
    array = np.asarray(results)
    return array.astype(np.result_type(array, np.float64))[()] if array.dtype.kind in "fc" else results


def _products(results: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Any]) -> list[Tensor]:
    """For each leaf the product with the Jacobian; many where cotangents have one more axis, which comes first."""
    counts = [len(given) for r, given in zip(results, cotangents, strict=True) if given.ndim > r.ndim]
    if not counts:
        return _pulled(results, leaves, cotangents)
    pairs = zip(results, cotangents, strict=True)
    stacks = [given if given.ndim > r.ndim else np.broadcast_to(given, (counts[0], *r.shape)) for r, given in pairs]
    columns = zip(*(_pulled(results, leaves, row) for row in zip(*stacks, strict=True)), strict=True)
    return [torch.stack(column) for column in columns]


def _pulled(results: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Any]) -> list[Tensor]:
    """One product for each leaf; torch's cotangents are the conjugates of PennyLane's."""
    pairs = [
        (r, torch.tensor(np.broadcast_to(given, r.shape)).to(r.dtype).conj())
        for r, given in zip(results, cotangents, strict=True)
    ]
    gradients: Sequence[Tensor | None] = [None] * len(leaves)
    if leaves and any(r.requires_grad for r in results):
        outputs, given = zip(*(pair for pair in pairs if pair[0].requires_grad), strict=True)
        gradients = torch.autograd.grad(outputs, leaves, given, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True)]
