"""Means of words of Z after commuting gates, from samples of bits and without a state: compiled, or by torch.

In an IQP circuit all wires begin in |0> and pass H, then gates exp(i angle Z...Z), then H. The mean of the word Z_a is
the mean, over bits z that are 1 half of the time, of cos(phase); the phase is the sum, over the gates g that share an
odd number of wires with a, of 2 angle_g (-1)^(ones of z on g) (arXiv:2501.04776).
"""

from __future__ import annotations

from itertools import chain, combinations
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qinn_bench.quantum.compiler.lowering import AVAILABLE, instruction_sets
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Refused

if AVAILABLE:
    from qinn_bench.quantum import _kernel

HEAVIEST = 127
"""The most wires of a gate of the compiled calls."""
MOST_GATES = 5_000_000
NUMBERS = 2**24
"""How many numbers the twin by torch takes at once."""
Gates = tuple[tuple[int, ...], ...]


def local_gates(wires: int, heaviest: int, most: int = MOST_GATES) -> Gates:
    """All sets of 1 to `heaviest` of the wires, light ones first, `most` of them at most.

    Where not all sets of a weight are wanted, they are a choice that depends on `wires` only.

    Raises:
        Refused: no such weight or number, or more than five million sets of a weight to choose from.

    Example:
        >>> [len(local_gates(16, heaviest)) for heaviest in (2, 4, 6)]
        [136, 2516, 14892]
        >>> local_gates(2, 2), len(local_gates(16, 2, 100))
        (((0,), (1,), (0, 1)), 100)
    """
    if not 1 <= heaviest <= wires or most < 1:
        raise Refused(
            f"{most} gates on up to {heaviest} of {wires} wires were asked for; 1 gate or more and 1 to {wires} wires "
            "are expected"
        )
    chosen: list[tuple[int, ...]] = []
    for weight in range(1, heaviest + 1):
        wanted, there = most - len(chosen), comb(wires, weight)
        if wanted and there > MOST_GATES:
            raise Refused(f"{wires} wires have {there} gates on {weight} of them; at most {MOST_GATES} are expected")
        every = list(combinations(range(wires), weight)) if wanted else []
        if there > wanted:
            order = numpy_rng("gates", wires, weight).permutation(len(every))[:wanted]
            every = [every[i] for i in sorted(order.tolist())]
        chosen += every
    return tuple(chosen)


def packed(bits: Tensor) -> Tensor:
    """Zeros and ones ``(n, k)`` as int64 ``(n, ceil(k / 64))``: bit i of a number is column i of its 64 columns.

    Example:
        >>> packed(torch.tensor([[1, 0, 1]])).tolist()
        [[5]]
    """
    array = np.ascontiguousarray(bits.detach().cpu().numpy(), dtype=np.uint8)
    array = np.pad(array, ((0, 0), (0, -array.shape[1] % 64)))
    return torch.from_numpy(np.packbits(array, axis=1, bitorder="little").view(np.int64).copy())


def unpacked(numbers: Tensor, columns: int) -> Tensor:
    """The first columns of what was packed, ``(n, columns)`` of uint8.

    Example:
        >>> unpacked(torch.tensor([[5]]), 3).tolist()
        [[1, 0, 1]]
    """
    flat = np.unpackbits(numbers.contiguous().numpy().view(np.uint8), axis=1, bitorder="little")
    return torch.from_numpy(flat[:, :columns].copy())


def even_bits(wires: int, n: int, rng: torch.Generator, *, even: bool = False) -> Tensor:
    """``n`` samples of bits, each 1 half of the time, packed sample by sample: ``(wires, ceil(n / 64))``.

    With `even` every sample has an even number of ones, and is otherwise any of these with equal chances.
    """
    drawn = torch.empty(wires, -(-n // 64), dtype=torch.int64)
    drawn.random_(-(2**63), None, generator=rng)
    if even:
        drawn[-1] = torch.from_numpy(np.bitwise_xor.reduce(drawn[:-1].numpy(), axis=0))
    return drawn


class ZWordGates:
    """Gates that turn by words of Z, and the phases that they give to other words.

    Example:
        >>> gates = ZWordGates(2, ((0,), (0, 1)))
        >>> angles, words = torch.tensor([0.1, 0.2]), torch.tensor([[1, 0], [0, 1]])
        >>> samples = torch.tensor([[0b10], [0b00]])  # Two samples: 00 and 10.
        >>> gates.phases(angles, words, samples, 2)  # 2 (0.1 + 0.2) of both gates, then 2 0.2 of the second.
        tensor([[ 0.6000, -0.6000],
                [ 0.4000, -0.4000]])
    """

    def __init__(self, wires: int, gates: Gates) -> None:
        self.wires, self.gates = wires, gates
        self.starts = np.concatenate([[0], np.cumsum([len(gate) for gate in gates])]).astype(np.int32)
        self.flat = np.fromiter(chain.from_iterable(gates), np.int32, int(self.starts[-1]))
        heaviest = max(map(len, gates), default=0)
        named = instruction_sets()[0] if AVAILABLE and heaviest <= HEAVIEST else ""
        self._compiled = _kernel.ZGates(wires, self.starts, self.flat, named) if named else None

    def phases(self, angles: Tensor, words: Tensor, samples: Tensor, n: int) -> Tensor:
        """Of words ``(w, wires)`` and `n` samples packed as `even_bits` has them: ``(w, n)`` in radians.

        They are linear in the angles ``(gates,)`` and differentiable along them.
        """
        if self._compiled is None or angles.device.type != "cpu" or angles.dtype not in (torch.float32, torch.float64):
            return self.twin(angles, words, samples, n)
        chosen = _kernel.ZWords(self._compiled, packed(words).numpy())
        found: Tensor = _Phases.apply(angles, chosen, samples.contiguous(), (len(words), n))  # type: ignore[no-untyped-call]
        return found

    def twin(self, angles: Tensor, words: Tensor, samples: Tensor, n: int) -> Tensor:
        """The same by torch, some gates at a time."""
        bits = unpacked(samples.cpu(), n).to(angles)
        phases, at_once = angles.new_zeros(len(words), n), max(1, NUMBERS // max(1, n + len(words)))
        for first in range(0, len(self.gates), at_once):
            on = self.incidence(first, first + at_once).to(angles)
            odd, signs = (words.to(angles) @ on.T) % 2, 1 - 2 * ((on @ bits) % 2)
            phases = phases + (odd * (2 * angles[first : first + at_once])) @ signs
        return phases

    def incidence(self, first: int, last: int) -> Tensor:
        """Which wires some of the gates are on, zeros and ones, ``(last - first, wires)``."""
        some = self.gates[first:last]
        on = torch.zeros(len(some), self.wires)
        rows = torch.arange(len(some)).repeat_interleave(torch.tensor([len(gate) for gate in some], dtype=torch.long))
        on[rows, torch.tensor(list(chain.from_iterable(some)), dtype=torch.long)] = 1
        return on


class _Phases(torch.autograd.Function):
    """Phases as a compiled call; its gradient is another one, and both are linear."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, words: Any, samples: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.words, ctx.samples, ctx.shape = words, samples, shape
        angles = angles.detach().contiguous()
        phases = angles.new_empty(shape)
        words.phases(angles.numpy(), samples.numpy(), phases.numpy())
        ctx.n_gates = len(angles)
        return phases

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        by_phases = gradients[0].detach().contiguous()
        by_angles = by_phases.new_empty(ctx.n_gates)
        ctx.words.gradient(ctx.samples.numpy(), by_phases.numpy(), by_angles.numpy())
        return by_angles, None, None, None
