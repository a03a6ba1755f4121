"""The squared maximum mean discrepancy of bits as a mean over words of Z, and angles to begin with that data suggest.

The words and their chances: `qinn_bench.bit_rows.word_chance` (arXiv:2501.04776).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qinn_bench.bit_rows import word_bandwidth, word_chance
from qinn_bench.values import Refused
from reference_models._parts.z_words import ZWordGates


@dataclass(frozen=True)
class WordMMD:
    """How many words and samples a step takes, and the bandwidths: from mean weight `light` to `heavy` in even steps.

    Raises:
        Refused: fewer than one word for a bandwidth, two samples, or one bandwidth, or weights that are not above 0.

    Example:
        >>> WordMMD(words=4, samples=8, light=2, heavy=6).drawn(16, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 16])
    """

    words: int
    samples: int
    light: float
    heavy: float
    bandwidths: int = 2

    def __post_init__(self) -> None:
        if self.bandwidths < 1 or self.words < self.bandwidths or self.samples < 2 or min(self.light, self.heavy) <= 0:
            raise Refused(
                f"a loss over words was given {self.words} words, {self.samples} samples, {self.bandwidths} "
                f"bandwidths, light={self.light:g}, heavy={self.heavy:g}; a bandwidth or more, a word or more for "
                "each, 2 samples or more and weights above 0 are expected"
            )

    def sigmas(self, wires: int) -> list[float]:
        """The bandwidths for rows of so many bits."""
        ends = word_bandwidth(self.light, wires), word_bandwidth(self.heavy, wires)
        return [float(sigma) for sigma in np.linspace(*ends, self.bandwidths)]

    def drawn(self, wires: int, rng: torch.Generator) -> Tensor:
        """Words as zeros and ones, equally many for each bandwidth but for the last few, ``(words, wires)``."""
        chances = torch.tensor([word_chance(sigma) for sigma in self.sigmas(wires)])
        of = torch.arange(self.words) % self.bandwidths
        return (torch.rand(self.words, wires, generator=rng) < chances[of][:, None]).to(torch.uint8)


def data_means(bits: Tensor, words: Tensor, like: Tensor) -> Tensor:
    """The mean of each word of Z over rows of bits, ``(n, wires), (words, wires) -> (words,)``.

    Example:
        >>> data_means(torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0, 1], [1, 1]]), torch.zeros(1)).tolist()
        [-1.0, 0.0]
    """
    return (1 - 2 * ((words.to(like) @ bits.to(like).T) % 2)).mean(1)


def squared_discrepancy(mean: Tensor, square: Tensor, observed: Tensor, rows: int) -> Tensor:
    """The unbiased estimate of (mean - truth)^2 word by word, from the observed mean of so many independent rows.

    `square` is the squared mean, or an unbiased estimate of it.
    """
    return square - 2 * mean * observed + (rows * observed.square() - 1) / max(rows - 1, 1)


def square_of_sampled(values: Tensor) -> Tensor:
    """An unbiased estimate of the square of the mean from independent values ``(words, n)``: the mean over pairs.

    Example:
        >>> square_of_sampled(torch.tensor([[1.0, 3.0]])).tolist()
        [3.0]
    """
    n = values.shape[1]
    return (values.mean(1).square() - values.square().mean(1) / n) * (n / (n - 1))


def data_start(gates: ZWordGates, bits: Tensor, scale: float, *, single: bool = True) -> Tensor:
    """Angles from rows of bits ``(n, wires)``: marginals by gates on one wire, covariances by gates on two, others 0.

    A gate on one wire has arcsin sqrt(mean of the bit), which alone gives that bit its marginal; with `single` false 0.
    One on two has scale pi times the covariance of the spins over the largest of all covariances (arXiv:2503.02934).

    Example:
        >>> gates = ZWordGates(1, ((0,),))
        >>> round(float(torch.cos(2 * data_start(gates, torch.tensor([[0], [0], [0], [1]]), 0.0))), 4)
        0.5
    """
    spins = 1 - 2 * bits.double()
    covariances = torch.cov(spins.T, correction=0).reshape(gates.wires, gates.wires)
    weights, at = np.diff(gates.starts), gates.starts[:-1]
    angles = torch.zeros(len(gates.gates), dtype=torch.float64)
    ones, twos = np.flatnonzero(weights == 1), np.flatnonzero(weights == 2)
    if single:
        angles[ones] = torch.arcsin(bits.double().mean(0).clamp(0, 1).sqrt())[gates.flat[at[ones]].astype(np.int64)]
    if len(twos):
        first, second = (gates.flat[at[twos] + k].astype(np.int64) for k in (0, 1))
        found = covariances[first, second]
        angles[twos] = scale * math.pi * found / found.abs().max().clamp_min(1e-12)
    return angles
