"""How a readout is measured: settings of one basis per wire, and how their outcome frequencies become outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.quantum.circuit import AllZero, Observable, Pauli, Probabilities, WeightedSum, width
from qinn_bench.quantum.compiler.program import z_signs

Letters = dict[int, str]


@dataclass(frozen=True)
class Setting:
    """The wires that are measured together, in increasing order, and the basis X, Y or Z of each.

    `mix` is ``(2^len(wires), n_outputs)``: what each outcome, the first wire its highest bit, adds to each output.
    """

    wires: tuple[int, ...]
    basis: str
    mix: NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """Settings that are measured one after the other; ``constant + sum(frequencies @ mix)`` are the outputs."""

    settings: tuple[Setting, ...]
    constant: NDArray[np.float64]

    def outputs(self, frequencies: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Outputs ``(..., n_outputs)`` like `rows` ``(..., .)`` from the ``(..., 2^wires)`` of each setting."""
        return self.slopes(frequencies, rows) + rows.new_tensor(self.constant)

    def slopes(self, frequencies: Sequence[Tensor], rows: Tensor) -> Tensor:
        """The same without the constant, as derivatives of frequencies need it."""
        total = rows.new_zeros(*rows.shape[:-1], len(self.constant))
        for setting, found in zip(self.settings, frequencies, strict=True):
            total = total + found @ rows.new_tensor(setting.mix)
        return total


@lru_cache(maxsize=64)
def measurement(readout: tuple[Observable, ...]) -> Measurement:
    """Words and registers in as few settings as a first fit finds: those in one need the same basis on shared wires."""
    terms = [(column, *term) for column, item in _columns(readout) for term in _terms(item)]
    settings: list[Letters] = []
    places = [_placed(letters, settings) for _, _, _, letters in terms]
    n_outputs = sum(width(item) for item in readout)
    constant = np.zeros(n_outputs)
    mixes = [np.zeros((2 ** len(setting), n_outputs)) for setting in settings]
    for place, (column, item, coefficient, _) in zip(places, terms, strict=True):
        if place is None:
            constant[column] += coefficient
        else:
            added = coefficient * _outcomes(item, sorted(settings[place]))
            mixes[place][:, column : column + added.shape[1]] += added
    laid = [(tuple(sorted(setting)), "".join(setting[wire] for wire in sorted(setting))) for setting in settings]
    return Measurement(
        tuple(Setting(wires, basis, mix) for (wires, basis), mix in zip(laid, mixes, strict=True)), constant
    )


Register = Pauli | Probabilities | AllZero


def _columns(readout: tuple[Observable, ...]) -> Iterator[tuple[int, Observable]]:
    column = 0
    for item in readout:
        yield column, item
        column += width(item)


def _terms(item: Observable) -> Iterator[tuple[Register, float, Letters]]:
    """What an observable is the sum of, each with its factor and the basis of each of its wires."""
    if isinstance(item, WeightedSum):
        for coefficient, word in zip(item.coefficients, item.paulis, strict=True):
            yield word, coefficient, _letters(word)
    else:
        yield item, 1.0, _letters(item)


def _letters(item: Register) -> Letters:
    if isinstance(item, Pauli):
        return {wire: letter for letter, wire in zip(item.word, item.wires, strict=True) if letter != "I"}
    return dict.fromkeys(item.wires, "Z")


def _placed(letters: Letters, settings: list[Letters]) -> int | None:
    """The first setting that these letters fit into, which then has them; None for the identity."""
    if not letters:
        return None
    for place, setting in enumerate(settings):
        if all(setting.get(wire, letter) == letter for wire, letter in letters.items()):
            setting |= letters
            return place
    settings.append(dict(letters))
    return len(settings) - 1


def _outcomes(item: Register, wires: list[int]) -> NDArray[np.float64]:
    """What each outcome on these wires says: a sign, or in which of the register's outcomes it lies."""
    if isinstance(item, Pauli):
        return z_signs(len(wires), tuple(wires.index(wire) for wire in _letters(item)))[:, None]
    index = np.arange(2 ** len(wires))
    bits = [index >> (len(wires) - 1 - wires.index(wire)) & 1 for wire in item.wires]
    outcome = sum((bit << (len(bits) - 1 - k) for k, bit in enumerate(bits)), np.zeros_like(index))
    return np.asarray(outcome[:, None] == np.arange(width(item)), dtype=np.float64)


def marginal(probabilities: Tensor, wires: tuple[int, ...]) -> Tensor:
    """Of probabilities ``(B, 2^n)`` those of some wires in increasing order, ``(B, 2^len(wires))``."""
    n_wires = probabilities.shape[1].bit_length() - 1
    others = [1 + wire for wire in range(n_wires) if wire not in wires]
    spread = probabilities.reshape(-1, *[2] * n_wires)
    return (torch.sum(spread, others) if others else spread).reshape(len(probabilities), 2 ** len(wires))
