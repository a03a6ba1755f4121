"""All metrics by name, collected from the files of this folder and from third parties."""

from __future__ import annotations

from qinn_bench import registry
from qinn_bench.dataset import Metric
from qinn_bench.values import Refused


def all_metrics() -> dict[str, Metric]:
    """Every metric that exists, by name.

    Raises:
        Refused: two files define metrics of the same name.
    """
    found: dict[str, Metric] = {}
    for family in registry.names("metric"):
        for metric in registry.find("metric", family).METRICS:
            if metric.name in found:
                raise Refused(f"metric family '{family}' defines '{metric.name}', which another family defines already")
            found[metric.name] = metric
    return found
