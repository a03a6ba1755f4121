"""The Fourier spectrum of a circuit along one input (Schuld, Sweke, Meyer, arXiv:2008.08605)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
import torch
from torch import Tensor

from qinn_bench.diagnostics.weight_ensembles import outputs, uniform
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.opened import opened
from qinn_bench.values import Array

THRESHOLD = 1e-8
"""Coefficients whose size is below this at every set of weights count as zero."""


@dataclass(frozen=True)
class Spectrum:
    """Coefficients c_w of f(x) = sum_w c_w exp(i w x) over sets of weights.

    Attributes:
        frequencies: 0, 1, ... ``(K,)``; those below zero have the conjugate coefficients.
        variance: of the coefficients over sets of weights, summed over real and imaginary part, mean over the
            outputs, ``(K,)``.
        error: the standard error of `variance`.
        nonzero: how many frequencies, of both signs and 0, have a coefficient in any output.
        degree: the highest of them.
        bound: the highest that the uploads allow.
        sets: sets of weights.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> found = spectrum(reuploading(2, uploads=1), 0, 10, torch.Generator().manual_seed(0))
        >>> found.degree <= found.bound, found.frequencies[:2].tolist()
        (True, [0.0, 1.0])
    """

    frequencies: Array
    variance: Array
    error: Array
    nonzero: int
    degree: int
    bound: int
    sets: int


def spectrum(circuit: Circuit, which: int, sets: int, rng: torch.Generator) -> Spectrum:
    """The spectrum along one input with every scale set to one, so that all frequencies are whole numbers.

    All other weights are uniform in [0, 2 pi), the other inputs uniform in [0, pi). The input runs over at least
    4 r + 1 points of its period, where r is the highest frequency that its uploads allow.
    """
    bound = degree_bound(circuit, which)
    points = max(4 * bound + 1, 5)
    weights = uniform(circuit, sets, rng)
    weights[:, sorted(_scales(circuit))] = 1.0
    x = pi * torch.rand(sets, circuit.n_inputs, generator=rng, dtype=torch.float64)
    grid = x[:, None, :].repeat(1, points, 1)
    grid[:, :, which] = torch.arange(points, dtype=torch.float64) * (2 * pi / points)
    with torch.no_grad():
        values = outputs(circuit, grid.flatten(0, 1), weights.repeat_interleave(points, 0))
    return _of(values.view(sets, points, -1), bound)


def _of(values: Tensor, bound: int) -> Spectrum:
    """The spectrum of values ``(sets, points, outputs)`` on a grid of one period."""
    sets, points, _ = values.shape
    coefficients = np.fft.rfft(values.numpy(), axis=1) / points
    squares = (np.abs(coefficients - coefficients.mean(0)) ** 2).mean(2) * (sets / max(sets - 1, 1))
    there = np.abs(coefficients).max((0, 2)) > THRESHOLD
    return Spectrum(
        frequencies=np.arange(coefficients.shape[1], dtype=np.float64),
        variance=squares.mean(0),
        error=squares.std(0, ddof=1) / np.sqrt(sets) if sets > 1 else np.full(coefficients.shape[1], np.nan),
        nonzero=int(2 * there[1:].sum() + there[0]),
        degree=int(np.flatnonzero(there).max(initial=0)),
        bound=bound,
        sets=sets,
    )


def degree_bound(circuit: Circuit, which: int) -> int:
    """The highest frequency that an input can have with scales of one: that of all its rotations together."""
    return ceil(sum(abs(angle.factor) for angle in opened(circuit).angles if angle.input == which) - 1e-9)


def reach(circuit: Circuit, which: int, weights: Tensor) -> float:
    """The highest frequency along an input at these weights ``(n_weights,)``, scales included; a real number."""
    driven = [angle for angle in opened(circuit).angles if angle.input == which]
    scales = [1.0 if angle.scale is None else float(weights[angle.scale]) for angle in driven]
    return sum(abs(angle.factor * scale) for angle, scale in zip(driven, scales, strict=True))


def _scales(circuit: Circuit) -> set[int]:
    return {angle.scale for angle in opened(circuit).angles if angle.scale is not None}
