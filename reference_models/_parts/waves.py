"""Densities that are squares of sums of waves over the unit cube: their amplitudes, and exact draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALVINGS = 44
"""How often the interval that a drawn place lies in is halved."""
NUMBERS = 2**22
"""How many amplitudes, one set for each row, are looked at at once."""


def waves_at(psi: Tensor, unit: Tensor, each: int) -> Tensor:
    """``sum_k psi_k exp(-2 pi i k u)`` at points, k over all vectors of 0 to each - 1: ``(1 or n, each^d), (n, d)``.

    The result ``(n,)`` is complex; its square is a density over the unit cube where the squares of `psi` add up to 1.

    Example:
        >>> psi = torch.tensor([[0.6, 0.8]], dtype=torch.complex64)
        >>> waves_at(psi, torch.tensor([[0.0], [0.5]]), 2).real.double().round(decimals=3).tolist()
        [1.4, -0.2]
    """
    rows, found = max(1, NUMBERS // psi.shape[1]), [psi.new_zeros(0)]
    for start in range(0, len(unit), rows):
        part = slice(start, start + rows)
        left = psi if len(psi) == 1 else psi[part]
        for feature in range(unit.shape[1]):
            left = _contracted(left, unit[part, feature], each)
        found.append(left[:, 0])
    return torch.cat(found)


def _contracted(psi: Tensor, at: Tensor, each: int) -> Tensor:
    """The first feature's waves summed up at places ``(n,)``: ``(1 or n, each * rest) -> (n, rest)``."""
    k = torch.arange(each, device=at.device, dtype=at.dtype)
    wave = torch.polar(torch.ones_like(at)[:, None], -2 * math.pi * at[:, None] * k)
    if len(psi) == 1:
        return wave.to(psi) @ psi.reshape(each, -1)
    return torch.einsum("nk,nkr->nr", wave.to(psi), psi.reshape(len(psi), each, -1))


def drawn_point(psi: Tensor, uniform: Tensor, each: int) -> Tensor:
    """Points ``(n, d)`` of the density that `waves_at` is the root of, from numbers ``(n, d)`` even in (0, 1).

    Each feature is drawn given those before it: its density is a sum of waves, whose distribution function is known.

    Example:
        >>> even = torch.tensor([[1.0, 0.0]], dtype=torch.complex128)
        >>> drawn_point(even, torch.tensor([[0.25]], dtype=torch.float64), 2).round(decimals=9).tolist()
        [[0.25]]
    """
    left, found = psi, []
    for feature in range(uniform.shape[1]):
        at = _inverted(_moments(left.reshape(len(left), each, -1)), uniform[:, feature])
        found.append(at)
        left = _contracted(left, at, each)
        left = left / left.abs().square().sum(1, keepdim=True).sqrt().clamp_min(1e-150)
    return torch.stack(found, 1)


def _moments(psi: Tensor) -> Tensor:
    """``r_m = sum_k psi_{k+m} conj(psi_k)`` over all that follows, ``(n, each, rest) -> (n, each)``, with r_0 = 1."""
    each = psi.shape[1]
    lags = [(psi[:, m:] * psi[:, : each - m].conj()).sum((1, 2)) for m in range(each)]
    moments = torch.stack(lags, 1)
    return moments / moments[:, :1].real.clamp_min(1e-300)


def _inverted(moments: Tensor, share: Tensor) -> Tensor:
    """Where the distribution function of ``1 + 2 Re sum_m r_m exp(-2 pi i m u)`` has these values, ``(n,)``."""
    m = 2 * math.pi * torch.arange(1, moments.shape[1], device=share.device, dtype=share.dtype)
    terms = moments[:, 1:]

    def below(u: Tensor) -> Tensor:
        angle = u[:, None] * m
        # The integral of exp(-i m u) from 0 is (sin m u + i (cos m u - 1)) / m.
        waves = (terms.real * angle.sin() - terms.imag * (angle.cos() - 1)) / m
        return u + 2 * waves.sum(1)

    low, high = torch.zeros_like(share), torch.ones_like(share)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        before = below(middle) < share
        low, high = torch.where(before, middle, low), torch.where(before, high, middle)
    return 0.5 * (low + high)
