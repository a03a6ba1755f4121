"""The normal quantile of a probability that is given by its logarithm, so that the far tails keep their digits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qinn_bench.contracts import LOG_2PI

NEWTON = 4
"""Steps of Newton's method, each of which doubles the digits of a first guess that has two."""


def normal_quantile(log_below: Tensor, log_above: Tensor) -> Tensor:
    """The z with ``Phi(z) = exp(log_below) = 1 - exp(log_above)``, of any shape; of the smaller of both.

    Example:
        >>> half = torch.tensor([0.5], dtype=torch.float64).log()
        >>> normal_quantile(half, half).abs().tolist(), round(float(normal_quantile(-800 + half, 0 * half)), 3)
        ([0.0], -39.902)
    """
    below = log_below <= log_above
    tail = torch.where(below, log_below, log_above).double()
    size = _size(tail.clamp(max=-math.log(2)))
    return torch.where(below, -size, size).to(log_below)


def _size(tail: Tensor) -> Tensor:
    """The z above 0 with ``log Phi(-z) = tail``, at most log(1/2)."""
    # Abramowitz and Stegun, 26.2.23.
    t = (-2 * tail).sqrt()
    guess = t - (2.515517 + t * (0.802853 + 0.010328 * t)) / (1 + t * (1.432788 + t * (0.189269 + 0.001308 * t)))
    z = guess.detach().clamp(min=0)
    with torch.no_grad():
        for _ in range(NEWTON - 1):
            z = _closer(z, tail)
    # The last step carries the derivative.
    return _closer(z, tail)


def _closer(z: Tensor, tail: Tensor) -> Tensor:
    reached = torch.special.log_ndtr(-z.detach())
    slope = torch.exp(-0.5 * (z.detach().square() + LOG_2PI) - reached)
    closer: Tensor = z + (reached - tail) / slope
    return closer
