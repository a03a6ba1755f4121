"""The smallest classical objects that equal a circuit within epsilon: a matrix product, and a Fourier series.

A state of n wires is a chain of matrices whose bonds are its Schmidt ranks. What may be lost lets bonds be smaller; the
numbers that are left are the parameters of a classical twin. A circuit that encodes data is, as a function of them, a
Fourier series, whose terms are counted likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qinn_bench.diagnostics.weight_ensembles import angles, states
from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.opened import opened
from qinn_bench.values import Array, Estimate, Refused

MOST_WIRES = 12
"""States of more wires are not looked at."""
MOST_UPLOADS = 9
"""Circuits with more turns by data are not looked at: their series are found on a grid of 3^uploads points."""
ROUNDING = 1e-12
"""Squared singular values below this share of all are rounding."""
REAL = 1e-9
"""A vector with smaller imaginary parts is real."""
SEARCHES = 20
SAME_FREQUENCY = 1e-6
EPSILON = 0.01
"""The share that may be lost: of the squared overlap, or of the mean square of outputs."""
INPUTS = 16
"""At how many inputs the state of a circuit that takes data is looked at; the largest of their twins counts."""


@dataclass(frozen=True)
class MatrixProductFit:
    """The smallest matrix product that was found to equal a vector within a lost share.

    Attributes:
        bonds: the sizes of its inner bonds, ``n - 1`` of them.
        parameters: its real numbers but those that change nothing: a basis on each bond, the norm and the phase.
            Entries are real where the vector is so but for a phase.
        lost: one minus its squared overlap with the vector.
        least: a bond that no matrix product with as small a loss stays below.

    Example:
        >>> MatrixProductFit(bonds=(2, 2), parameters=9, lost=0.0, least=2).bond
        2
    """

    bonds: tuple[int, ...]
    parameters: int
    lost: float
    least: int

    @property
    def bond(self) -> int:
        """The largest of its bonds; 1 for a product."""
        return max(self.bonds, default=1)


def matrix_product(vector: NDArray[Any], epsilon: float) -> MatrixProductFit:
    """The smallest matrix product found whose squared overlap with a vector ``(2^n,)`` is at least 1 - epsilon.

    Bonds are cut where squared Schmidt coefficients add up to less than a share of the whole; the share is the largest
    at which the loss, which is measured, is at most epsilon. It lies between epsilon / (n - 1), at which the bound
    holds that losses add up (Oseledets, SIAM J. Sci. Comput. 33, 2295), and epsilon, which each cut needs by itself.

    Raises:
        Refused: the vector is zero or has no length of a power of two, or epsilon is not in [0, 1).

    Example:
        >>> ghz = np.zeros(16)
        >>> ghz[[0, 15]] = 0.5 ** 0.5
        >>> fit = matrix_product(ghz, 1e-6)
        >>> fit.bonds, fit.parameters
        ((2, 2, 2), 11)
    """
    n, norm = len(vector).bit_length() - 1, float(np.linalg.norm(vector))
    if len(vector) != 2**n or n < 1 or not norm > 0 or not 0 <= epsilon < 1:
        raise Refused(
            f"a vector of {len(vector)} numbers and norm {norm:g} was to be equalled within {epsilon:g}; a length of "
            "2, 4, 8, ..., a norm above 0 and a share in [0, 1) are expected"
        )
    unit = _real_where_it_is(vector / norm)
    low, high = epsilon / max(n - 1, 1), epsilon
    best = _cut(unit, n, low)
    least = max((rank for rank in _ranks(unit, n, epsilon)), default=1)
    for _ in range(SEARCHES if epsilon else 0):
        middle = 0.5 * (low + high)
        found = _cut(unit, n, middle)
        low, high = (middle, high) if found[1] <= epsilon else (low, middle)
        best = found if found[1] <= epsilon else best
    bonds, lost = best
    return MatrixProductFit(bonds, free_numbers(bonds, 1 + int(np.iscomplexobj(unit))), lost, least)


def _real_where_it_is(unit: NDArray[Any]) -> NDArray[Any]:
    """The vector without its phase where it is real but for that."""
    largest = unit[np.abs(unit).argmax()]
    turned = unit * (np.conj(largest) / abs(largest))
    return turned.real if np.abs(turned.imag).max() < REAL else unit


def free_numbers(bonds: Sequence[int], parts: int) -> int:
    """The real numbers of a normalised matrix product of two-level sites that are not a choice of basis.

    `parts` is 1 for real entries and 2 for complex ones; the norm, and with it the phase, is left out.

    Example:
        >>> free_numbers((1, 1), 1), free_numbers((1, 1), 2), free_numbers((2,), 1)
        (3, 6, 3)
    """
    whole = (1, *bonds, 1)
    return parts * (sum(2 * a * b for a, b in pairwise(whole)) - sum(d * d for d in bonds) - 1)


def _kept(values: NDArray[Any], share: float) -> int:
    """How many of the descending singular values are left if at most this share of their squares is lost."""
    squares = values**2
    beyond = np.append(squares[::-1].cumsum()[::-1], 0.0)
    return max(1, int(np.argmax(beyond <= (share + ROUNDING) * squares.sum())))


def _ranks(unit: NDArray[Any], n: int, share: float) -> list[int]:
    """The least bond of each cut by itself."""
    return [_kept(np.linalg.svd(unit.reshape(2**k, -1), compute_uv=False), share) for k in range(1, n)]


def _cut(unit: NDArray[Any], n: int, share: float) -> tuple[tuple[int, ...], float]:
    """The bonds after cutting site by site, and the loss: one minus the squared overlap."""
    left, rest, bonds = np.ones((1, 1), dtype=unit.dtype), unit.reshape(1, -1), []
    for _ in range(n - 1):
        u, s, v = np.linalg.svd(rest.reshape(2 * len(rest), -1), full_matrices=False)
        bonds.append(kept := _kept(s, share))
        left = (left @ u[:, :kept].reshape(left.shape[1], -1)).reshape(-1, kept)
        rest = s[:kept, None] * v[:kept]
    made = (left @ rest.reshape(left.shape[1], -1)).ravel()
    overlap = abs(np.vdot(made, unit)) ** 2 / max(float(np.vdot(made, made).real), np.finfo(float).tiny)
    return tuple(bonds), max(0.0, 1 - float(overlap))


@dataclass(frozen=True)
class FourierFit:
    """The smallest Fourier series that equals what a circuit gives, as a function of its inputs, within a lost share.

    Attributes:
        terms: pairs of frequencies w and -w that are kept, the constant not among them.
        parameters: their cosines and sines, for all outputs, and the constants.
        lost: the share of the outputs' mean square, over all inputs, that is left out.
        frequencies: how many pairs any coefficient is not zero of.

    Example:
        >>> FourierFit(terms=1, parameters=3, lost=0.0, frequencies=1).terms
        1
    """

    terms: int
    parameters: int
    lost: float
    frequencies: int


@torch.no_grad()
def fourier_series(circuit: Circuit, weights: Tensor, epsilon: float) -> FourierFit:
    """The series of a circuit's outputs at these weights ``(n_weights,)``, scales of the data included.

    Each turn by data adds -1, 0 or 1 times its scale to the frequency of its input (arXiv:2008.08605): the series in
    all these turns is found by a Fourier transform on three points of each, and terms of equal frequency are joined.
    Of the pairs of frequencies the largest are kept until at most `epsilon` of the mean square is left.

    Raises:
        Refused: there are no turns by data, or more than `MOST_UPLOADS`.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> circuit = reuploading(1, uploads=2)
        >>> fourier_series(circuit, torch.ones(circuit.n_weights, dtype=torch.float64), 1e-9).frequencies
        2
    """
    listed = opened(circuit).angles
    driven = [k for k, angle in enumerate(listed) if angle.input is not None]
    if not 1 <= len(driven) <= MOST_UPLOADS:
        raise Refused(
            f"a circuit with {len(driven)} turns by data was to be a Fourier series; 1 to {MOST_UPLOADS} are expected"
        )
    weights = weights.double()
    fixed = angles(circuit, weights.new_zeros(1, circuit.n_inputs), weights[None])
    grid = torch.cartesian_prod(*[2 * torch.pi / 3 * torch.arange(3, dtype=torch.float64)] * len(driven))
    given = fixed.repeat(3 ** len(driven), 1)
    given[:, driven] += grid.reshape(len(given), -1)
    values = backends.get("auto").run(opened(circuit).circuit, given, weights.new_zeros(0))
    coefficients = np.fft.fftn(values.numpy().reshape(*[3] * len(driven), -1), axes=range(len(driven)), norm="forward")
    rates = np.zeros((len(driven), circuit.n_inputs))
    for row, k in enumerate(driven):
        angle = listed[k]
        rates[row, angle.input] = angle.factor * (1.0 if angle.scale is None else float(weights[angle.scale]))
    return _smallest(coefficients.reshape(len(given), -1), rates, epsilon)


def _smallest(coefficients: NDArray[Any], rates: Array, epsilon: float) -> FourierFit:
    """The smallest series, from coefficients ``(3^uploads, outputs)`` and what each upload adds to each frequency."""
    signs = np.array(list(product((0, 1, -1), repeat=len(rates))), dtype=float)
    frequencies = np.rint(signs @ rates / SAME_FREQUENCY).astype(np.int64)
    unique, places = np.unique(frequencies, axis=0, return_inverse=True)
    joined = np.zeros((len(unique), coefficients.shape[1]), dtype=complex)
    np.add.at(joined, places.ravel(), coefficients)
    squares = (np.abs(joined) ** 2).sum(1)
    constant = (unique == 0).all(1)
    positive = np.array([next((w for w in row if w), 0) > 0 for row in unique])
    # Of a pair w, -w the coefficients are conjugates; both count.
    pairs = np.sort(2 * squares[positive])[::-1]
    total = max(float(squares[constant].sum() + pairs.sum()), np.finfo(float).tiny)
    beyond = np.append(pairs[::-1].cumsum()[::-1], 0.0) / total
    terms = int(np.argmax(beyond <= epsilon + ROUNDING))
    outputs = coefficients.shape[1]
    there = int((pairs > ROUNDING * total).sum())
    return FourierFit(terms, outputs * (2 * terms + 1), float(beyond[terms]), there)


def twins(circuit: Circuit, weights: Tensor, rng: torch.Generator) -> Iterator[tuple[str, Estimate, str]]:
    """What is found, the parameters of a classical twin at `EPSILON`, and what it is, for a circuit at its weights.

    They are those of the matrix product of its state, of the one whose squares are the probabilities of its outcomes,
    and, where it takes data, of the series of its outputs. Inputs are uniform in (0, pi). The second one has the roots
    of the probabilities as its amplitudes; other signs might need fewer.

    Example:
        >>> from qinn_bench.quantum.ansatz import reuploading
        >>> circuit = reuploading(2, uploads=1)
        >>> [said for said, _, _ in twins(circuit, torch.zeros(circuit.n_weights), torch.Generator())]
        ['parameters of the twin, state', 'parameters of the twin, outcomes', 'parameters of the twin, Fourier series']
    """
    if circuit.n_wires > MOST_WIRES:
        lacking = Estimate(value=None, note=f"{circuit.n_wires} wires, of which at most {MOST_WIRES} are looked at")
        yield "parameters of the twin, state", lacking, ""
    else:
        x = torch.pi * torch.rand(
            INPUTS if circuit.n_inputs else 1, circuit.n_inputs, generator=rng, dtype=torch.float64
        )
        vectors = states(circuit, x, weights.double().expand(len(x), -1)).numpy()
        for said, made in (("state", list(vectors)), ("outcomes", list(np.abs(vectors)))):
            fit = max((matrix_product(one, EPSILON) for one in made), key=lambda one: one.parameters)
            of = f"weights of the circuit; bond {fit.bond} at {EPSILON:.0%}, {fit.least} at least"
            yield f"parameters of the twin, {said}", Estimate(value=float(fit.parameters), n=len(made)), of
    if circuit.n_inputs and circuit.readout:
        yield "parameters of the twin, Fourier series", *_series(circuit, weights)


def _series(circuit: Circuit, weights: Tensor) -> tuple[Estimate, str]:
    try:
        fit = fourier_series(circuit, weights, EPSILON)
    except Refused as refused:
        return Estimate(value=None, note=str(refused)), ""
    of = f"weights of the circuit; {fit.terms} of {fit.frequencies} frequencies at {EPSILON:.0%}"
    return Estimate(value=float(fit.parameters)), of
