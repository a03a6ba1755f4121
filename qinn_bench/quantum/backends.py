"""The simulators by name."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from torch import Tensor

from qinn_bench.quantum import native, statevector
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.values import Refused

PENNYLANE = ("default.qubit", "lightning.qubit")


class Backend(Protocol):
    """A simulator of circuits; inputs are ``(B, n_inputs)``, weights ``(n_weights,)``, in float32 or float64."""

    @property
    def name(self) -> str:
        """The name a study gives."""

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of the readout, ``(B, n_readout)``, differentiable."""

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Expectation values and their derivatives along the inputs, ``(B, n_readout, n_inputs)``."""

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``."""


class Torch:
    """This project's own statevector simulator, on any device of torch."""

    name = "torch"
    run = staticmethod(statevector.run)
    run_with_jacobian = staticmethod(statevector.run_with_jacobian)
    state = staticmethod(statevector.state)


class Native:
    """This project's compiled kernel, on the CPU; derivatives beyond the first are taken by the torch simulator."""

    name = "native"
    run = staticmethod(native.run)
    run_with_jacobian = staticmethod(native.run_with_jacobian)
    state = staticmethod(native.state)


def names() -> tuple[str, ...]:
    """What `get` accepts."""
    return ("auto", "native", "torch", *PENNYLANE)


def resolve(name: str, device: str = "cpu") -> str:
    """The simulator of a name: "auto" is the compiled kernel where it was built, on the CPU, else torch."""
    if name != "auto":
        return name
    return "native" if native.AVAILABLE and device == "cpu" else "torch"


def get(name: str) -> Backend:
    """The simulator of that name; "auto" as `resolve` has it on the CPU.

    Raises:
        Refused: no simulator has that name, or it cannot run here.
    """
    name = resolve(name)
    if name == "torch":
        return Torch()
    if name == "native":
        if not native.AVAILABLE:
            raise Refused("backend 'native' was asked for, but its extension was not built; 'torch' always works")
        return Native()
    if name not in PENNYLANE:
        raise Refused(f"no backend is called '{name}'; there are: {', '.join(names())}")
    # PennyLane takes seconds to import: only those who ask for it wait.
    executors = import_module("qinn_bench.quantum.pennylane_devices")
    backend: Backend = executors.DefaultQubit() if name == "default.qubit" else executors.Lightning(name)
    return backend
