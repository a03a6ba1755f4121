"""Do metric licences keep their word? Shares of alarms in fresh samples, undeformed and at the licensed strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench import registry
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.sensitivity import power_curves
from qinn_bench.sensitivity.deformations import pool

TOLERANCE = 0.02


def shares(data: str, metrics: list[str], n: int, repeats: int, fresh: int) -> dict[str, tuple[float, float]]:
    """False alarms and power of every licence for whole rows, each from `fresh` samples that no licence has seen."""
    source = pool(registry.make("data", registry.spell_out("data", registry.parse_use(data))))
    marginals = {f"{name}_{plot.name}" for name in metrics for plot in source.data.plots}
    found = {}
    for metric in (all_metrics()[name] for name in metrics):
        for sight in power_curves.sights(metric, source, n, repeats):
            if sight.epsilon is not None and sight.column not in marginals:
                found[f"{sight.column}, {sight.deformation}"] = power_curves.kept(metric, source, sight, fresh)
    return found


def run(
    data: str = "gmm8",
    metrics: Sequence[str] = ("sep", "chi2", "w1", "nll", "kl"),
    samples: int = 1000,
    repeats: int = 60,
    fresh: int = 200,
) -> tuple[str, list[str]]:
    """The table of all shares and their means, and the means that are off by more than two per cent."""
    found = shares(data, list(metrics), samples, repeats, fresh)
    means = np.mean(list(found.values()), axis=0)
    lines = ["| column, deformation | false alarms | power |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {alarms:.3f} | {powers:.3f} |" for name, (alarms, powers) in found.items()]
    lines.append(f"| mean of {len(found)} | {means[0]:.3f} | {means[1]:.3f} |")
    demanded = f"Demanded of the means: {power_curves.ALARMS:g} and {power_curves.POWER:g}, give or take {TOLERANCE:g}."
    text = "\n".join(lines) + f"\n\n{data}, {samples} rows a sample, {fresh} fresh samples a line. {demanded}\n"
    missed = np.any(np.abs(means - [power_curves.ALARMS, power_curves.POWER]) > TOLERANCE)
    return text, lines[-1:] if missed else []
