"""The compiled simulator: circuits as layers of rotations, phases and permutations, run by the kernel under torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from qinn_bench.quantum.circuit import Angle, Circuit, Pauli
from qinn_bench.quantum.decompose import LINEAR, Exchange, Part, Phases, Turn, decompose, exchanged, times
from qinn_bench.values import Refused

try:
    from qinn_bench.quantum import _kernel

    AVAILABLE = True
except ImportError:
    AVAILABLE = False

AXES = {"X": 0, "Y": 1, "Z": 2, "H": 3}


def run(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> Tensor:
    """Expectation values of the readout, ``(B, n_inputs), (n_weights,) -> (B, n_readout)``, once differentiable.

    float32 inputs are simulated in complex64, float64 inputs in complex128.

    Raises:
        Refused: the kernel was not built, or the tensors are not on the CPU.
    """
    return _call(circuit, inputs, weights, _Shape(len(circuit.readout)), threads)[0]


def run_with_jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> tuple[Tensor, Tensor]:
    """Expectation values ``(B, n_readout)`` and their derivatives along the inputs ``(B, n_readout, n_inputs)``.

    Both are once differentiable, so a function of values and Jacobian has its exact gradient.
    """
    shape = _Shape(len(circuit.readout), tangents=circuit.n_inputs)
    values, *jacobian = _call(circuit, inputs, weights, shape, threads)
    return values, jacobian[0] if jacobian else values.new_zeros(*values.shape, 0)


def state(circuit: Circuit, inputs: Tensor, weights: Tensor, *, threads: int = 1) -> Tensor:
    """The amplitudes ``(B, 2^n_wires)``, complex, global phase included, once differentiable."""
    flat = _call(circuit, inputs, weights, _Shape(2 << circuit.n_wires, state=True), threads)[0]
    return torch.view_as_complex(flat.view(len(inputs), -1, 2))


@dataclass(frozen=True)
class _Shape:
    """What one call returns per row: `width` numbers, and their derivatives along `tangents` inputs."""

    width: int
    tangents: int = 0
    state: bool = False


def _call(circuit: Circuit, inputs: Tensor, weights: Tensor, shape: _Shape, threads: int) -> tuple[Tensor, ...]:
    if inputs.device.type != "cpu" or inputs.dtype not in (torch.float32, torch.float64):
        raise Refused(f"the compiled simulator takes float32 or float64 on the CPU, not {inputs.dtype} {inputs.device}")
    if inputs.shape != (len(inputs), circuit.n_inputs) or weights.shape != (circuit.n_weights,):
        raise Refused(
            f"inputs {tuple(inputs.shape)} and weights {tuple(weights.shape)} do not fit a circuit of "
            f"{circuit.n_inputs} inputs and {circuit.n_weights} weights"
        )
    job = _Job(simulator_of(circuit), shape, threads)
    inputs, weights = inputs.contiguous(), weights.to(inputs).contiguous()
    if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
        results: tuple[Tensor, ...] = _Simulate.apply(inputs, weights, job)  # type: ignore[no-untyped-call]
        return results
    return job.forward(inputs.detach(), weights.detach(), inputs.new_empty(0))


@dataclass(frozen=True)
class _Job:
    """One kernel and what is asked of it."""

    simulator: _kernel.Simulator
    shape: _Shape
    threads: int

    def saved(self, inputs: Tensor) -> Tensor:
        single = inputs.dtype == torch.float32
        size_of = self.simulator.saved_size_single if single else self.simulator.saved_size_double
        return inputs.new_empty(size_of(len(inputs), 1 + self.shape.tangents))

    def forward(self, inputs: Tensor, weights: Tensor, saved: Tensor) -> tuple[Tensor, ...]:
        rows, width, tangents = len(inputs), self.shape.width, self.shape.tangents
        values, jacobian = inputs.new_empty(rows, width), inputs.new_empty(rows * width * tangents)
        arrays = (inputs.numpy(), weights.numpy(), values.numpy(), jacobian.numpy(), saved.numpy())
        self.simulator.forward(*arrays, self.shape.state, self.threads)
        return (values, jacobian.view(rows, width, tangents)) if tangents else (values,)

    def reverse(self, inputs: Tensor, weights: Tensor, saved: Tensor, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        by_values, *by_jacobian = (gradient.contiguous() for gradient in gradients)
        by_inputs, by_weights = torch.empty_like(inputs), torch.empty_like(weights)
        by_tangents = by_jacobian[0] if by_jacobian else inputs.new_empty(0)
        given = (inputs.detach().numpy(), weights.detach().numpy(), saved.numpy())
        cotangents = (by_values.numpy(), by_tangents.numpy())
        wanted = (by_inputs.numpy(), by_weights.numpy())
        self.simulator.reverse(*given, *cotangents, *wanted, self.shape.state, self.threads)
        return by_inputs, by_weights


class _Simulate(torch.autograd.Function):
    """The kernel under autograd: final states are kept, the rest is un-computed."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: Tensor, job: _Job) -> tuple[Tensor, ...]:
        saved = job.saved(inputs)
        results = job.forward(inputs.detach(), weights.detach(), saved)
        ctx.save_for_backward(inputs, weights, saved)
        ctx.job = job
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        return *ctx.job.reverse(*ctx.saved_tensors, *gradients), None


_KEPT: dict[tuple[int, str], tuple[Circuit, _kernel.Simulator]] = {}


def simulator_of(circuit: Circuit, instruction_set: str = "") -> _kernel.Simulator:
    """The kernel's form of a circuit, kept for the circuits used last; "" is the best instruction set of the machine.

    Raises:
        Refused: the kernel was not built.
    """
    if circuit.n_wires > 30:
        raise Refused(f"the compiled simulator holds at most 30 wires, not {circuit.n_wires}")
    if not AVAILABLE:
        raise Refused("the compiled simulator was asked for, but it was not built with this installation")
    # By identity: hashing a circuit walks all its gates; the kept circuit holds its id.
    key = (id(circuit), instruction_set)
    if key not in _KEPT:
        while len(_KEPT) >= 64:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = (circuit, _compile(circuit, instruction_set))
    return _KEPT[key][1]


def instruction_sets() -> tuple[str, ...]:
    """What the kernel can use on this processor, best first; nothing where it was not built."""
    return tuple(_kernel.instruction_sets()) if AVAILABLE else ()


@dataclass
class _Layer:
    """Runs of (axis, angle) per bit, then diagonal (mask, angle) terms, then index x goes to targets[x]."""

    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    terms: list[tuple[int, int]] = field(default_factory=list)
    targets: NDArray[np.int64] | None = None
    linear: bool = True


class _Layers:
    """Sorts the parts of gates into layers, each part as early as its wires allow."""

    def __init__(self, circuit: Circuit) -> None:
        self.n = circuit.n_wires
        self.layers = [_Layer()]
        self.angles: dict[Angle, int] = {}
        self.level = [0] * self.n
        self.entangled = [False] * self.n
        decomposed = decompose(circuit)
        self.phase = decomposed.phase
        for part in decomposed.parts:
            self._add(part)
        self.layers[-1].terms += [(0, self._index(times(angle, -2.0))) for angle in decomposed.angles]

    def _add(self, part: Part) -> None:
        if isinstance(part, Turn):
            self._turn(part)
            return
        bits = [self.n - 1 - wire for wire in part.wires]
        if isinstance(part, Phases):
            self._phases(part, bits)
        else:
            self._exchange(part, bits)

    def _turn(self, part: Turn) -> None:
        bit = self.n - 1 - part.wire
        level = self.level[bit] + self.entangled[bit]
        run = self._open([bit], level, entangled=False).runs.setdefault(bit, [])
        run.append((AXES[part.axis], self._index(part.angle)))

    def _phases(self, part: Phases, bits: list[int]) -> None:
        level = max(self.level[bit] for bit in bits)
        while level < len(self.layers) and not self.layers[level].linear:
            level += 1
        layer = self._open(bits, level, entangled=True)
        for angle, wires in part.terms:
            mask = sum(1 << (self.n - 1 - wire) for wire in wires)
            layer.terms.append((_moved(mask, layer.targets, self.n), self._index(angle)))

    def _exchange(self, part: Exchange, bits: list[int]) -> None:
        layer = self._open(bits, max(self.level[bit] for bit in bits), entangled=True)
        at = np.arange(1 << self.n) if layer.targets is None else layer.targets
        layer.targets = exchanged(part.name, at, bits)
        layer.linear = layer.linear and part.name in LINEAR

    def _open(self, bits: list[int], level: int, *, entangled: bool) -> _Layer:
        while level >= len(self.layers):
            self.layers.append(_Layer())
        for bit in bits:
            self.level[bit], self.entangled[bit] = level, entangled
        return self.layers[level]

    def _index(self, angle: Angle) -> int:
        return self.angles.setdefault(angle, len(self.angles))


def _moved(mask: int, targets: NDArray[np.int64] | None, n: int) -> int:
    """The mask m with parity(x & m) = parity(targets[x] & mask), for targets linear over the bits."""
    if targets is None:
        return mask
    return sum(((int(targets[1 << bit]) & mask).bit_count() & 1) << bit for bit in range(n))


def _word(pauli: Pauli, n: int) -> list[int]:
    pairs = list(zip(pauli.word, pauli.wires, strict=True))
    flip = sum(1 << (n - 1 - wire) for letter, wire in pairs if letter in "XY")
    sign = sum(1 << (n - 1 - wire) for letter, wire in pairs if letter in "YZ")
    return [flip, sign, pauli.word.count("Y") % 4]


def _compile(circuit: Circuit, instruction_set: str) -> _kernel.Simulator:
    sorted_ = _Layers(circuit)
    layers, n = sorted_.layers, circuit.n_wires
    runs = [layer.runs.get(bit, []) for layer in layers for bit in range(n)]
    perms: list[NDArray[np.int64]] = [layer.targets for layer in layers if layer.targets is not None]
    at = list(accumulate((layer.targets is not None) << n for layer in layers))
    parts = [[-1 if i is None else i for i in (a.weight, a.input, a.scale)] for a in sorted_.angles]
    return _kernel.Simulator(
        n_bits=n,
        n_inputs=circuit.n_inputs,
        n_weights=circuit.n_weights,
        angle_parts=[number for part in parts for number in part],
        angle_numbers=[number for a in sorted_.angles for number in (a.constant, a.factor)],
        rotations=[number for run in runs for rotation in run for number in rotation],
        run_start=[0, *accumulate(map(len, runs))],
        terms=[number for layer in layers for term in layer.terms for number in term],
        term_start=[0, *accumulate(len(layer.terms) for layer in layers)],
        perms=np.concatenate(perms).tolist() if perms else [],
        perm_at=[end - (1 << n) if layer.targets is not None else -1 for layer, end in zip(layers, at, strict=True)],
        words=[number for pauli in circuit.readout for number in _word(pauli, n)],
        phase_re=sorted_.phase.real,
        phase_im=sorted_.phase.imag,
        instruction_set=instruction_set,
    )
