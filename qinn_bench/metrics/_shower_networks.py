"""Classifiers of true against generated showers: networks, their training, and what is read off them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
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
    n = min(map(len, pair))
    sizes = SHARES.get(n, (int(TRAIN * n), int(CHOOSE * n), n))[:2]
    cuts = np.cumsum(sizes)
    parts = [np.split(side[rng.permutation(len(side))[:n]], cuts) for side in pair]
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
    choosing, judging = (_probabilities(model, part, protocol.batch) for part in inputs[1:])
    calibration = IsotonicRegression(out_of_bounds="clip", y_min=CLIP, y_max=1 - CLIP).fit(choosing, labels[1])
    calibrated = calibration.predict(judging)
    return JudgedShowers(
        _area(calibrated, labels[2]),
        _area(judging, labels[2]),
        _divergence(calibrated, labels[2]),
        _divergence(judging, labels[2]),
    )


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
    """1 - BCE / ln 2: a lower bound of the Jensen-Shannon divergence in bits, but for the noise of the rows."""
    safe = np.clip(np.where(labels == 1, probability, 1 - probability), 1e-300, 1.0)
    bits = 1 + np.log2(safe)
    error = float(bits.std(ddof=1) / np.sqrt(len(bits)))
    return Estimate(value=float(bits.mean()), error=error, n=len(bits), unit="bits", better="lower")
