"""Effective dimension of density models, from the Fisher information of their parameters (arXiv:2011.00027)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from math import log, pi

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor
from torch.func import functional_call, grad, vmap

from qinn_bench.contracts import DensityModel, own_parameters
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.statistics.estimates import spread
from qinn_bench.values import Array, Refused

REPLICATES = 200
SLICE = 64


@dataclass(frozen=True)
class EffectiveDimension:
    """How many directions of its parameters a model can tell apart with n rows.

    Attributes:
        value: between 0 and `parameters`.
        error: from resampling the sets of parameters; None with one set, where the dimension is local.
        parameters: trained parameters d.
        sets: sets of parameters that were used.
        dropped: sets left out because a gradient was not finite.
        rows: rows behind each Fisher matrix; with fewer than d its rank, and so the value, is limited by them.

    Example:
        >>> EffectiveDimension(value=80.0, error=4.0, parameters=370, sets=6, dropped=0, rows=100).share
        0.21621621621621623
    """

    value: float
    error: float | None
    parameters: int
    sets: int
    dropped: int
    rows: int

    @property
    def share(self) -> float:
        """The value divided by the number of parameters."""
        return self.value / self.parameters


def scores(model: DensityModel, parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
    """d log p / d parameters at each row, ``(n, dim) -> (n, d)``, for these values of the named parameters."""

    def log_prob(given: dict[str, Tensor], row: Tensor) -> Tensor:
        z, logdet = functional_call(model, given, (row[None],))
        value: Tensor = (logdet - 0.5 * z.square().sum(1))[0]
        return value

    if circuit_layers(model):
        return row_by_row(model, parameters, rows)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        gradients = vmap(grad(log_prob), (None, 0), chunk_size=SLICE)(parameters, rows)
    return torch.cat([part.flatten(1) for part in gradients.values()], 1)


def row_by_row(model: DensityModel, parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
    """What `scores` gives, by one backward pass for each row; circuits under vmap would run one by one and slower."""
    leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    lines = []
    for row in rows:
        z, logdet = functional_call(model, leaves, (row[None],))
        value = (logdet - 0.5 * z.square().sum(1)).sum()
        gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
        lines.append(torch.cat([part.flatten() for part in gradients]))
    return torch.stack(lines)


def fisher_spectrum(score: Tensor) -> Array:
    """The eigenvalues ``(min(n, d),)`` of mean(score score^T), of scores ``(n, d)``, that may differ from zero."""
    n, d = score.shape
    gram = score @ score.mT if n < d else score.mT @ score
    return np.asarray(torch.linalg.eigvalsh(gram / n).clamp_min(0).numpy())


def trained_parameters(model: DensityModel) -> dict[str, Tensor]:
    """The trained parameters by name, detached.

    Raises:
        Refused: there are none.
    """
    trained = {name: p.detach() for name, p in own_parameters(model).items()}
    if not trained:
        raise Refused(f"{type(model).__name__} trains no parameter, so it has no effective dimension")
    return trained


def effective_dimension(
    model: DensityModel,
    sets: Iterable[dict[str, Tensor]],
    rows: Tensor,
    n: int,
    rng: np.random.Generator,
    gamma: float = 1.0,
) -> EffectiveDimension:
    """The effective dimension at n rows of data, global over several sets of parameters or local at a single one.

    The Fisher matrix of a set is the mean of score score^T over `rows` ``(k, dim)``: the empirical one, which is the
    Fisher information where the rows follow the model.

    Raises:
        Refused: `gamma` n is too small for the formula, or no set has finite scores.
    """
    spectra, dropped, width = [], 0, 0
    for parameters in sets:
        score = scores(model, parameters, rows)
        width = score.shape[1]
        if torch.isfinite(score).all() and score.any():
            spectra.append(fisher_spectrum(score))
        else:
            dropped += 1
    if not spectra:
        raise Refused(f"none of {dropped} sets of parameters gives finite scores that are not all zero")
    eigenvalues = np.stack(spectra)
    picks = rng.integers(len(eigenvalues), size=(REPLICATES, len(eigenvalues)))
    error = (
        spread(np.array([of_spectra(eigenvalues[p], width, n, gamma) for p in picks])).error
        if len(eigenvalues) > 1
        else None
    )
    value = of_spectra(eigenvalues, width, n, gamma)
    return EffectiveDimension(value, error, width, len(eigenvalues), dropped, len(rows))


def of_spectra(spectra: Array, d: int, n: int, gamma: float = 1.0) -> float:
    """2 ln(mean sqrt det(1 + c F)) / ln c with c = gamma n / (2 pi ln n), F scaled to a mean trace of d.

    `spectra` are the eigenvalues of each Fisher matrix, ``(sets, k)``.

    Raises:
        Refused: c is not above 1.
    """
    c = gamma * n / (2 * pi * log(n)) if n > 1 else 0.0
    if c <= 1 or not 0 < gamma <= 1:
        least = next((m for m in range(18, 10**6) if gamma * m > 2 * pi * log(m)), None)
        raise Refused(
            f"n = {n} with gamma = {gamma} was given, but an effective dimension needs gamma in (0, 1] and, "
            f"at this gamma, n of at least {least}"
        )
    scaled = spectra * (d / spectra.sum(1).mean())
    halves = 0.5 * np.log1p(c * scaled).sum(1)
    return float(2 * (logsumexp(halves) - log(len(halves))) / log(c))
