"""Distributions of a few binary numbers with exact probabilities and draws: independent, Boltzmann, autoregressive."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_models._parts.made import made


def all_states(bits: int) -> Tensor:
    """Every setting of so many bits, ``(2^bits, bits)``, by rising binary number.

    Example:
        >>> all_states(2).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    return torch.cartesian_prod(*[torch.tensor([0, 1])] * bits).reshape(2**bits, bits)


class BinaryPrior(nn.Module, ABC):
    """A distribution of rows of zeros and ones.

    Example:
        >>> prior = Factorised(3)
        >>> round(prior.log_prob(all_states(3).float()).exp().sum().item(), 6)
        1.0
    """

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """The log-probability of rows, ``(n, bits) -> (n,)``; differentiable along them too."""

    @abstractmethod
    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` independent rows, ``(n, bits)``."""


def bernoulli(z: Tensor, logits: Tensor) -> Tensor:
    """The log-probability of zeros and ones with these logits each, added up over the last axis."""
    return (z * F.logsigmoid(logits) + (1 - z) * F.logsigmoid(-logits)).sum(-1)


def _drawn(logits: Tensor, n: int, rng: torch.Generator) -> Tensor:
    chance = torch.sigmoid(logits.double())
    uniform = torch.rand(n, logits.shape[-1], generator=rng, dtype=torch.float64).to(chance)
    return (uniform < chance).to(logits)


class Factorised(BinaryPrior):
    """Independent bits.

    Example:
        >>> Factorised(3).draw(5, torch.Generator().manual_seed(0)).shape
        torch.Size([5, 3])
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(bits))

    def log_prob(self, z: Tensor) -> Tensor:
        """The sum of those of the bits."""
        return bernoulli(z, self.logits)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Each bit by itself."""
        return _drawn(self.logits, n, rng)


class Boltzmann(BinaryPrior):
    """A restricted Boltzmann machine between the first half of the bits and the others, p = exp(b z + z1 W z2) / Z.

    Z is summed over the first half, exactly, and draws are exact: there are no chains.

    Example:
        >>> machine = Boltzmann(4)
        >>> _ = nn.init.normal_(machine.weights)
        >>> round(machine.log_prob(all_states(4).float()).exp().sum().item(), 6)
        1.0
    """

    states: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.n_first = bits // 2
        self.biases = nn.Parameter(torch.zeros(bits))
        self.weights = nn.Parameter(0.01 * torch.randn(self.n_first, bits - self.n_first))
        self.register_buffer("states", all_states(self.n_first))

    def log_prob(self, z: Tensor) -> Tensor:
        """Minus the energy, minus log Z."""
        first, second = z[:, : self.n_first], z[:, self.n_first :]
        energy = z @ self.biases + ((first @ self.weights) * second).sum(1)
        return energy - torch.logsumexp(self._halves(), 0)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """The first half by its exact probabilities, the others given it."""
        below = self._halves().double().softmax(0).cumsum(0)
        uniform = torch.rand(n, generator=rng, dtype=torch.float64).to(below) * below[-1]
        first = self.states[torch.searchsorted(below, uniform).clamp(max=len(below) - 1)].to(self.weights)
        return torch.cat((first, _drawn(self._given(first), n, rng)), 1)

    def _given(self, first: Tensor) -> Tensor:
        """The logits of the other bits."""
        return self.biases[self.n_first :] + first @ self.weights

    def _halves(self) -> Tensor:
        """The logarithm of the weight of each state of the first half, ``(2^half,)``."""
        states = self.states.to(self.weights)
        return states @ self.biases[: self.n_first] + F.softplus(self._given(states)).sum(1)


class AutoregressiveBits(BinaryPrior):
    """Each bit given those before it, by a masked network.

    Example:
        >>> prior = AutoregressiveBits(3, hidden=4)
        >>> round(prior.log_prob(all_states(3).float()).exp().sum().item(), 6)
        1.0
    """

    def __init__(self, bits: int, hidden: int) -> None:
        super().__init__()
        self.network = made(bits, 1, hidden, 1)
        self.bits = bits

    def log_prob(self, z: Tensor) -> Tensor:
        """The sum of those of the bits given the ones before."""
        return bernoulli(z, self.network(z))

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """One bit after the other."""
        z = next(self.network.parameters()).new_zeros(n, self.bits)
        for i in range(self.bits):
            z[:, i : i + 1] = _drawn(self.network(z)[:, i : i + 1], n, rng)
        return z
