"""The certificate of a conditional density: it has to hold at several conditions, at each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qinn_bench.contracts import Density, DensityModel, Sampler
from qinn_bench.dataset import Dataset
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.validity.certificate import certify, is_normalised
from qinn_bench.values import Array, Certificate

CONDITIONS = 3
"""How many test rows lend their conditions: the smallest, the middle and the largest of the first condition."""
ROWS = 4000
"""Rows that a model draws at each of these conditions."""
WORST = ("fail", "undecided", "pass")


class Given(DensityModel):
    """A conditional density at one condition ``(c,)``: a density of features alone.

    Example:
        >>> from reference_models.flows.affine_inn import build
        >>> at_one = Given(build(2, condition=1), torch.ones(1))
        >>> at_one.log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, model: Any, condition: Tensor) -> None:
        super().__init__(model.shape)
        self.model, self.condition = model, condition
        self.one_to_one = self.normalised = is_normalised(model)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Features to latents and the log-det, at the condition."""
        z, logdet = self.model.forward(x, self._of(x))
        return z, logdet

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Latents to features, at the condition."""
        x: Tensor = self.model.inverse(z, self._of(z))
        return x

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The log-density of features, ``(n, dim) -> (n,)``, at the condition."""
        log_prob: Tensor = self.model.log_prob(x, self._of(x))
        return log_prob

    def _of(self, rows: Tensor) -> Tensor:
        return self.condition.to(rows).expand(len(rows), -1)


class _Claimed:
    """A conditional density without a map, at one condition."""

    def __init__(self, given: Given) -> None:
        self.log_prob, self.normalised = given.log_prob, given.normalised


def certify_conditional(model: Density, data: Dataset, rng: np.random.Generator, max_draws: int) -> Certificate:
    """Audit a trained conditional model at the conditions of `CONDITIONS` test rows.

    Each has an equal share of `max_draws`. The verdict is the worst of them. The figures are those of the condition
    that it belongs to, among equal verdicts of the one whose mass is farthest from 1; `draws` is the sum, and each
    reason names its condition. Other conditions are not looked at.
    """
    certificates = []
    for k, condition in enumerate(_chosen(data)):
        given = Given(model, torch.as_tensor(condition))
        claim: Any = given if isinstance(model, DensityModel) else _Claimed(given)
        generated = data.test[:0]
        if isinstance(model, Sampler):
            features = model.sample(ROWS, torch_rng("certificate", k), given.condition.expand(ROWS, -1))
            generated = data.transform.inverse(features.double().numpy())
        certificate = certify(claim, data, generated, rng, max_draws // CONDITIONS)
        at = ", ".join(f"{value:.4g}" for value in condition)
        reasons = tuple(f"at the condition ({at}): {reason}" for reason in certificate.reasons)
        certificates.append(certificate.model_copy(update={"reasons": reasons}))
    worst = min(certificates, key=lambda one: (WORST.index(one.verdict), -abs((one.mass.value or 0.0) - 1)))
    reasons = tuple(reason for one in certificates for reason in one.reasons)
    return worst.model_copy(update={"reasons": reasons, "draws": sum(one.draws for one in certificates)})


def _chosen(data: Dataset) -> Array:
    """The conditions ``(CONDITIONS, c)`` that are looked at."""
    if data.conditions is None:
        raise ValueError(f"data '{data.name}' has no conditions")
    order = np.argsort(data.conditions.test[:, 0], kind="stable")
    chosen: Array = data.conditions.test[order[np.linspace(0, len(order) - 1, CONDITIONS).round().astype(int)]]
    return chosen
