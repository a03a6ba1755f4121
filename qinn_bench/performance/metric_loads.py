"""Metrics as workloads: each on the same two samples of one data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qinn_bench import registry
from qinn_bench.dataset import Dataset, Evidence
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Estimate, Refused, Use

DATA = Use(name="bwexp", knobs={"events": 4000})
"""Two columns, one with a resonance and both with a known density, so that every metric has something to measure."""


def metric(name: str, rows: int) -> Callable[[], tuple[Any, ...]]:
    """A metric with its errors, on so many test rows against as many training rows, with the true log-density.

    Raises:
        Refused: no such metric.
    """
    known = all_metrics()
    if name not in known:
        raise Refused(f"no metric is called '{name}'; there are: {', '.join(sorted(known))}")
    data: Dataset = registry.make("data", DATA)
    if data.density is None:
        raise Refused(f"data '{DATA}' has no density, which the metrics of likelihoods need")
    log_prob = data.density.log_density(data.test)
    mass = Estimate(value=1.0, error=0.001, better="one")

    def step() -> tuple[Any, ...]:
        rng = numpy_rng("performance", name)
        found = known[name].compute(Evidence(data, data.test[:rows], data.train[:rows], log_prob, mass, rng))
        return tuple(estimate.value for _, estimate in sorted(found.items()) if estimate.value is not None)

    return step
