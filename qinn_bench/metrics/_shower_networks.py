"""Classifiers of true against generated showers: networks, their training, and what is read off them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from torch import Tensor, nn

from qinn_bench.metrics._scales import Pair
from qinn_bench.metrics.roc import auc
from qinn_bench.values import Array, Estimate

SHARES = {121_000: (80_000, 20_000, 21_000), 120_800: (80_000, 20_000, 20_800)}
"""Training, choosing and judging rows of each side, of the sizes that the challenge's files have."""
TRAIN, CHOOSE = 0.6, 0.2
"""The same of any other size, as shares; the rest judges."""
CLIP = 1e-6
"""Calibrated probabilities are kept so far from 0 and 1."""


@dataclass(frozen=True)
class ClassifierProtocol:
    """How a classifier is built and trained.

    Example:
        >>> CHALLENGE.hidden, CHALLENGE.epochs, FAST.hidden
        ((2048, 2048, 2048), 50, (64, 64))
    """

    hidden: tuple[int, ...]
    epochs: int
    batch: int
    learning_rate: float
    dtype: torch.dtype
    standardised: bool


CHALLENGE = ClassifierProtocol((2048, 2048, 2048), 50, 1000, 2e-4, torch.float64, standardised=False)
"""That of the CaloChallenge (arXiv:2410.21611)."""
FAST = ClassifierProtocol((64, 64), 20, 250, 1e-3, torch.float32, standardised=True)
"""A small one, for many seeds."""


class JudgedShowers(NamedTuple):
    """Area under the ROC curve and Jensen-Shannon divergence, each after isotonic calibration and without.

    Example:
        >>> JudgedShowers._fields
        ('auc', 'auc_raw', 'jsd', 'jsd_raw')
    """

    auc: Estimate
    auc_raw: Estimate
    jsd: Estimate
    jsd_raw: Estimate


def network(inputs: int, protocol: ClassifierProtocol) -> nn.Sequential:
    """Linear layers with leaky rectifiers of slope 0.01, and one logit.

    Example:
        >>> sum(p.numel() for p in network(369, CHALLENGE).parameters())
        9152513
    """
    sizes = (inputs, *protocol.hidden)
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes):
        layers += [nn.Linear(size, following), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1)).to(protocol.dtype)


class SaidShowers(NamedTuple):
    """What a trained network said of rows, ``(n,)``: that each is a true one, its label, and its place on its side.

    Example:
        >>> SaidShowers(np.array([0.9, 0.2]), np.array([1.0, 0.0]), np.array([7, 4])).labels
        array([1., 0.])
    """

    probability: Array
    labels: Array
    places: NDArray[np.intp]


class TrainedJudge(NamedTuple):
    """What a network said of the rows that choose and calibrate, and of those that judge.

    Example:
        >>> TrainedJudge._fields
        ('choosing', 'judging')
    """

    choosing: SaidShowers
    judging: SaidShowers


def judged(
    pair: Pair,
    protocol: ClassifierProtocol,
    rng: np.random.Generator,
    make: Callable[[int, ClassifierProtocol], nn.Module] = network,
) -> JudgedShowers:
    """Train on true (1) and generated (0) rows ``(n, dim)`` each, and judge rows that were not trained on.

    The epoch of the best accuracy on the choosing rows is kept, and a calibration fitted on them; only the judging
    rows are clean.
    """
    choosing, judging = trained_judge(pair, protocol, rng, make)
    calibrated = _calibration().fit(choosing.probability, choosing.labels).predict(judging.probability)
    return JudgedShowers(
        _area(calibrated, judging.labels),
        _area(judging.probability, judging.labels),
        _divergence(calibrated, judging.labels),
        _divergence(judging.probability, judging.labels),
    )


def areas_with_weights(judge: TrainedJudge, true: Array, generated: Array) -> dict[str, float]:
    """The areas of `JudgedShowers` where row i of the true side counts ``true[i]`` times, one of the other side
    ``generated[i]`` times; the network is not trained anew."""
    weights = [np.where(said.labels == 1, true[said.places], generated[said.places]) for said in judge]
    fitted = _calibration().fit(judge.choosing.probability, judge.choosing.labels, sample_weight=weights[0])
    raw, labels = judge.judging.probability, judge.judging.labels
    both = {"auc": fitted.predict(raw), "auc_raw": raw}
    return {number: _weighted_area(said, labels, weights[1]) for number, said in both.items()}


def trained_judge(
    pair: Pair,
    protocol: ClassifierProtocol,
    rng: np.random.Generator,
    make: Callable[[int, ClassifierProtocol], nn.Module] = network,
) -> TrainedJudge:
    """Train on a part of the rows of both sides, and say of the two other parts what is true."""
    n = min(map(len, pair))
    sizes = SHARES.get(n, (int(TRAIN * n), int(CHOOSE * n), n))[:2]
    cuts = np.cumsum(sizes)
    places = [np.split(rng.permutation(len(side))[:n], cuts) for side in pair]
    parts = [[side[part] for part in of_side] for side, of_side in zip(pair, places, strict=True)]
    rows = [np.concatenate([truth, generated]) for truth, generated in zip(*parts, strict=True)]
    labels = [np.repeat([1.0, 0.0], [len(truth), len(generated)]) for truth, generated in zip(*parts, strict=True)]
    if protocol.standardised:
        mean, width = rows[0].mean(axis=0), rows[0].std(axis=0)
        rows = [(part - mean) / np.where(width > 0, width, 1.0) for part in rows]
    inputs = [torch.as_tensor(part).to(protocol.dtype) for part in rows]
    seed = int(rng.integers(2**62))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _trained(make(inputs[0].shape[1], protocol), inputs[:2], labels[:2], protocol)
    choosing, judging = (
        SaidShowers(
            _probabilities(model, inputs[k], protocol.batch), labels[k], np.concatenate([of[k] for of in places])
        )
        for k in (1, 2)
    )
    return TrainedJudge(choosing, judging)


def _calibration() -> IsotonicRegression:
    return IsotonicRegression(out_of_bounds="clip", y_min=CLIP, y_max=1 - CLIP)


def _trained(model: nn.Module, inputs: list[Tensor], labels: list[Array], protocol: ClassifierProtocol) -> nn.Module:
    """The network of the epoch with the best accuracy on the choosing rows, ready to judge."""
    optimiser = torch.optim.Adam(model.parameters(), protocol.learning_rate)
    truth = torch.as_tensor(labels[0]).to(protocol.dtype)
    best, kept = -1.0, {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(protocol.epochs):
        model.train()
        for places in torch.split(torch.randperm(len(truth)), protocol.batch):
            logits = model(inputs[0][places])[:, 0]
            loss = nn.functional.binary_cross_entropy_with_logits(logits, truth[places])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        model.eval()
        said = _probabilities(model, inputs[1], protocol.batch) > 0.5
        accuracy = float((said == (labels[1] == 1)).mean())
        if accuracy > best:
            best, kept = accuracy, {name: value.clone() for name, value in model.state_dict().items()}
        if accuracy == 1:
            break
    model.load_state_dict(kept)
    return model.eval()


@torch.no_grad()
def _probabilities(model: nn.Module, rows: Tensor, batch: int) -> Array:
    """That each row is a true one, ``(n,)``."""
    return np.concatenate([torch.sigmoid(model(part)[:, 0]).double().numpy() for part in torch.split(rows, batch)])


def _area(probability: Array, labels: Array) -> Estimate:
    found = auc(probability[labels == 1], probability[labels == 0])
    return found.model_copy(update={"better": "lower"})


def _divergence(probability: Array, labels: Array) -> Estimate:
    """1 - BCE / ln 2: a lower bound of the Jensen-Shannon divergence in bits, but for the noise of the rows.

    A classifier that is too sure of itself puts it below 0, so that it tells no model from a better one.
    """
    bits = _bits(probability, labels)
    error = float(bits.std(ddof=1) / np.sqrt(len(bits)))
    return Estimate(value=float(bits.mean()), error=error, n=len(bits), unit="bits", better="none")


def _bits(probability: Array, labels: Array) -> Array:
    return np.asarray(1 + np.log2(np.clip(np.where(labels == 1, probability, 1 - probability), 1e-300, 1.0)))


def _weighted_area(probability: Array, labels: Array, weights: Array) -> float:
    """P(true > generated) + P(tie) / 2 of weighted rows."""
    true, (values, of_value) = labels == 1, np.unique(probability, return_inverse=True)
    on_true, on_generated = (
        np.bincount(of_value[side], weights[side], minlength=len(values)) for side in (true, ~true)
    )
    below = np.cumsum(on_generated) - on_generated / 2
    return float(on_true @ below / (on_true.sum() * on_generated.sum()))
