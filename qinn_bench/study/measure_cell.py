"""What is measured of a trained model: certificate, metrics, flags, resources; and the code that each is taken by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qinn_bench.capacity import cost
from qinn_bench.contracts import Generator
from qinn_bench.dataset import Dataset, Evidence
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._take import attempt
from qinn_bench.records import measures, store
from qinn_bench.seeds import numpy_rng
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.validity import certificate as audit
from qinn_bench.validity import flags
from qinn_bench.validity.truth_against_truth import Nulls
from qinn_bench.values import Array, Cell, Certificate, Estimate, Resources

CHUNK = 1024


def has_density(model: Generator) -> bool:
    """Whether a model states a density, and so owes a certificate."""
    return hasattr(model, "log_prob")


@torch.no_grad()
def physical_log_prob(model: Any, data: Dataset, rows: Array) -> Array:
    """The claimed log-density of physical rows ``(n, dim) -> (n,)``: that of their features plus the log-Jacobian."""
    features, logdet = data.transform.forward(rows)
    parts = [model.log_prob(chunk).numpy() for chunk in torch.split(torch.as_tensor(features), CHUNK)]
    return np.asarray(np.concatenate(parts) + logdet)


def certify(model: Any, cell: Cell, data: Dataset, arrays: store.Arrays) -> Certificate | None:
    """The certificate of a trained model in float64 on the CPU; None without a density."""
    if "log_prob" not in arrays:
        return None
    rng = numpy_rng("certificate", str(cell.data), str(cell.model), cell.seed)
    return audit.certify(model, data, arrays["samples"], rng, cell.mass_draws)


def take_metrics(
    names: tuple[str, ...], cell: Cell, data: Dataset, arrays: store.Arrays, certificate: Certificate | None
) -> dict[str, Estimate]:
    """The columns of these metrics, from the samples and log-densities of a cell.

    Raises:
        Exception: whatever a metric raises.
    """
    found: dict[str, Estimate] = {}
    for metric in (all_metrics()[name] for name in names):
        if metric.needs == "density" and "log_prob" not in arrays:
            continue
        evidence = Evidence(
            data=data,
            truth=data.test[: cell.samples],
            generated=arrays["samples"],
            log_prob=arrays.get("log_prob"),
            mass=certificate.mass if certificate else None,
            rng=numpy_rng("metric", metric.name, str(cell.data), cell.stream("evaluation")),
        )
        found |= attempt(metric, evidence)
    return found


def find_flags(
    model: Any,
    initial: Any,
    cell: Cell,
    data: Dataset,
    arrays: store.Arrays,
    metrics: Mapping[str, Estimate],
    nulls: Path,
) -> tuple[str, ...]:
    """Why the numbers of a trained model are too good to be believed; `initial` is the model as it started, if asked.

    Truth against truth is kept in the folder `nulls`.
    """
    generated, log_prob = arrays["samples"], None
    if "log_prob" in arrays:
        log_prob = arrays["log_prob"], physical_log_prob(model, data, data.valid[: flags.ROWS])
    known = all_metrics()
    found = [
        flags.too_good(metrics, known, Nulls(data, cell.samples, nulls, measures.fingerprints(tuple(known)))),
        flags.memoriser(data, generated),
        flags.leak(data, generated, cell.samples, log_prob),
    ]
    if initial is not None:
        rows = torch.as_tensor(data.transform.forward(data.test[: flags.ROWS])[0])
        found.append(flags.idle_circuit(model, initial, rows, len(data.test)))
    return tuple(filter(None, found))


def take_resources(model: Generator, cell: Cell, data: Dataset) -> Resources:
    """What the trained model costs; a step is taken on the first rows, as many as its budget has in a batch."""
    batch, rows = (
        torch.as_tensor(data.transform.forward(part)[0])
        for part in (data.train[: cell.budget.batch], data.test[: cost.OUTPUTS])
    )
    return cost.measure(model, rows, batch, torch_rng("resources", str(cell.data), cell.seed))
