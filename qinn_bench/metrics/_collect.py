"""All metrics by name, collected from the files of this folder and from third parties."""

from __future__ import annotations

from qinn_bench import registry, sources
from qinn_bench.dataset import Metric
from qinn_bench.values import Refused


def all_metrics() -> dict[str, Metric]:
    """Every metric that exists, by name; `broken_families` tells of those that do not.

    Raises:
        Refused: two files of this project define metrics of the same name.
    """
    return _collect()[0]


def broken_families() -> dict[str, str]:
    """Family -> why its metrics cannot be used."""
    return _collect()[1]


def _collect() -> tuple[dict[str, Metric], dict[str, str]]:
    by_name: dict[str, Metric] = {}
    broken: dict[str, str] = {}
    ours = [name for name in registry.names("metric") if not registry.is_foreign("metric", name)]
    theirs = [name for name in registry.names("metric") if name not in ours]
    for family in ours + theirs:
        try:
            metrics = _metrics_of(family)
        except Refused as refusal:
            broken[family] = str(refusal)
            continue
        if taken := [metric.name for metric in metrics if metric.name in by_name]:
            broken[family] = f"metric family '{family}' defines '{taken[0]}', which another family defines already"
            if family in ours:
                raise Refused(broken[family])
            continue
        by_name |= {metric.name: metric for metric in metrics}
    return by_name, broken


def _metrics_of(family: str) -> list[Metric]:
    metrics = registry.find("metric", family).METRICS
    if not isinstance(metrics, list | tuple) or not all(isinstance(metric, Metric) for metric in metrics):
        raise Refused(f"metric '{family}' is broken: its METRICS are no list of metrics")
    if registry.is_foreign("metric", family):
        for metric in metrics:
            _check_source(family, metric)
    return list(metrics)


def _check_source(family: str, metric: Metric) -> None:
    """See to it that a metric can be told from its later versions.

    Raises:
        Refused: it cannot, as it is no function of a file.
    """
    compute = metric.compute
    try:
        sources.reach((f"{compute.__module__}:{compute.__qualname__}",), ())
    except (AttributeError, Refused):
        raise Refused(f"metric '{family}' is broken: what computes '{metric.name}' is no function of a file") from None
