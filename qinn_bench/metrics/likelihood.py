"""Likelihood of the test rows: of the normalised density, as claimed, per dimension, and against a known truth."""

from __future__ import annotations

import math

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import FEWEST, bootstrapped, estimate, undefined
from qinn_bench.metrics._scales import deviation, exponent, mean, shifted
from qinn_bench.values import Array, Estimate

WORST = 10
REPLICATES = 50


def nll(evidence: Evidence) -> dict[str, Estimate]:
    """Mean negative log-likelihood of the test rows in physical space, in nats.

    `nll` is that of the normalised density, -mean log p + log mass: only this one may be compared between models,
    since a density that integrates to more than one wins without being better. `nll_claimed` is as the model states it.
    """
    claimed, normalised = _loss("nll_claimed", evidence, 0.0), _normalised("nll", evidence, 0.0)
    return normalised | claimed


def bits_per_dim(evidence: Evidence) -> dict[str, Estimate]:
    """The normalised NLL of physical rows in bits per coordinate, NLL / (dim ln 2)."""
    bits = evidence.data.dim * math.log(2)
    return {name: _scaled(found, bits, "bits") for name, found in _normalised("bits_per_dim", evidence, 0.0).items()}


def kl(evidence: Evidence) -> dict[str, Estimate]:
    """Kullback-Leibler divergence from the true density, mean(log p_true - log p) + log mass, in nats.

    Only where the true density is known; row by row the difference scatters less than either term.
    """
    if evidence.data.density is None:
        return {}
    return _normalised("kl", evidence, evidence.data.density.log_density(evidence.data.test))


def nll_worst10(evidence: Evidence) -> dict[str, Estimate]:
    """How many nats of the mean NLL come from its ten worst test rows: sum(loss - median loss) / n over these ten.

    It does not depend on units, nor on the mass: both move all losses alike. The error is the bootstrap of rows.
    """
    claimed = _loss("nll_worst10", evidence, 0.0)
    if claimed["nll_worst10"].value is None or evidence.log_prob is None:
        return {"nll_worst10": claimed["nll_worst10"].model_copy(update={"better": "none"})}
    n = len(evidence.log_prob)
    if n < FEWEST:
        return undefined(("nll_worst10",), "nats", "none", f"only {n} test rows, at least {FEWEST} are needed")
    by = exponent(evidence.log_prob)
    losses = shifted(-np.asarray(evidence.log_prob, dtype=np.float64), -by)
    picks = (losses[evidence.rng.integers(n, size=n)] for _ in range(REPLICATES * evidence.errors))
    replicates = np.array([shifted(_excess(some), by) for some in picks], dtype=np.float64)
    return {"nll_worst10": bootstrapped(float(shifted(_excess(losses), by)), replicates, n, "nats")}


def _excess(losses: Array) -> Array:
    """What the ten largest of some losses ``(n,)`` add to their mean above what ten medians would."""
    worst = np.partition(losses, len(losses) - WORST)[-WORST:]
    return np.asarray(np.sum((worst - np.median(losses)) / len(losses)))


def _normalised(name: str, evidence: Evidence, reference: Array | float) -> dict[str, Estimate]:
    mass = evidence.mass
    if mass is None or mass.value is None or mass.value <= 0:
        why = "the mass of the density is not known" if mass is None or mass.value is None else "the mass is zero"
        return undefined((name,), "nats", "lower", why)
    claimed = _loss(name, evidence, reference)[name]
    if claimed.value is None:
        return {name: claimed}
    error = None if claimed.error is None else float(np.hypot(claimed.error, (mass.error or 0.0) / mass.value))
    value = claimed.value + float(np.log(mass.value))
    return {name: estimate(value, error, claimed.n, "nats", "lower", claimed.note)}


def _loss(name: str, evidence: Evidence, reference: Array | float) -> dict[str, Estimate]:
    """The mean of `reference` - log p with the standard error of a mean."""
    if evidence.log_prob is None:
        return undefined((name,), "nats", "lower", "the model has no density")
    if not len(evidence.log_prob):
        return undefined((name,), "nats", "lower", "there are no test rows")
    for whose, log_density in (("", evidence.log_prob), ("true ", np.asarray(reference))):
        if bad := int(np.sum(~np.isfinite(log_density))):
            why = f"the {whose}log-density of {bad} of {log_density.size} test rows is not finite"
            return undefined((name,), "nats", "lower", why)
    with np.errstate(over="ignore"):
        losses = np.asarray(reference - evidence.log_prob)
    if len(losses) < 2:
        return {name: estimate(losses[0], None, 1, "nats", "lower", "one test row has no error")}
    return {name: estimate(mean(losses), deviation(losses) / len(losses) ** 0.5, len(losses), "nats", "lower")}


def _scaled(found: Estimate, by: float, unit: str) -> Estimate:
    if found.value is None:
        return found.model_copy(update={"unit": unit})
    error = None if found.error is None else found.error / by
    return estimate(found.value / by, error, found.n, unit, found.better, found.note)


METRICS: tuple[Metric, ...] = (
    Metric(
        "nll",
        "negative log-likelihood",
        "density",
        nll,
        better="lower",
        row_loss="nats",
        columns=(
            MetricColumn(
                "nll",
                "NLL",
                "negative log-likelihood of the test rows in physical space, after dividing the density by its mass",
            ),
            MetricColumn(
                "nll_claimed",
                "claimed NLL",
                "negative log-likelihood as the model states it, not comparable unless the mass is 1",
                shown=False,
            ),
        ),
    ),
    Metric(
        "nll_worst10",
        "nats of the likelihood from its ten worst rows",
        "density",
        nll_worst10,
        short="of 10 worst",
        meaning="nats of the mean NLL that its ten worst test rows add, above what ten median rows would",
    ),
    Metric(
        "bits_per_dim",
        "bits per dimension",
        "density",
        bits_per_dim,
        better="lower",
        row_loss="bits",
        short="bits/dim",
        meaning="the NLL in bits for each coordinate of a row",
    ),
    Metric(
        "kl",
        "Kullback-Leibler divergence from the known density",
        "density",
        kl,
        better="lower",
        unbiased_square=True,
        row_loss="nats",
        short="KL",
        meaning="Kullback-Leibler divergence of the model's normalised density from the true one",
    ),
)
