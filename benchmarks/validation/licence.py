"""Do metric licences keep their word? Shares of alarms in fresh samples, undeformed and at the licensed strength."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from qinn_bench import power, registry
from qinn_bench.deformations import pool
from qinn_bench.metrics._collect import all_metrics

TOLERANCE = 0.02


def shares(data: str, metrics: list[str], n: int, repeats: int, fresh: int) -> dict[str, tuple[float, float]]:
    """False alarms and power of every licence for whole rows, each from `fresh` samples that no licence has seen."""
    source = pool(registry.make("data", registry.spell_out("data", registry.parse_use(data))))
    marginals = {f"{name}_{plot.name}" for name in metrics for plot in source.data.plots}
    found = {}
    for metric in (all_metrics()[name] for name in metrics):
        for sight in power.sights(metric, source, n, repeats):
            if sight.epsilon is not None and sight.column not in marginals:
                found[f"{sight.column}, {sight.deformation}"] = power.kept(metric, source, sight, fresh)
    return found


def main() -> int:
    """Print all shares and their means; 1 if a mean is off by more than two per cent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="gmm8")
    parser.add_argument("--metrics", default="sep,chi2,w1,nll,kl")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--fresh", type=int, default=200)
    options = parser.parse_args()
    found = shares(options.data, options.metrics.split(","), options.samples, options.repeats, options.fresh)
    for name, (alarms, powers) in found.items():
        print(f"{name}: false alarms {alarms:.3f}, power {powers:.3f}")
    means = np.mean(list(found.values()), axis=0)
    print(f"mean of {len(found)}: false alarms {means[0]:.3f} (0.05), power {means[1]:.3f} (0.95)")
    return int(np.any(np.abs(means - [power.ALARMS, power.POWER]) > TOLERANCE))


if __name__ == "__main__":
    sys.exit(main())
