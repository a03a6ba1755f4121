"""What a circuit reads out of a state and of the tangents beside it, in torch."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from qinn_bench.quantum.circuit import AllZero, Circuit, Observable, Pauli, Probabilities, WeightedSum
from qinn_bench.quantum.compiler.program import pauli
from qinn_bench.quantum.compiler.tensor_kind import TensorKind


def read(circuit: Circuit, states: Tensor) -> Tensor:
    """``Re <psi|O|states>`` for each output O of the readout: ``(B, high, width, low) -> (B, width, n_outputs)``.

    Along `width` lie psi itself and what is carried beside it.
    """
    kind = TensorKind(states.dtype.to_real(), states.device)
    rows = states.transpose(1, 2).flatten(2)
    sums = _sums(rows, _words(circuit.readout, circuit.n_wires, kind), kind)
    registers = [item for item in circuit.readout if isinstance(item, Probabilities | AllZero)]
    if not registers:
        return sums
    densities = (rows[:, :1].conj() * rows).real.view(*rows.shape[:2], *[2] * circuit.n_wires)
    left = iter(sums[..., None].unbind(2))
    columns = [
        _register(item, densities) if isinstance(item, Probabilities | AllZero) else next(left)
        for item in circuit.readout
    ]
    return torch.cat(columns, 2)


def _register(item: Probabilities | AllZero, densities: Tensor) -> Tensor:
    """The densities ``(B, width, 2, ..., 2)`` of some wires, summed over the others: ``(B, width, outcomes)``."""
    others = [2 + wire for wire in range(densities.ndim - 2) if wire not in item.wires]
    kept = densities.sum(others) if others else densities
    ranks = [sorted(item.wires).index(wire) for wire in item.wires]
    outcomes = kept.permute(0, 1, *(2 + rank for rank in ranks)).flatten(2)
    return outcomes if isinstance(item, Probabilities) else outcomes[:, :, :1]


class _Words(NamedTuple):
    """Pauli words that move amplitudes alike, together: (places, where amplitudes come from, phases); then their mix.

    `mix` is ``(words, outputs)``: an output is a weighted sum of words.
    """

    groups: tuple[tuple[Tensor, Tensor | None, Tensor], ...]
    mix: Tensor


def _sums(rows: Tensor, words: _Words, kind: TensorKind) -> Tensor:
    values = rows.new_zeros(*rows.shape[:2], len(words.mix), dtype=kind.real)
    for columns, source, phases in words.groups:
        moved = rows if source is None else rows[:, :, source]
        products = rows[:, :1].conj() * moved
        part = products.real @ phases.real if source is None else (products @ phases).real
        values = values.index_add(2, columns, part)
    return values @ words.mix


@lru_cache(maxsize=256)
@temporarily_clear_interpreter_stack()  # tensors made inside torch.func belong to that call; these are kept
def _words(readout: tuple[Observable, ...], n_wires: int, kind: TensorKind) -> _Words:
    sums = [_as_sum(item) for item in readout if isinstance(item, Pauli | WeightedSum)]
    words = [word for item in sums for word in item.paulis]
    mix, row = np.zeros((len(words), len(sums))), 0
    for column, item in enumerate(sums):
        mix[row : row + len(item.paulis), column] = item.coefficients
        row += len(item.paulis)
    alike: dict[int, list[int]] = {}
    paulis = [pauli(n_wires, word.word, word.wires) for word in words]
    for place, (mask, _) in enumerate(paulis):
        alike.setdefault(mask, []).append(place)
    index = torch.arange(2**n_wires, device=kind.device)
    groups = tuple(
        (
            kind.indices(places),
            index ^ mask if mask else None,
            kind.complexes([paulis[place][1] for place in places]).T,
        )
        for mask, places in alike.items()
    )
    return _Words(groups, kind.reals(mix))


def _as_sum(item: Pauli | WeightedSum) -> WeightedSum:
    return item if isinstance(item, WeightedSum) else WeightedSum((1.0,), (item,))
