"""Distributions of bits that gates by words of Z define, trained by the MMD over words; exact tables of few bits."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Density, Sampler, WordTeller
from reference_models._parts.bit_cells import bits_of
from reference_models._parts.cells import Cells
from reference_models._parts.energies import drawn_by_chance
from reference_models._parts.word_mmd import WordMMD, data_means, data_start, squared_discrepancy
from reference_models._parts.z_words import MOST_GATES, Gates, ZWordGates, local_gates

EVEN = 1e-6
"""The share of the probability that is spread evenly over all cells, so that no row is impossible."""
LARGEST = 24
"""The most bits whose table of probabilities is made."""
Machine = TypeVar("Machine", bound="BitMachine")


def walsh_hadamard(values: Tensor) -> Tensor:
    """The sums over z of (-1)^(ones that a and z share) values[z], for every a: ``(2^n,) -> (2^n,)``.

    Example:
        >>> walsh_hadamard(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()
        [10.0, -2.0, -4.0, 0.0]
    """
    half, size = 1, len(values)
    while half < size:
        pairs = values.reshape(-1, 2, half)
        values = torch.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), 1)
        half *= 2
    return values.reshape(size)


class BitMachine(WordTeller):
    """Bits whose distribution is given by an angle for each gate; a subclass says what a gate does.

    With `flip` all bits are flipped together half of the time, so that words of odd weight have no mean. Wires beyond
    those of the bits are ancillas, which gates are on and nothing is read of.

    Example:
        >>> from reference_models.generators.bitflip_twin import build
        >>> build(3).masks().tolist()  # Gates on one wire, then on two.
        [4, 2, 1, 6, 5, 3]
    """

    def __init__(
        self,
        cells: Cells,
        gates: Gates,
        of_loss: WordMMD,
        *,
        flip: bool,
        start: float,
        noise: float,
        ancillas: int = 0,
    ) -> None:
        super().__init__(cells.dim)
        self.wires = cells.n_bits + ancillas
        self.cells, self.of_loss, self.n_bits = cells, of_loss, cells.n_bits
        self.flip, self.start, self.start_noise = flip, start, noise
        self.gates = ZWordGates(self.wires, gates)
        self.angles = nn.Parameter(torch.zeros(len(gates)))

    def bits(self, x: Tensor) -> Tensor:
        """The bit string of each row, ``(n, dim) -> (n, dim * bits)``, zeros and ones."""
        return bits_of(self.cells, self.cells.places(x)).to(torch.uint8)

    @abstractmethod
    def word_means(self, words: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """The means of words of Z ``(w, wires)``, and their squares, or unbiased estimates of both: ``(w,)`` each."""

    def told_means(self, words: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same, where a flip of all bits leaves words of odd weight no mean."""
        mean, square = self.word_means(F.pad(words, (0, self.wires - self.n_bits)), rng)
        if self.flip:
            even = (1 - words.sum(1) % 2).to(mean)
            mean, square = mean * even, square * even
        return mean, square

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Angles that data suggest, and noise."""
        bits = F.pad(self.bits(train.rows).cpu(), (0, self.wires - self.n_bits))
        found = data_start(self.gates, bits, self.start, single=not self.flip)
        noise = torch.randn(found.shape, generator=rng, dtype=torch.float64)
        with torch.no_grad():
            self.angles.copy_(found + self.start_noise * noise)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The unbiased estimate of MMD^2 between the rows of the batch and the model, over words that are drawn."""
        bits = self.bits(batch.rows)
        words = self.of_loss.drawn(self.cells.n_bits, rng).to(bits.device)
        mean, square = self.told_means(words, rng)
        return squared_discrepancy(mean, square, data_means(bits, words, self.angles), len(bits)).mean()

    def masks(self) -> Tensor:
        """The number of each gate, ``(gates,)``; the first wire is the highest bit."""
        top = self.wires - 1
        return torch.tensor([sum(1 << (top - w) for w in gate) for gate in self.gates.gates])

    def spread(self, numbers: Tensor) -> Tensor:
        """Numbers of gates in the places of their masks, ``(gates,) -> (2^wires,)``, in double precision."""
        table = torch.zeros(2**self.wires, dtype=torch.float64, device=numbers.device)
        return table.index_add(0, self.masks().to(numbers.device), numbers.double())

    def parity(self) -> Tensor:
        """1 for each state with an odd number of ones, else 0, ``(2^wires,)``."""
        states = torch.arange(2**self.wires, device=self.angles.device)
        for shift in (16, 8, 4, 2, 1):
            states = states ^ (states >> shift)
        return states & 1


class TabledBits(BitMachine, Sampler, Density):
    """A machine of few bits, whose probabilities are a table: even within a cell, with exact draws and likelihood.

    Example:
        >>> from reference_models.generators.bitflip_twin import build
        >>> found = build(3).probabilities()  # All angles are zero, and so are all bits.
        >>> found.shape, round(found[0].item(), 4)
        (torch.Size([8]), 1.0)
    """

    normalised = True

    @abstractmethod
    def exact(self) -> Tensor:
        """The probability of each state, ``(2^wires,)`` in double precision; the first wire is the highest bit."""

    def probabilities(self) -> Tensor:
        """Those of all cells by their number, none of them zero, ``(2^wires,)``."""
        found = self.exact().clamp_min(0)
        return (1 - EVEN) * found / found.sum() + EVEN / len(found)

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        own = self.probabilities()[self.cells.numbers(self.cells.places(x))].log().to(x)
        return own + self.cells.n_bits * math.log(2) + self.cells.log_even(x)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows: a cell by its probability, then a place in it."""
        numbers = drawn_by_chance(self.probabilities(), n, rng)
        return self.cells.drawn_in(self.cells.places_of(numbers), rng).to(self.angles)


class GateChoice(NamedTuple):
    """The gates of a machine: on 1 to `order` bits, the lightest so many `gates` of them or `every` one.

    Example:
        >>> len(GateChoice(4, 100, every=False).on(16)), len(GateChoice(4, 100, every=True).on(16))
        (100, 2516)
    """

    order: int
    gates: int
    every: bool

    def on(self, bits: int) -> Gates:
        """Those of so many bits, ancillas included.

        Raises:
            Refused: no gates or too many of them.
        """
        return local_gates(bits, min(self.order, bits), MOST_GATES if self.every else self.gates)


def tabled_if_few(
    few: type[Machine], many: type[Machine], cells: Cells, choice: GateChoice, of_loss: WordMMD, **start: Any
) -> Machine:
    """A machine whose probabilities are a table where there are `LARGEST` bits or fewer; `start` as of `BitMachine`.

    Raises:
        Refused: no gates or too many of them.
    """
    wires = cells.n_bits + int(start.get("ancillas", 0))
    kind = few if wires <= LARGEST else many
    return kind(cells, choice.on(wires), of_loss, **start)
