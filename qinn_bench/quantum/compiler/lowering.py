"""Circuits lowered to the tables of the compiled kernel: layers of rotations, phases and permutations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Pauli, Probabilities, WeightedSum, width
from qinn_bench.quantum.compiler.decompose import (
    LINEAR,
    Exchange,
    GatePart,
    GatePhases,
    Indices,
    Turn,
    decompose,
    exchanged,
    times,
)
from qinn_bench.values import Refused

try:
    from qinn_bench.quantum import _kernel
except ImportError:
    BUILT_FROM = ""
else:
    BUILT_FROM = getattr(_kernel, "sources", "unknown")

NATIVE = Path(__file__).parents[1] / "_native"
AXES = {"X": 0, "Y": 1, "Z": 2, "H": 3}
EXCHANGES = {"CNOT": 0, "SWAP": 1, "Toffoli": 2, "CSWAP": 3}


def sources(folder: Path = NATIVE) -> str:
    """The hash of the kernel's sources, as the build writes it into the kernel; empty where there are none."""
    files = sorted(file for file in folder.glob("*") if file.suffix in (".cpp", ".h"))
    hashes = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256(hashes.encode()).hexdigest() if hashes else ""


def why_unusable(built_from: str, sources: str) -> str:
    """Why a kernel built from these sources cannot be used with those that are here; empty where it can."""
    if not built_from:
        return "was not built with this installation"
    if sources not in ("", built_from):
        return "was built from other sources than are here now; install the project again, which builds it anew"
    return ""


ABSENCE = why_unusable(BUILT_FROM, sources())
AVAILABLE = not ABSENCE

FORCED = os.environ.get("QINN_ISA", "")
"""The instruction set that the kernel has to use; empty for the best one of the processor."""

_KEPT: dict[tuple[int, str], tuple[Circuit, _kernel.Simulator]] = {}


def simulator_of(circuit: Circuit, instruction_set: str = "") -> _kernel.Simulator:
    """The kernel's form of a circuit, kept for the circuits used last.

    Without an instruction set it is the one that the environment variable ``QINN_ISA`` names, or else the best of the
    processor.

    Raises:
        Refused: the kernel was not built, or from other sources, or ``QINN_ISA`` names no set that it can use.
    """
    if circuit.n_wires > 30:
        raise Refused(f"the compiled simulator holds at most 30 wires, not {circuit.n_wires}")
    if not AVAILABLE:
        raise Refused(f"the compiled simulator was asked for, but it {ABSENCE}")
    # By identity: hashing a circuit walks all its gates; the kept circuit holds its id.
    key = (id(circuit), instruction_set)
    if key not in _KEPT:
        while len(_KEPT) >= 64:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = (circuit, _compile(circuit, instruction_set or instruction_sets()[0]))
    return _KEPT[key][1]


def instruction_sets() -> tuple[str, ...]:
    """What the kernel can use on this processor, best first, or only what ``QINN_ISA`` names; empty if it is not built.

    Raises:
        Refused: ``QINN_ISA`` names no instruction set that the kernel can use here.
    """
    here = tuple(_kernel.instruction_sets()) if AVAILABLE else ()
    return _chosen(FORCED, here)


def _chosen(forced: str, here: tuple[str, ...]) -> tuple[str, ...]:
    if not forced or not here:
        return here
    if forced not in here:
        raise Refused(
            f"QINN_ISA={forced} was given, but the instruction sets of the compiled simulator on this processor are: "
            f"{', '.join(here)}"
        )
    return (forced,)


def amplitudes_fill_lanes(n_wires: int, rows: int, lanes: int) -> bool:
    """Whether values and states are computed row by row, each with its amplitudes in the lanes of the vectors.

    Otherwise a vector holds one row in each lane, which leaves lanes empty where rows are few and the cache where
    states are large. Jacobians are always computed like that.
    """
    return n_wires >= 8 and (2 * rows <= lanes or n_wires >= 14)


@dataclass
class _Layer:
    """Runs of (axis, angle) per bit, then diagonal (mask, angle) terms, then exchanges (kind, bits).

    `images` says where the exchanges take the basis states of single bits; as long as all exchanges are linear over
    the bits, these are their basis.
    """

    images: Indices
    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    terms: list[tuple[int, int]] = field(default_factory=list)
    exchanges: list[tuple[int, int, int, int]] = field(default_factory=list)
    linear: bool = True


class _Layers:
    """Sorts the parts of gates into layers, each part as early as its wires allow."""

    def __init__(self, circuit: Circuit) -> None:
        self.n = circuit.n_wires
        self.layers: list[_Layer] = []
        self.angles: dict[Angle, int] = {}
        self.level = [0] * self.n
        self.entangled = [False] * self.n
        decomposed = decompose(circuit)
        self.phase = decomposed.phase
        self._open([], 0, entangled=False)
        for part in decomposed.parts:
            self._add(part)
        self.layers[-1].terms += [(0, self._index(times(angle, -2.0))) for angle in decomposed.angles]

    def _add(self, part: GatePart) -> None:
        if isinstance(part, Turn):
            self._turn(part)
            return
        bits = [self.n - 1 - wire for wire in part.wires]
        if isinstance(part, GatePhases):
            self._phases(part, bits)
        else:
            self._exchange(part, bits)

    def _turn(self, part: Turn) -> None:
        bit = self.n - 1 - part.wire
        level = self.level[bit] + self.entangled[bit]
        run = self._open([bit], level, entangled=False).runs.setdefault(bit, [])
        run.append((AXES[part.axis], self._index(part.angle)))

    def _phases(self, part: GatePhases, bits: list[int]) -> None:
        level = max(self.level[bit] for bit in bits)
        while level < len(self.layers) and not self.layers[level].linear:
            level += 1
        layer = self._open(bits, level, entangled=True)
        for angle, wires in part.terms:
            layer.terms.append((_moved(_mask(wires, self.n), layer.images), self._index(angle)))

    def _exchange(self, part: Exchange, bits: list[int]) -> None:
        layer = self._open(bits, max(self.level[bit] for bit in bits), entangled=True)
        first, second, third = [*bits, -1][:3]
        layer.exchanges.append((EXCHANGES[part.name], first, second, third))
        layer.images = exchanged(part.name, layer.images, bits)
        layer.linear = layer.linear and part.name in LINEAR

    def _open(self, bits: list[int], level: int, *, entangled: bool) -> _Layer:
        while level >= len(self.layers):
            self.layers.append(_Layer(1 << np.arange(self.n)))
        for bit in bits:
            self.level[bit], self.entangled[bit] = level, entangled
        return self.layers[level]

    def _index(self, angle: Angle) -> int:
        return self.angles.setdefault(angle, len(self.angles))


def _moved(mask: int, images: Indices) -> int:
    """The mask m with parity(x & m) = parity(y & mask), where y is the image of x under a map linear over the bits."""
    return sum(((image & mask).bit_count() & 1) << bit for bit, image in enumerate(images.tolist()))


@dataclass
class _Readout:
    """What is read out, as the kernel has it: weighted Pauli words and registers, each with its (first) output."""

    words: list[int] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    registers: list[int] = field(default_factory=list)
    register_bits: list[int] = field(default_factory=list)


def _readout(circuit: Circuit) -> _Readout:
    lowered, n, output = _Readout(), circuit.n_wires, 0
    for item in circuit.readout:
        if isinstance(item, Probabilities | AllZero):
            counted = item.wires[::-1] if isinstance(item, Probabilities) else ()
            zero = _mask(item.wires, n) if isinstance(item, AllZero) else 0
            lowered.registers += [zero, output, len(counted)]
            lowered.register_bits += [n - 1 - wire for wire in counted]
        else:
            terms = item if isinstance(item, WeightedSum) else WeightedSum((1.0,), (item,))
            lowered.coefficients += terms.coefficients
            lowered.words += [number for pauli in terms.paulis for number in (*_word(pauli, n), output)]
        output += width(item)
    return lowered


def _word(pauli: Pauli, n: int) -> tuple[int, int, int]:
    """Which bits a word flips, which give a sign, and the number of its factors i."""
    flip, sign = (
        _mask([wire for letter, wire in zip(pauli.word, pauli.wires, strict=True) if letter in letters], n)
        for letters in ("XY", "YZ")
    )
    return flip, sign, pauli.word.count("Y") % 4


def _mask(wires: Iterable[int], n: int) -> int:
    return sum(1 << (n - 1 - wire) for wire in wires)


def tables_of(circuit: Circuit) -> dict[str, Any]:
    """What the kernel's constructor takes, beside an instruction set; it refuses tables that are no circuit."""
    sorted_, readout = _Layers(circuit), _readout(circuit)
    layers, n = sorted_.layers, circuit.n_wires
    runs = [layer.runs.get(bit, []) for layer in layers for bit in range(n)]
    parts = [[-1 if i is None else i for i in (a.weight, a.input, a.scale)] for a in sorted_.angles]
    return {
        "n_bits": n,
        "n_inputs": circuit.n_inputs,
        "n_weights": circuit.n_weights,
        "angle_parts": [number for part in parts for number in part],
        "angle_numbers": [number for a in sorted_.angles for number in (a.constant, a.factor)],
        "rotations": [number for run in runs for rotation in run for number in rotation],
        "run_start": [0, *accumulate(map(len, runs))],
        "terms": [number for layer in layers for term in layer.terms for number in term],
        "term_start": [0, *accumulate(len(layer.terms) for layer in layers)],
        "exchanges": [number for layer in layers for exchange in layer.exchanges for number in exchange],
        "exchange_start": [0, *accumulate(len(layer.exchanges) for layer in layers)],
        "n_outputs": circuit.n_outputs,
        "words": readout.words,
        "coefficients": readout.coefficients,
        "registers": readout.registers,
        "register_bits": readout.register_bits,
        "phase_re": sorted_.phase.real,
        "phase_im": sorted_.phase.imag,
    }


def _compile(circuit: Circuit, instruction_set: str) -> _kernel.Simulator:
    return _kernel.Simulator(**tables_of(circuit), instruction_set=instruction_set)
