"""The names of the simulators and what their options say, read without torch."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import lru_cache

from qinn_bench.quantum.compiler import lowering
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
    "spsa:N": "the same estimates, differentiated by simultaneous perturbations: two evaluations for all angles",
}

SAMPLED = ("shots", "spsa")
"""Families that have a number of shots and nothing else."""


@dataclass(frozen=True)
class Noise:
    """The probabilities of errors, each between 0 and 1.

    After every gate of the circuit as it is written, and on each wire that the gate acts on, come first a depolarizing
    channel (one of X, Y, Z with probability ``depolarizing/3`` each), then amplitude damping (|1> decays to |0> with
    probability ``damping``). Nothing happens to idle wires. Each measured bit is flipped with probability ``readout``.

    Example:
        >>> Noise(depolarizing=0.01, readout=0.02).damping
        0.0
    """

    depolarizing: float = 0.0
    damping: float = 0.0
    readout: float = 0.0


NOISELESS = Noise()


@dataclass(frozen=True)
class BackendRequest:
    """A name that was understood: the simulator, and what its options say.

    Example:
        >>> str(parse("noisy:depolarizing=0.01,shots=1024"))
        'noisy:depolarizing=0.01,shots=1024'
    """

    simulator: str
    noise: Noise = NOISELESS
    shots: int = 0

    def __str__(self) -> str:
        if self.simulator in SAMPLED:
            return f"{self.simulator}:{self.shots}"
        if self.simulator != "noisy":
            return self.simulator
        said = [f"{key}={value!r}" for key, value in asdict(self.noise).items() if value] or ["depolarizing=0.0"]
        return "noisy:" + ",".join(said + [f"shots={self.shots}"] * (self.shots > 0))


def names() -> tuple[str, ...]:
    """The names without options; `NAMES` says what each is, `FAMILIES` how the others are spelled."""
    return tuple(NAMES)


def parse(name: str) -> BackendRequest:
    """Read a name.

    Raises:
        Refused: no simulator has that name, or its options are wrong.
    """
    if name in NAMES:
        return BackendRequest(name)
    family, colon, options = name.partition(":")
    if family in SAMPLED and colon:
        return BackendRequest(family, shots=_count(options, name))
    if family == "noisy" and colon:
        return _noisy(name, options)
    raise Refused(f"no backend is called '{name}'; there are: {', '.join([*NAMES, *FAMILIES])}")


def _noisy(name: str, options: str) -> BackendRequest:
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
    return BackendRequest("noisy", Noise(**{key: _probability(value, name) for key, value in found.items()}), shots)


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
    if lowering.AVAILABLE:
        return "native"
    if lowering.BUILT_FROM:
        raise Refused(f"the compiled simulator {lowering.ABSENCE}")
    _say_once("native was not built; using torch")
    return "torch"


@lru_cache
def _say_once(message: str) -> None:
    logging.getLogger(__name__).warning(message)
