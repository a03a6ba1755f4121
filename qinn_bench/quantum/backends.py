"""The simulators by name: what names there are, which of them can run here, and the one interface of all."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol

import torch
from torch import Tensor

from qinn_bench.quantum.backend_names import NAMES as NAMES
from qinn_bench.quantum.backend_names import BackendRequest as BackendRequest
from qinn_bench.quantum.backend_names import names as names
from qinn_bench.quantum.backend_names import parse as parse
from qinn_bench.quantum.backend_names import resolve as resolve
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.quantum.simulators.noise import Noisy, noisy_outcomes
from qinn_bench.quantum.simulators.shots import Shots
from qinn_bench.quantum.simulators.spsa import Perturbed
from qinn_bench.values import Refused

PLUGINS = {
    "lightning.kokkos": "pennylane_lightning.lightning_kokkos",
    "lightning.gpu": "pennylane_lightning.lightning_gpu",
}
HOMES = PLUGINS | {"lightning.qubit": "pennylane_lightning.lightning_qubit"}
"""The module of each simulator that is a package of its own."""
CPU_ONLY = ("native", "default.qubit", "default.qubit:unitary", "lightning.qubit", "lightning.kokkos")
"""PennyLane's simulators prepare their first state on the CPU, whatever tensors go into the gates."""
Honoured = Literal["bitwise", "statistical", "not at all"]


class Backend(Protocol):
    """A simulator of circuits; inputs are ``(B, n_inputs)``, weights ``(n_weights,)``, in float32 or float64."""

    @property
    def name(self) -> str:
        """The name a study gives."""

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The readout, ``(B, n_outputs)``, differentiable."""

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The readout and its derivatives along the inputs, ``(B, n_outputs, n_inputs)``."""

    def state(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """The complex amplitudes, ``(B, 2^n_wires)``.

        Raises:
            Refused: the backend has none.
        """


class Torch:
    """This project's own statevector simulator, on any device of torch.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> circuit = reuploading(2, uploads=1)
        >>> readout = Torch().run(circuit, torch.zeros(3, circuit.n_inputs), torch.zeros(circuit.n_weights))
        >>> tuple(readout.shape)
        (3, 2)
    """

    name = "torch"
    run = staticmethod(statevector.run)
    run_with_jacobian = staticmethod(statevector.run_with_jacobian)
    state = staticmethod(statevector.state)


class Native:
    """This project's compiled kernel, on the CPU.

    Example:
        >>> Native.name
        'native'
    """

    name = "native"
    run = staticmethod(native.run)
    run_with_jacobian = staticmethod(native.run_with_jacobian)
    state = staticmethod(native.state)


def why_not(name: str, device: str = "cpu") -> str:
    """Why a backend cannot run here, in one line; nothing where it can.

    Raises:
        Refused: no simulator has that name, or its options are wrong.
    """
    simulator = parse(name).simulator
    if device != "cpu" and not torch.cuda.is_available():
        return f"device '{device}' was asked for, but torch finds no CUDA device"
    if device != "cpu" and simulator in CPU_ONLY:
        return f"backend '{simulator}' runs on the CPU only, not on '{device}'; 'torch' does"
    if simulator == "native":
        return "" if native.AVAILABLE else f"backend 'native' {native.ABSENCE}; 'torch' always works"
    return _pennylane_says(simulator) if simulator.startswith("lightning") else ""


@lru_cache
def _pennylane_says(simulator: str) -> str:
    if not _is_here(HOMES[simulator]):
        extra = f"the extra [{simulator.removeprefix('lightning.')}]" if simulator in PLUGINS else "pennylane-lightning"
        return f"backend '{simulator}' is not installed; {extra} brings it"
    try:
        import_module("qinn_bench.quantum.pennylane.backends").check(simulator)
    except Refused as error:
        return str(error)
    return ""


def _is_here(module: str) -> bool:
    """Whether a module can be found; it cannot either where the package that holds it is not there."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def get(name: str, *, seed: int | None = None) -> Backend:
    """The simulator of that name; "auto" as `resolve` has it on the CPU.

    Args:
        name: one of `names()`, or spelled as `FAMILIES` says.
        seed: of the outcomes of shots; without it one number is drawn from torch's generator, so that
            ``torch.manual_seed`` decides. Exact simulators draw nothing.

    Raises:
        Refused: no simulator has that name, or it cannot run here.
    """
    asked = parse(resolve(name))
    if reason := why_not(str(asked)):
        raise Refused(reason)
    if asked.shots:
        seed = int(torch.randint(2**63 - 1, (), device="cpu")) if seed is None else seed
        if asked.simulator == "spsa":
            return Perturbed(str(asked), asked.shots, seed)
        sampled = partial(noisy_outcomes, asked.noise) if asked.simulator == "noisy" else None
        return Shots(str(asked), asked.shots, seed, sampled)
    if asked.simulator == "noisy":
        return Noisy(str(asked), asked.noise)
    if asked.simulator in ("torch", "native"):
        return Torch() if asked.simulator == "torch" else Native()
    # PennyLane takes seconds to import: only those who ask for it wait.
    pennylane = import_module("qinn_bench.quantum.pennylane.backends")
    form, _, unitary = asked.simulator.partition(":")
    backend: Backend = (
        pennylane.DefaultQubit(unitaries=bool(unitary)) if form == "default.qubit" else pennylane.Lightning(form)
    )
    return backend


def seeds_honoured(name: str, device: str = "cpu") -> Honoured:
    """What the same seed gives on the same machine: the same bits, or the same up to the order of floating-point sums.

    Where sums run on a GPU or in threads of a plugin, their order is not promised.
    """
    simulator = parse(name).simulator
    return "statistical" if device != "cpu" or simulator in PLUGINS else "bitwise"
