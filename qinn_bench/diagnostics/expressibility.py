"""Expressibility and entanglement of ensembles of states (Sim, Johnson, Aspuru-Guzik, arXiv:1905.10876).

Both are properties of states, not of what is read out of them: they have no classical counterpart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.quantum.layer import fidelity
from qinn_bench.values import Array, Estimate

BINS = 75
PAIRS = 5000
REPLICATES = 400


def expressibility(first: Tensor, second: Tensor, rng: np.random.Generator) -> Estimate:
    """The Kullback-Leibler divergence in nats of the fidelities of pairs of states from those of Haar-random states.

    `first` and `second` are ``(pairs, 2^n)``; the histogram has `BINS` bins. 0 for states spread evenly, and
    ``(2^n - 1) ln 75`` for a circuit that does nothing; `haar_floor` is what a finite number of pairs adds. The error
    is that of a bootstrap over the pairs.
    """
    fidelities = fidelity(first, second).clamp(0, 1).double().numpy()
    bins = np.minimum((fidelities * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    masses = haar_masses(first.shape[1])
    draws = rng.multinomial(len(fidelities), counts / len(fidelities), REPLICATES)
    error = float(np.std(divergence(draws, masses), ddof=1))
    return Estimate(value=float(divergence(counts[None], masses)[0]), error=error, n=len(fidelities), unit="nats")


def haar_masses(n_states: int) -> Array:
    """The logarithm of the share of Haar-random fidelities in each bin, ``(BINS,)``: P(F > f) = (1 - f)^(N - 1)."""
    edges = np.linspace(0, 1, BINS + 1)
    power = n_states - 1
    with np.errstate(divide="ignore"):
        above = power * np.log1p(-edges)
    return np.asarray(above[:-1] + np.log1p(-np.exp(above[1:] - above[:-1])))


def divergence(counts: NDArray[Any], log_masses: Array) -> Array:
    """The divergence ``(k,)`` of histograms ``(k, BINS)`` from bins of these log-masses; empty bins add nothing."""
    shares = counts / counts.sum(1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(np.where(shares > 0, shares * (logs - log_masses), 0.0).sum(1))


def haar_floor(n_wires: int, pairs: int, rng: np.random.Generator) -> Estimate:
    """The expressibility of so many pairs of Haar-random states: its mean, and the standard deviation of a single one.

    Simulated from the distribution of their fidelities; a difference below twice the floor is noise.
    """
    masses = haar_masses(2**n_wires)
    shares = np.exp(masses)
    divergences = divergence(rng.multinomial(pairs, shares / shares.sum(), REPLICATES), masses)
    return Estimate(value=float(divergences.mean()), error=float(np.std(divergences, ddof=1)), n=pairs, unit="nats")


def idle_expressibility(n_wires: int) -> float:
    """That of a circuit whose state never changes: every fidelity is 1."""
    return float((2**n_wires - 1) * np.log(BINS))


def meyer_wallach(states: Tensor) -> Estimate:
    """The mean Meyer-Wallach entanglement of states ``(B, 2^n)``: 0 for products, 1 for GHZ states.

    Q = 2 (1 - mean_k Tr rho_k^2) over the wires (quant-ph/0108104); a single wire has none.
    """
    each = entanglements(states)
    return Estimate(value=float(each.mean()), error=float(each.std() / len(each) ** 0.5), n=len(each))


def entanglements(states: Tensor) -> Tensor:
    """Q of each state, ``(B,)``."""
    n = states.shape[1].bit_length() - 1
    purities = []
    for wire in range(n):
        split = states.view(len(states), 2**wire, 2, -1).transpose(1, 2).flatten(2)
        rho = split @ split.mH
        purities.append((rho.real.square() + rho.imag.square()).sum((1, 2)))
    return 2 * (1 - torch.stack(purities).mean(0))


def haar_entanglement(n_wires: int) -> float:
    """The mean Q of Haar-random states, (N - 2) / (N + 1) with N = 2^n."""
    return float((2**n_wires - 2) / (2**n_wires + 1))


def haar_states(n_wires: int, n: int, rng: torch.Generator) -> Tensor:
    """Haar-random states ``(n, 2^n_wires)`` in complex128."""
    normal = torch.randn(n, 2**n_wires, generator=rng, dtype=torch.complex128)
    states: Tensor = normal / normal.norm(dim=1, keepdim=True)
    return states
