"""How far what a model makes of rows is from the rows."""

from __future__ import annotations

import numpy as np

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import estimate, undefined
from qinn_bench.values import Estimate


def mse(evidence: Evidence) -> dict[str, Estimate]:
    """Mean squared difference between a number of a row and its reconstruction, over numbers and rows.

    The rows are the first test rows, as many as were rebuilt; where there are labels, only the background among them.
    Both are compared as features, standardised where the data set does so, so that no unit outweighs another; the error
    is that of the mean over rows. Labels matter because an autoencoder is to rebuild background and to fail at signal.
    """
    rebuilt = evidence.reconstructions
    if rebuilt is None:
        return undefined(("mse",), "", "lower", "the model gives no reconstructions")
    kept = np.ones(len(rebuilt), dtype=bool) if evidence.labels is None else evidence.labels[: len(rebuilt)] == 0
    made, true = (evidence.data.transform.forward(rows)[0] for rows in (rebuilt, evidence.truth[: len(rebuilt)]))
    miss = np.square(made - true)[kept].mean(axis=tuple(range(1, rebuilt.ndim)))
    if len(miss) < 2:
        return undefined(("mse",), "", "lower", f"{len(miss)} rows of background, at least 2 are needed")
    return {"mse": estimate(float(miss.mean()), float(miss.std(ddof=1) / np.sqrt(len(miss))), len(miss), "", "lower")}


METRICS: tuple[Metric, ...] = (
    Metric(
        "mse",
        "mean squared error",
        "reconstructions",
        mse,
        better="lower",
        short="MSE",
        meaning="mean squared difference between a feature of a background row and what the model makes of it",
    ),
)
