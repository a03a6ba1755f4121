"""What is measured of a trained model: certificate, metrics, flags, resources; and the code that each is taken by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from qinn_bench import limits
from qinn_bench.bit_rows import are_bits
from qinn_bench.building import batch_of
from qinn_bench.capacity import cost
from qinn_bench.contracts import Density, Model
from qinn_bench.dataset import Dataset, Evidence, Metric
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._take import attempt
from qinn_bench.metrics._truth_rows import over_truth
from qinn_bench.records import measures, store
from qinn_bench.seeds import numpy_rng
from qinn_bench.study.order import Order
from qinn_bench.study.train_cell import build, physical_log_prob
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.validity import certificate as audit
from qinn_bench.validity import flags
from qinn_bench.validity.conditional import certify_conditional
from qinn_bench.validity.stored_digits import moved_test_rows
from qinn_bench.validity.truth_against_truth import Nulls
from qinn_bench.values import Cell, Certificate, Estimate, Flag, Resources, Training

NEEDED = {
    "density": ("log_prob",),
    "samples": ("samples",),
    "scores": ("scores",),
    "reconstructions": ("reconstructions",),
    "words": ("word_means", "samples"),
}
"""The arrays that a metric is taken of, one of which it needs."""


VALIDATED = 10_000
"""Validation rows whose likelihood chooses between trials, at most."""


def certify(model: Model, cell: Cell, data: Dataset, arrays: store.Arrays) -> Certificate | None:
    """The certificate of a trained model in float64 on the CPU; None without a density."""
    if not isinstance(model, Density) or "log_prob" not in arrays:
        return None
    rng = numpy_rng("certificate", str(cell.data), str(cell.model), cell.seed)
    generated = arrays.get("samples", data.test[:0])
    if data.conditions is None:
        return audit.certify(model, data, generated, rng, cell.mass_draws)
    return certify_conditional(model, data, rng, cell.mass_draws)


def validation(
    model: Model, cell: Cell, data: Dataset, certificate: Certificate | None, training: Training
) -> Estimate | None:
    """What chooses between trials of one model: the negative log-likelihood of validation rows in nats, of physical
    rows and normalised as that of the test rows, or the best validation loss of a model without a density."""
    if not isinstance(model, Density):
        return None if training.best_loss is None else Estimate(value=training.best_loss, better="lower")
    rows = data.valid[:VALIDATED]
    losses = -physical_log_prob(model, data, batch_of(cell.model.name, data, 1, rows), rows)
    value, known = float(losses.mean()), certificate.divisor.value if certificate else None
    if known and known > 0:
        value += float(np.log(known))
    if not np.isfinite(value):
        return Estimate(value=None, note="no finite likelihood of the validation rows")
    error = float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else None
    return Estimate(value=value, error=error, n=len(losses), unit="nats", better="lower")


def within_digits(model: Model, cell: Cell, data: Dataset, arrays: store.Arrays) -> store.Arrays:
    """The log-densities of the test rows, moved within their last stored digits; nothing without a density.

    Those of the rows as they are stored may be of a density that stands on the numbers that can be stored.
    """
    if not isinstance(model, Density) or "log_prob" not in arrays:
        return {}
    rows = moved_test_rows(data)
    batch = batch_of(cell.model.name, data, 2, rows)
    return {store.WITHIN_DIGITS: physical_log_prob(model, data, batch, rows)}


def take_metrics(
    names: tuple[str, ...], cell: Cell, data: Dataset, arrays: store.Arrays, certificate: Certificate | None
) -> dict[str, Estimate]:
    """The columns of these metrics, from the arrays of a cell; what it has no arrays for is left out.

    Raises:
        Exception: whatever a metric raises.
    """
    found: dict[str, Estimate] = {}
    for metric in (all_metrics()[name] for name in names):
        if _can_be_taken(metric, data, arrays):
            found |= attempt(metric, _evidence(cell, data, arrays, certificate, _stream(cell, metric.name)))
    return found


def labels_of(data: Dataset) -> store.Arrays:
    """What the test rows are, kept beside what a model says of them; nothing where the data set does not say."""
    return {} if data.labels is None else {store.LABELS: data.labels.test.astype(np.int8)}


def _can_be_taken(metric: Metric, data: Dataset, arrays: store.Arrays) -> bool:
    """Whether there is what a metric is taken of; where rows have labels, a density is a scorer too."""
    if (metric.rows and data.kind not in metric.rows) or (metric.of_showers and data.showers is None):
        return False
    if metric.of_bits and not are_bits(column.unit for column in data.columns):
        return False
    scored = metric.needs == "scores" and data.labels is not None and store.anomaly_scores(arrays) is not None
    return scored or any(name in arrays for name in NEEDED[metric.needs])


def _stream(cell: Cell, metric: str) -> np.random.Generator:
    return numpy_rng("metric", metric, str(cell.data), cell.stream("evaluation"))


def _evidence(
    cell: Cell, data: Dataset, arrays: store.Arrays, certificate: Certificate | None, rng: np.random.Generator
) -> Evidence:
    return Evidence(
        data=data,
        truth=data.test[: cell.samples],
        generated=arrays.get("samples", data.test[:0]),
        log_prob=store.likelihoods(arrays),
        scores=store.anomaly_scores(arrays),
        reconstructions=arrays.get("reconstructions"),
        word_means=arrays.get("word_means"),
        mass=certificate.divisor if certificate else None,
        rng=rng,
    )


def take_over_truth(
    names: tuple[str, ...],
    cell: Cell,
    data: Dataset,
    arrays: store.Arrays,
    certificate: Certificate | None,
    metrics: Mapping[str, Estimate],
) -> dict[str, tuple[float, ...]]:
    """What the columns of these metrics would be on other draws of the true rows, to seven digits.

    A metric that fails there has none, so that comparisons by it say that the scatter of the true rows is left out.
    """
    values = {name: estimate.value for name, estimate in metrics.items() if estimate.value is not None}
    found: dict[str, tuple[float, ...]] = {}
    for metric in (all_metrics()[name] for name in names):
        if not _can_be_taken(metric, data, arrays):
            continue
        evidence = _evidence(cell, data, arrays, certificate, _stream(cell, metric.name))
        try:
            drawn = over_truth(metric, evidence, partial(_stream, cell, metric.name), values)
        except Exception as error:
            if limits.lacks_memory(error):
                raise
            continue
        found |= {name: tuple(float(f"{value:.7g}") for value in of) for name, of in drawn.items()}
    return found


def find_flags(
    model: Model,
    initial: Model | None,
    cell: Cell,
    data: Dataset,
    arrays: store.Arrays,
    metrics: Mapping[str, Estimate],
    nulls: Path,
) -> tuple[Flag, ...]:
    """Why the numbers of a trained model are too good to be believed; `initial` is the model as it started, if asked.

    Truth against truth is kept in the folder `nulls`.
    """
    generated, log_prob, name = arrays.get("samples", data.test[:0]), None, cell.model.name
    if isinstance(model, Density) and "log_prob" in arrays:
        some = data.valid[: flags.ROWS]
        log_prob = arrays["log_prob"], physical_log_prob(model, data, batch_of(name, data, 1, some), some)
    known = all_metrics()
    found = [
        flags.too_good(metrics, known, Nulls(data, cell.samples, nulls, measures.fingerprints(tuple(known)))),
        flags.memoriser(data, generated),
        flags.leak(data, generated, cell.samples, log_prob),
    ]
    if initial is not None:
        batch = batch_of(name, data, 2, data.test[: flags.ROWS])
        found.append(flags.idle_circuit(model, initial, batch, len(data.test)))
    return tuple(filter(None, found))


def take_resources(model: Model, cell: Cell, data: Dataset) -> Resources:
    """What the trained model costs; a step is taken on the first rows, as many as its budget has in a batch."""
    name = cell.model.name
    batch = batch_of(name, data, 0, data.train[: cell.budget.batch])
    rows = batch_of(name, data, 2, data.test[: cost.OUTPUTS])
    return cost.measure(model, rows, batch, torch_rng("resources", str(cell.data), cell.seed))


def try_metrics(
    names: tuple[str, ...], cell: Cell, data: Dataset, arrays: store.Arrays, certificate: Certificate | None
) -> tuple[dict[str, Estimate], dict[str, str]]:
    """The columns of these metrics, and why for those that could not be taken: one does not cost the others."""
    found: dict[str, Estimate] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            found |= _columns(name, take_metrics((name,), cell, data, arrays, certificate))
        except Exception as error:
            if limits.lacks_memory(error):
                raise
            failed[name] = limits.sentence(error)
    return found, failed


def _columns(metric: str, found: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """What a metric has given, if it is what a metric may give.

    Raises:
        ValueError: it is not.
    """
    for column, estimate in found.items():
        if not isinstance(estimate, Estimate) or not str(column).startswith(metric):
            raise ValueError(f"column {column!r} is {estimate!r:.100}; estimates named '{metric}...' were expected")
    return found


def try_flags(
    order: Order, model: Model, data: Dataset, arrays: store.Arrays, metrics: Mapping[str, Estimate]
) -> tuple[tuple[Flag, ...], str]:
    """The flags of a trained model, and why they could not be taken, if so."""
    try:
        return _flags(order, model, data, arrays, metrics), ""
    except Exception as error:
        if limits.lacks_memory(error):
            raise
        return (), limits.sentence(error)


def _flags(
    order: Order, model: Model, data: Dataset, arrays: store.Arrays, metrics: Mapping[str, Estimate]
) -> tuple[Flag, ...]:
    """What is too good to be believed; whether circuits are idle is asked of models that have some, not of controls."""
    cell, initial = order.cell, None
    if cell.backend != "none" and not cell.control:
        initial = build(cell, data).double().to("cpu").eval()
    return find_flags(model, initial, cell, data, arrays, metrics, order.results / "nulls")
