"""Distributions of bit strings by an energy: a restricted Boltzmann machine, and a dense network as the energy.

Both are normalised by a sum that is exact, and drawn from without chains. Their usual trainings, with chains, are there
as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.values import Refused
from reference_models._parts.binary_priors import BinaryPrior, all_states

LARGEST = 16
"""The most bits whose settings are summed over."""


def drawn_from_table(log_weights: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Places of tables of log-weights ``(k,)`` or ``(rows, k)``, each as often as it weighs: `n` of them, ``(n,)``,
    of which as many belong to each row.

    Example:
        >>> drawn_from_table(torch.tensor([-90.0, 0.0, -90.0]), 3, torch.Generator().manual_seed(0)).tolist()
        [1, 1, 1]
    """
    return drawn_by_chance(log_weights.double().softmax(-1), n, rng)


def drawn_by_chance(chances: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """The same of tables of chances, or of multiples of them.

    Example:
        >>> drawn_by_chance(torch.tensor([0.0, 2.0, 0.0]), 3, torch.Generator().manual_seed(0)).tolist()
        [1, 1, 1]
    """
    below = chances.reshape(-1, chances.shape[-1]).double().cumsum(1)
    uniform = torch.rand(len(below), n // len(below), generator=rng, dtype=torch.float64).to(below) * below[:, -1:]
    return torch.searchsorted(below, uniform, right=True).clamp(max=below.shape[1] - 1).flatten()


def coins(logits: Tensor, rng: torch.Generator) -> Tensor:
    """Zeros and ones with these logits, in their shape and precision.

    Example:
        >>> coins(torch.tensor([[90.0, -90.0]]), torch.Generator().manual_seed(0)).tolist()
        [[1.0, 0.0]]
    """
    uniform = torch.rand(logits.shape, generator=rng, dtype=torch.float64).to(logits.device)
    return (uniform < torch.sigmoid(logits.double())).to(logits)


class RestrictedBoltzmann(BinaryPrior):
    """p(v) = sum over h of exp(a v + b h + v W h) / Z, with visible bits v and hidden ones h.

    Z is summed over the smaller of both layers, the other one being summed in closed form. With a `condition` of so
    many numbers, a and b are linear in them.

    Raises:
        Refused: no hidden unit, or both layers have more than `LARGEST` units.

    Example:
        >>> machine = RestrictedBoltzmann(3, hidden=2)
        >>> round(machine.log_prob(all_states(3).float()).exp().sum().item(), 6)
        1.0
    """

    states: Tensor

    def __init__(self, bits: int, hidden: int, condition: int = 0) -> None:
        super().__init__()
        smaller = min(bits, hidden)
        if not 1 <= smaller <= LARGEST:
            raise Refused(
                f"a Boltzmann machine of {bits} visible and {hidden} hidden bits was asked for; 1 to {LARGEST} are "
                "expected in the smaller layer, over which its normalisation is summed"
            )
        self.visible = nn.Parameter(torch.zeros(bits))
        self.hidden = nn.Parameter(torch.zeros(hidden))
        self.weights = nn.Parameter(0.01 * torch.randn(bits, hidden))
        if condition:
            self.turned_visible = nn.Parameter(torch.zeros(condition, bits))
            self.turned_hidden = nn.Parameter(torch.zeros(condition, hidden))
        self.over_hidden = hidden < bits
        self.register_buffer("states", all_states(smaller).to(torch.uint8))

    def biases(self, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Those of visible and of hidden bits, ``(n, bits)`` and ``(n, hidden)`` for conditions ``(n, c)``."""
        if condition is None:
            return self.visible, self.hidden
        return self.visible + condition @ self.turned_visible, self.hidden + condition @ self.turned_hidden

    def minus_free_energy(self, v: Tensor, condition: Tensor | None = None) -> Tensor:
        """The logarithm of the weight of visible bits, ``(n, bits) -> (n,)``, up to log Z."""
        visible, hidden = self.biases(condition)
        own = v @ visible if condition is None else (v * visible).sum(1)
        return own + F.softplus(hidden + v @ self.weights).sum(1)

    def _table(self, condition: Tensor | None = None) -> Tensor:
        """The logarithm of the weight of each setting of the smaller layer, a row for each condition if any."""
        states, (visible, hidden) = self.states.to(self.weights), self.biases(condition)
        own, other, across = (hidden, visible, self.weights.T) if self.over_hidden else (visible, hidden, self.weights)
        return own @ states.T + F.softplus(other[..., None, :] + states @ across).sum(-1)

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The exact log-probability of visible bits, ``(n, bits) -> (n,)``."""
        return self.minus_free_energy(z, condition) - torch.logsumexp(self._table(condition), -1)

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """The smaller layer by its exact probabilities; where that is the hidden one, the visible bits given it."""
        states = self.states[drawn_from_table(self._table(condition), n, rng)].to(self.weights)
        return coins(self.biases(condition)[0] + states @ self.weights.T, rng) if self.over_hidden else states

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int, rng: torch.Generator) -> Tensor:
        """Chains of visible bits ``(n, bits)`` after so many steps of block Gibbs sampling."""
        for _ in range(steps):
            h = coins(self.hidden + v @ self.weights, rng)
            v = coins(self.visible + h @ self.weights.T, rng)
        return v


class DeepEnergy(BinaryPrior):
    """p(v) = exp(-E(v)) / Z with a dense tanh network as the energy E of bits in {-1, 1}; Z is summed over all strings.

    The network ends without a bias, which would change nothing. It reads a `condition` of so many numbers beside the
    bits.

    Raises:
        Refused: no hidden unit, or more than `LARGEST` bits.

    Example:
        >>> sum(p.numel() for p in DeepEnergy(16, [100]).parameters())
        1800
    """

    states: Tensor

    def __init__(self, bits: int, widths: Sequence[int], condition: int = 0) -> None:
        super().__init__()
        if not widths or min(widths) < 1 or not 1 <= bits <= LARGEST:
            raise Refused(
                f"an energy of {bits} bits with the hidden widths {list(widths)} was asked for; 1 to {LARGEST} bits, "
                "over whose settings it is normalised, and widths of 1 or more are expected"
            )
        inner = [layer for a, b in pairwise([bits + condition, *widths]) for layer in (nn.Linear(a, b), nn.Tanh())]
        last = nn.Linear(widths[-1], 1, bias=False)
        nn.init.normal_(last.weight, 0, 0.01)
        self.network = nn.Sequential(*inner, last)
        self.register_buffer("states", all_states(bits).to(torch.uint8))

    def energy(self, v: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, bits) -> (n,)``, of zeros and ones."""
        spins = 2 * v - 1
        found: Tensor = self.network(spins if condition is None else torch.cat((spins, condition), -1))
        return found[..., 0]

    def _table(self, condition: Tensor | None = None) -> Tensor:
        """The logarithm of the weight of each string, a row for each condition if any."""
        states = self.states.to(next(self.parameters()))
        if condition is None:
            return -self.energy(states)
        pairs = len(condition), len(states), -1
        return -self.energy(states.expand(pairs), condition[:, None].expand(pairs))

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The exact log-probability of rows of bits, ``(n, bits) -> (n,)``."""
        return -self.energy(z, condition) - torch.logsumexp(self._table(condition), -1)

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """``n`` strings by their exact probabilities."""
        return self.states[drawn_from_table(self._table(condition), n, rng)].to(next(self.parameters()))

    @torch.no_grad()
    def metropolis(self, v: Tensor, steps: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Chains of bits ``(n, bits)`` after so many proposals to flip one bit that is drawn evenly."""
        energy = self.energy(v, condition)
        for _ in range(steps):
            which = torch.randint(v.shape[1], (len(v), 1), generator=rng).to(v.device)
            flipped = v.scatter(1, which, 1 - v.gather(1, which))
            proposed = self.energy(flipped, condition)
            uniform = torch.rand(len(v), generator=rng, dtype=torch.float64).to(v)
            taken = uniform < torch.exp(energy - proposed)
            v = torch.where(taken[:, None], flipped, v)
            energy = torch.where(taken, proposed, energy)
        return v
