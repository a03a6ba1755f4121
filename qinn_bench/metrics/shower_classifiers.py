"""Classifiers that tell generated showers from true ones: the protocol of the CaloChallenge, and a small fast one."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import undefined
from qinn_bench.metrics._scales import Pair
from qinn_bench.metrics._shower_networks import (
    CHALLENGE,
    FAST,
    ClassifierProtocol,
    JudgedShowers,
    areas_with_weights,
    judged,
    network,
    trained_judge,
)
from qinn_bench.metrics._shower_resnet import ShowerResNet
from qinn_bench.metrics._showers import ShowerPair, ShowerSample, showers_of
from qinn_bench.values import Array, Direction, Estimate

SMALL, FLOOR = 1e-16, 1e-8
FEWEST = 50
LEVELS = ("low", "high")
ALL_LEVELS = ("low", "low_normed", "high", "resnet")
"""Of which the last one needs layers that are alike."""


def shower_classifier(evidence: Evidence) -> dict[str, Estimate]:
    """A network of 64 and 64 units on standardised voxels (low) and high-level features, for many seeds.

    20 epochs of batches of 250 with Adam at 1e-3; else as `challenge_classifier`. It sees less: its area is no
    published one.
    """
    return _columns("shower_classifier", evidence, FAST, LEVELS)


def challenge_classifier(evidence: Evidence) -> dict[str, Estimate]:
    """The classifier of the CaloChallenge: three layers of 2048 units in double precision, hours on one core.

    `low`: the logarithm of the incident energy and voxels over it; `low_normed`: voxels over the energy of their layer,
    with the logarithms of these; `high`: the high-level features; `resnet`: a three-dimensional residual network on the
    input of `low`, where all layers are alike, as in datasets 2 and 3.

    60 % of the showers train (batches of 1000, Adam at 2e-4, 50 epochs), 20 % choose the epoch of the best accuracy and
    calibrate it by isotonic regression, the rest judges. AUC and JSD are those after calibration, as published ones
    are, `raw` those before. JSD is 1 - BCE / ln 2. Two equal laws can have an area above 0.5, so that the row `truth`
    is the floor.
    """
    return _columns("challenge_classifier", evidence, CHALLENGE, ALL_LEVELS)


def _columns(
    name: str, evidence: Evidence, protocol: ClassifierProtocol, levels: tuple[str, ...]
) -> dict[str, Estimate]:
    pair = showers_of(evidence, FEWEST)
    if isinstance(pair, str):
        columns: dict[str, Estimate] = {}
        for number in JudgedShowers._fields:
            better: Direction = "lower" if number.startswith("auc") else "none"
            columns |= undefined([f"{name}_{level}_{number}" for level in levels], "", better, pair)
        return columns
    columns = {}
    grid = pair.calorimeter.grid
    for level in levels:
        if level == "resnet" and (grid is None or min(grid) < 2):
            continue
        make = network if level != "resnet" or grid is None else partial(_resnet, grid)
        found = judged(inputs_of(pair, level), protocol, evidence.rng, make)
        columns |= {f"{name}_{level}_{number}": value for number, value in found._asdict().items()}
    return columns


def _resnet(grid: tuple[int, int, int], _: int, protocol: ClassifierProtocol) -> nn.Module:
    return ShowerResNet(grid).to(protocol.dtype)


def of_draws(evidence: Evidence, often: Array) -> dict[str, Array]:
    """The columns of `shower_classifier` where true row i counts ``often[i, k]`` times in draw k, of one network.

    A network that is trained anew for every draw differs by its training, which the models of a study do not share.
    """
    pair = showers_of(evidence, FEWEST)
    if isinstance(pair, str):
        return {}
    paired = evidence.data.conditions is not None and len(evidence.generated) == len(evidence.truth)
    alike = np.ones(len(evidence.generated))
    columns: dict[str, list[float]] = {}
    for level in LEVELS:
        judge = trained_judge(inputs_of(pair, level), FAST, evidence.rng)
        for draw in often.T:
            for number, area in areas_with_weights(judge, draw, draw if paired else alike).items():
                columns.setdefault(f"shower_classifier_{level}_{number}", []).append(area)
    return {name: np.array(values) for name, values in columns.items()}


def inputs_of(pair: ShowerPair, level: str) -> Pair:
    """What a classifier sees of both samples, ``(n, dim)`` each, at a level: low, low_normed, high or resnet."""
    truth, generated = (_inputs(side, pair, level) for side in (pair.truth, pair.generated))
    return truth, generated


def _inputs(side: ShowerSample, pair: ShowerPair, level: str) -> Array:
    if level == "high":
        return side.features.vector()
    incident = side.features.incident[:, None]
    if level in ("low", "resnet"):
        return np.concatenate([np.log10(incident), side.voxels / incident], axis=1)
    layers = side.features.layers
    counts = [part.stop - part.start for part in pair.calorimeter.parts]
    normed = side.voxels / (np.repeat(layers, counts, axis=1) + SMALL)
    return np.concatenate([np.log10(incident), normed, np.log10(layers + FLOOR)], axis=1)


METRICS: tuple[Metric, ...] = (
    Metric(
        "shower_classifier",
        "small classifier of true against generated showers",
        "samples",
        shower_classifier,
        better="lower",
        of_showers=True,
        columns=(
            MetricColumn(
                "shower_classifier_low_auc",
                "AUC low",
                "area under the ROC curve of a small classifier of voxels, calibrated; 0.5 if it cannot tell",
            ),
            MetricColumn(
                "shower_classifier_high_auc",
                "AUC high",
                "the same of high-level features",
            ),
            MetricColumn("shower_classifier_*", "small *", "area or divergence of that classifier", shown=False),
            MetricColumn(
                "shower_classifier_low_jsd*", "small low JSD *", "divergence by it", shown=False, better="none"
            ),
            MetricColumn(
                "shower_classifier_high_jsd*", "small high JSD *", "divergence by it", shown=False, better="none"
            ),
        ),
    ),
    Metric(
        "challenge_classifier",
        "classifier of the CaloChallenge of true against generated showers",
        "samples",
        challenge_classifier,
        better="lower",
        of_showers=True,
        slow=True,
        columns=(
            MetricColumn(
                "challenge_classifier_low_auc",
                "AUC low (2048)",
                "area under the ROC curve of the CaloChallenge's classifier of voxels, calibrated",
            ),
            MetricColumn("challenge_classifier_high_auc", "AUC high (2048)", "the same of high-level features"),
            MetricColumn("challenge_classifier_*", "challenge *", "area or divergence of that classifier", shown=False),
            MetricColumn(
                "challenge_classifier_low_jsd*", "challenge low JSD *", "divergence by it", shown=False, better="none"
            ),
            MetricColumn(
                "challenge_classifier_low_normed_jsd*",
                "challenge low_normed JSD *",
                "divergence by it",
                shown=False,
                better="none",
            ),
            MetricColumn(
                "challenge_classifier_high_jsd*", "challenge high JSD *", "divergence by it", shown=False, better="none"
            ),
            MetricColumn(
                "challenge_classifier_resnet_jsd*",
                "challenge resnet JSD *",
                "divergence by it",
                shown=False,
                better="none",
            ),
        ),
    ),
)
