"""The simulators by name: what names there are, which of them can run here, and the one interface of all."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol

import torch
from torch import Tensor

from qinn_bench.quantum import native, statevector
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.noise import Noise, Noisy, noisy_outcomes
from qinn_bench.quantum.shots import Shots
from qinn_bench.values import Refused

NAMES: dict[str, str] = {
    "auto": "the fastest that is here: native on the CPU where it was built, else torch",
    "native": "this project's compiled kernel, on the CPU",
    "torch": "this project's statevector in PyTorch, on the CPU or a GPU",
    "default.qubit": "PennyLane's reference simulator, the gates as they are written",
    "default.qubit:unitary": "the same with the gates of a wire between entanglers folded into one matrix per sample",
    "lightning.qubit": "PennyLane's C++ simulator with adjoint differentiation, sample by sample",
    "lightning.kokkos": "PennyLane's Kokkos simulator; the extra [kokkos]",
    "lightning.gpu": "PennyLane's cuQuantum simulator; the extra [gpu] and a CUDA 12 driver",
}
FAMILIES: dict[str, str] = {
    "shots:N": "estimates from N shots per measurement basis, differentiated by parameter shifts",
    "noisy:depolarizing=P,damping=P,readout=P,shots=N": "the density matrix with these errors; with shots, sampled",
}
PLUGINS = {
    "lightning.kokkos": "pennylane_lightning.lightning_kokkos",
    "lightning.gpu": "pennylane_lightning.lightning_gpu",
}
NOISELESS = Noise()
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
    """This project's own statevector simulator, on any device of torch."""

    name = "torch"
    run = staticmethod(statevector.run)
    run_with_jacobian = staticmethod(statevector.run_with_jacobian)
    state = staticmethod(statevector.state)


class Native:
    """This project's compiled kernel, on the CPU."""

    name = "native"
    run = staticmethod(native.run)
    run_with_jacobian = staticmethod(native.run_with_jacobian)
    state = staticmethod(native.state)


@dataclass(frozen=True)
class Request:
    """A name that was understood: the simulator, and what its options say."""

    simulator: str
    noise: Noise = NOISELESS
    shots: int = 0

    def __str__(self) -> str:
        if self.simulator == "shots":
            return f"shots:{self.shots}"
        if self.simulator != "noisy":
            return self.simulator
        said = [f"{key}={value!r}" for key, value in asdict(self.noise).items() if value] or ["depolarizing=0.0"]
        return "noisy:" + ",".join(said + [f"shots={self.shots}"] * (self.shots > 0))


def names() -> tuple[str, ...]:
    """The names without options; `NAMES` says what each is, `FAMILIES` how the others are spelled."""
    return tuple(NAMES)


def parse(name: str) -> Request:
    """Read a name.

    Raises:
        Refused: no simulator has that name, or its options are wrong.
    """
    if name in NAMES:
        return Request(name)
    family, colon, options = name.partition(":")
    if family == "shots" and colon:
        return Request("shots", shots=_count(options, name))
    if family == "noisy" and colon:
        return _noisy(name, options)
    raise Refused(f"no backend is called '{name}'; there are: {', '.join([*NAMES, *FAMILIES])}")


def _noisy(name: str, options: str) -> Request:
    found: dict[str, str] = {}
    for option in options.split(","):
        key, equals, value = (piece.strip() for piece in option.partition("="))
        if key not in ("depolarizing", "damping", "readout", "shots") or not equals or key in found:
            raise Refused(
                f"'{option}' in backend '{name}' is no option; there are, each once: depolarizing=P, damping=P, "
                "readout=P, shots=N"
            )
        found[key] = value
    shots = _count(found.pop("shots"), name) if "shots" in found else 0
    if not found:
        raise Refused(f"backend '{name}' says no error; expected such as noisy:depolarizing=0.01, or shots:{shots}")
    return Request("noisy", Noise(**{key: _probability(value, name) for key, value in found.items()}), shots)


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
        raise Refused(f"backend '{name}' asks for '{text}' shots; expected a positive whole number such as shots:1024")
    return int(text)


def _probability(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Refused(f"backend '{name}' has the probability '{text}'; expected a number between 0 and 1")
    return value


def resolve(name: str, device: str = "cpu") -> str:
    """A name as records spell it: "auto" as the simulator that it is, options in their order.

    "auto" is `native` where it was built, on the CPU; `torch` on other devices and, with a word on it, elsewhere.

    Raises:
        Refused: no simulator has that name, or its options are wrong; or the kernel was built from other sources.
    """
    name = str(parse(name))
    if name != "auto":
        return name
    if device != "cpu":
        return "torch"
    if native.AVAILABLE:
        return "native"
    if native.BUILT_FROM:
        raise Refused(f"the compiled simulator {native.ABSENCE}")
    _say_once("native was not built; using torch")
    return "torch"


@lru_cache
def _say_once(message: str) -> None:
    logging.getLogger(__name__).warning(message)


def why_not(name: str, device: str = "cpu") -> str:
    """Why a backend cannot run here, in one line; nothing where it can.

    Raises:
        Refused: no simulator has that name, or its options are wrong.
    """
    simulator = parse(name).simulator
    if device != "cpu" and not torch.cuda.is_available():
        return f"device '{device}' was asked for, but torch finds no CUDA device"
    if simulator == "native":
        if device != "cpu":
            return f"backend 'native' runs on the CPU only, not on '{device}'; 'torch' does"
        return "" if native.AVAILABLE else f"backend 'native' {native.ABSENCE}; 'torch' always works"
    return _pennylane_says(simulator) if simulator.startswith("lightning") else ""


@lru_cache
def _pennylane_says(simulator: str) -> str:
    if simulator in PLUGINS and not _is_here(PLUGINS[simulator]):
        extra = simulator.removeprefix("lightning.")
        return f"backend '{simulator}' is not installed; the extra [{extra}] brings it"
    try:
        import_module("qinn_bench.quantum.pennylane_devices").check(simulator)
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
        sampled = partial(noisy_outcomes, asked.noise) if asked.simulator == "noisy" else None
        return Shots(str(asked), asked.shots, seed, sampled)
    if asked.simulator == "noisy":
        return Noisy(str(asked), asked.noise)
    if asked.simulator in ("torch", "native"):
        return Torch() if asked.simulator == "torch" else Native()
    # PennyLane takes seconds to import: only those who ask for it wait.
    pennylane = import_module("qinn_bench.quantum.pennylane_devices")
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
