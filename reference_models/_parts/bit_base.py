"""A distribution of bit strings as a density of the line's features: each string's mass spread over its cell, or over
its neighbours too."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.binary_priors import BinaryPrior, all_states
from reference_models._parts.cells import EDGE, SQUASHES, Cells
from reference_models._parts.energies import drawn_from_table

LARGEST = 16
"""The most bits, as the probabilities of all strings are looked at."""
WIDEST = 8
"""The most features whose neighbours are looked at: each row has 2^features of them."""
EVEN = 1e-6
"""The share of the probability that is spread evenly."""
SPREADS = ("hat", "even")


class CircuitBits(BinaryPrior):
    """The outcomes of a circuit without inputs, all of whose wires are measured.

    Example:
        >>> from reference_models._parts.born_circuits import layered_circuit
        >>> law = CircuitBits(layered_circuit(3, 2, ansatz="ry-cz", graph="ring"), "torch")
        >>> round(law.log_prob(all_states(3).float()).exp().sum().item(), 5)
        1.0
    """

    def __init__(self, circuit: Circuit, backend: str) -> None:
        super().__init__()
        self.circuit = CircuitLayer(circuit, backend)

    def _table(self) -> Tensor:
        found: Tensor = self.circuit(next(self.parameters()).new_zeros(1, 0))
        return ((1 - EVEN) * found + EVEN / found.shape[1]).log()

    def log_prob(self, z: Tensor) -> Tensor:
        """The exact log-probability of rows of bits, ``(n, bits) -> (n,)``."""
        powers = 2 ** torch.arange(z.shape[1] - 1, -1, -1, device=z.device)
        found: Tensor = self._table()[0, (z.long() * powers).sum(1)]
        return found

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` strings by their exact probabilities."""
        table = self._table()
        bits = table.shape[1].bit_length() - 1
        shifts = torch.arange(bits - 1, -1, -1, device=table.device)
        return (drawn_from_table(table, n, rng)[:, None] >> shifts & 1).to(table)


class BitBase(nn.Module):
    """A density and draws of features in the latent space of a flow, from a distribution of bit strings on cells.

    The mass of a cell lies evenly in it, or, with ``hat``, falls linearly to nothing at the middle of the cells next to
    it, so that the density has slopes everywhere; at the borders it is reflected. Both integrate to one exactly.

    Raises:
        Refused: more bits or features than are looked at, or a spread that does not exist.

    Example:
        >>> from reference_models._parts.binary_priors import Factorised
        >>> base = BitBase(Cells(2, bits=2), Factorised(4), spread="hat")
        >>> round(float(base.log_prob(torch.zeros(1, 2)).detach()), 3)
        -1.838
    """

    states: Tensor

    def __init__(self, cells: Cells, law: BinaryPrior, spread: str) -> None:
        super().__init__()
        if cells.n_bits > LARGEST or cells.dim > WIDEST or spread not in SPREADS:
            raise Refused(
                f"a base of {cells.dim} features of {cells.bits} bits, spread as '{spread}', was asked for; at most "
                f"{WIDEST} features and {LARGEST} bits are expected, spread as one of {', '.join(SPREADS)}"
            )
        self.cells, self.law, self.spread = cells, law, spread
        self.register_buffer("states", all_states(cells.n_bits).to(torch.uint8))

    def table(self) -> Tensor:
        """The probabilities of all strings by their number, ``(2^bits,)``."""
        return self.law.log_prob(self.states.to(next(self.law.parameters()))).exp()

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density, ``(n, dim) -> (n,)``, in nats."""
        numbers, weights = self._near(z)
        mean = (self.table()[numbers] * weights).sum(1).clamp_min(torch.finfo(z.dtype).tiny)
        return mean.log() + self.cells.n_bits * math.log(2) + self.cells.log_even(z)

    def _near(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of the cells whose masses reach each row, and with which weights, both ``(n, cells)``."""
        if self.spread == "even":
            numbers = self.cells.numbers(self.cells.places(z))
            return numbers[:, None], torch.ones_like(z[:, :1])
        at = SQUASHES[self.cells.squash].into(z) * self.cells.each - 0.5
        low = at.detach().floor()
        ends = torch.stack((low, low + 1), 2).long().clamp(0, self.cells.each - 1)
        shares = torch.stack((1 - (at - low), at - low), 2)
        coded = ends ^ ends >> 1 if self.cells.gray else ends
        numbers, weights = coded.new_zeros(len(z), 1), torch.ones_like(z[:, :1])
        for feature in range(self.cells.dim):
            numbers = (numbers[:, :, None] * self.cells.each + coded[:, feature, None]).flatten(1)
            weights = (weights[:, :, None] * shares[:, feature, None]).flatten(1)
        return numbers, weights

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` rows, ``(n, dim)``: a string by its probability, then a place near it."""
        table = self.table()
        places = self.cells.places_of(drawn_from_table(table.log(), n, rng))
        if self.spread == "even":
            return self.cells.drawn_in(places, rng).to(table)
        both = torch.rand(2, *places.shape, generator=rng, dtype=torch.float64).to(places.device).sum(0)
        unit = ((places + both - 0.5) / self.cells.each).abs()
        unit = torch.where(unit > 1, 2 - unit, unit)
        return SQUASHES[self.cells.squash].back(unit.clamp(EDGE, 1 - EDGE)).to(table)
