"""Rows of bits: each is spread evenly over (0, 1) or (1, 2), so that a law of bits has a density; laws as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.seeds import numpy_rng

BIT = "bit"
"""The unit of a column that is a bit."""
EDGE = 1e-9
"""No drawn value is nearer to the ends of its interval."""

WEIGHTS = (2.0, 6.0)
"""Mean weights of the words by which models are judged."""
JUDGING = 1000
"""How many words models are judged by."""
HALF = 0.375
"""No letter of a word is Z with a larger chance, that of sigma = 0.6."""

_Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]
"""Zeros and ones, ``(n, k)``."""


def are_bits(units: Iterable[str]) -> bool:
    """Whether columns in these units are bits, each of them.

    Example:
        >>> are_bits(["bit", "bit"]), are_bits(["bit", "GeV"])
        (True, False)
    """
    return set(units) == {BIT}


def bits_in(rows: _Floats) -> Bits:
    """The bits of rows ``(n, k)``: 1 where a value is 1 or more.

    Example:
        >>> bits_in(np.array([[0.3, 1.0, 1.7]])).tolist()
        [[0, 1, 1]]
    """
    return np.asarray(rows >= 1, dtype=np.uint8)


def spread_bits(bits: NDArray[Any], rng: np.random.Generator) -> _Floats:
    """Rows with these bits, each value even over its interval, ``(n, k)``.

    Example:
        >>> bits = np.array([[0, 1, 1]])
        >>> bits_in(spread_bits(bits, np.random.default_rng(0))).tolist()
        [[0, 1, 1]]
    """
    return np.asarray(bits + np.clip(rng.random(bits.shape), EDGE, 1 - EDGE), dtype=np.float64)


def state_numbers(bits: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each row of at most 62 bits, of which the first is the highest: ``(n, k) -> (n,)``.

    Example:
        >>> state_numbers(np.array([[0, 1, 1], [1, 0, 0]])).tolist()
        [3, 4]
    """
    return np.asarray(bits.astype(np.int64) @ (1 << np.arange(bits.shape[1] - 1, -1, -1)))


def states_of(numbers: NDArray[Any], bits: int) -> Bits:
    """The rows that have these numbers, ``(n,) -> (n, bits)``.

    Example:
        >>> states_of(np.array([3, 4]), 3).tolist()
        [[0, 1, 1], [1, 0, 0]]
    """
    return np.asarray(numbers[:, None] >> np.arange(bits - 1, -1, -1) & 1, dtype=np.uint8)


class BitLaw:
    """A distribution of rows of bits that is known as a table: the probability of each state, by its number.

    Its density is that of the spread rows, where every state has a cube of volume 1: the entropy is that of the bits.

    Example:
        >>> law = BitLaw(np.array([0.5, 0.25, 0.25, 0.0]))
        >>> law.bits, round(law.entropy, 4), law.log_density(np.array([[0.5, 0.5]])).round(4).tolist()
        (2, 1.0397, [-0.6931])
    """

    def __init__(self, weights: _Floats) -> None:
        self.probabilities = np.asarray(weights / weights.sum(), dtype=np.float64)
        self.bits = len(weights).bit_length() - 1
        there = self.probabilities[self.probabilities > 0]
        self.entropy = float(-(there * np.log(there)).sum())
        """In nats."""

    @cached_property
    def log_probabilities(self) -> _Floats:
        """Of each state in nats, minus infinity where it is impossible."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.probabilities))

    def log_density(self, rows: _Floats) -> _Floats:
        """``(n, bits) -> (n,)`` in nats."""
        inside = ((rows >= 0) & (rows <= 2)).all(1)
        return np.where(inside, self.log_probabilities[state_numbers(bits_in(rows))], -np.inf)

    def sample(self, n: int, rng: np.random.Generator) -> _Floats:
        """``n`` independent rows, ``(n, bits)``."""
        below = np.cumsum(self.probabilities)
        numbers = np.searchsorted(below, rng.random(n) * below[-1], side="right").clip(max=len(below) - 1)
        return spread_bits(states_of(numbers, self.bits), rng)


def word_chance(sigma: float) -> float:
    """How probable a letter is a Z in the words of which the kernel exp(-d / (2 sigma^2)) of bits is made.

    For the number d of bits that differ, MMD^2 is the mean over words of Z, whose letters are Z independently with the
    chance (1 - exp(-1 / (2 sigma^2))) / 2, of the squared difference of their means (arXiv:2501.04776).

    Example:
        >>> round(16 * word_chance(0.6), 4), round(16 * word_chance(1.3), 4)  # Mean weights of words of 16 letters.
        (6.0052, 2.0489)
    """
    return -0.5 * math.expm1(-0.5 / sigma**2)


def word_bandwidth(weight: float, bits: int) -> float:
    """The sigma at which words of so many letters have this mean weight, as long as fewer than 3/8 of them are Z.

    Example:
        >>> round(word_bandwidth(2, 16), 5), round(word_bandwidth(2, 784), 3)
        (1.31834, 9.887)
    """
    return math.sqrt(-0.5 / math.log1p(-2 * min(weight / bits, HALF)))


def judging_words(bits: int) -> Bits:
    """The words of Z by which all models of so many bits are judged, ``(1000, bits)``: mean weights 2 and 6 in turn.

    Example:
        >>> words = judging_words(16)
        >>> words.shape, bool((judging_words(16) == words).all())
        ((1000, 16), True)
    """
    chances = np.array([word_chance(word_bandwidth(weight, bits)) for weight in WEIGHTS])
    of = np.arange(JUDGING) % len(WEIGHTS)
    return np.asarray(numpy_rng("judging words", bits).random((JUDGING, bits)) < chances[of][:, None], dtype=np.uint8)


def mean_words(bits: NDArray[Any], words: NDArray[Any]) -> _Floats:
    """The mean of each word of Z over rows of bits, ``(n, k), (w, k) -> (w,)``.

    Example:
        >>> mean_words(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [1, 1]])).tolist()
        [-1.0, 0.0]
    """
    ones = (words.astype(np.float32) @ bits.T.astype(np.float32)).astype(np.int32)
    return np.asarray(1 - 2 * (ones & 1).mean(1))


def exact_kl(p: _Floats, q: _Floats) -> float:
    """The Kullback-Leibler divergence of a table q from the true one p, ``(states,)`` each, in nats.

    Example:
        >>> round(exact_kl(np.array([0.5, 0.5]), np.array([0.75, 0.25])), 6)  # log(2 / sqrt 3)
        0.143841
    """
    there = p > 0
    with np.errstate(divide="ignore"):
        return float((p[there] * (np.log(p[there]) - np.log(q[there]))).sum())


def exact_total_variation(p: _Floats, q: _Floats) -> float:
    """Half the sum of the absolute differences of two tables: 0 where they are equal, 1 where they share no state.

    Example:
        >>> exact_total_variation(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
        0.25
    """
    return float(0.5 * np.abs(p - q).sum())


def exact_mmd(p: _Floats, q: _Floats, sigma: float) -> float:
    """The squared maximum mean discrepancy of two tables with the kernel exp(-d / (2 sigma^2)) of the bits that differ.

    Example:
        >>> apart = exact_mmd(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 1.0)  # 2 - 2 exp(-1/2)
        >>> round(apart, 6)
        0.786939
    """
    difference, near = p - q, math.exp(-0.5 / sigma**2)
    smooth, half = difference, 1
    while half < len(p):
        pairs = smooth.reshape(-1, 2, half)
        smooth = (pairs + near * pairs[:, ::-1]).reshape(-1)
        half *= 2
    return float(difference @ smooth)
