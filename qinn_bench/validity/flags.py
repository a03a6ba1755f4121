"""Why a number is too good to be believed: better than truth, copied training rows, seen test rows, an idle circuit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Density, Model, density_of
from qinn_bench.dataset import Dataset, Metric
from qinn_bench.quantum.backends import Backend
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.wrapped_backends import Wrapper, quantum_modules, wrapped
from qinn_bench.validity.truth_against_truth import Nulls, better_than_truth
from qinn_bench.values import Array, Estimate, Flag

ROWS = 2000
"""Rows that are looked at: generated ones, and those of each log-likelihood."""
COPIED = 0.05
"""Share of copied rows from which on a model is flagged."""
SIGMAS = 4.0
"""And the excess over honest rows is at least so many standard deviations of it: a chance of 3e-5."""
SAME = 1e-4
"""Rows closer than this share of the median distance of neighbours are the same row up to rounding."""
OVERLAP = 0.001
"""Share of test rows in the training set, beyond those that are there by chance, from which on a split is no split."""


class Copies(NamedTuple):
    """How much nearer rows are to one set than to another: the share beyond chance, its error, and the share of
    identical rows.

    Example:
        >>> Copies(share=0.98, error=0.01, same=1.0).same
        1.0
    """

    share: float
    error: float
    same: float


def memoriser(data: Dataset, generated: Array) -> Flag | None:
    """Whether generated physical rows are copies of training rows; None if not.

    The nearest neighbour (in features) of a row that was drawn independently is a training row, rather than a
    validation row, with the probability n_train / (n_train + n_valid), whatever the densities are.
    """
    found = copies(data, generated, data.train, data.valid)
    if not _convicts(found):
        return None
    said = (
        f"{found.share:.0%} of the generated rows, beyond chance, are nearer to a training row than to any "
        f"validation row, and {found.same:.0%} are identical to one"
    )
    return Flag(kind="memoriser", said=said)


def leak(data: Dataset, generated: Array, judged: int, log_prob: tuple[Array, Array] | None) -> Flag | None:
    """Whether a model has seen the test rows that judge it, or the training set holds them; None if not.

    `judged` is how many test rows samples are compared with; `log_prob` are log-densities of test and of validation
    rows.
    """
    overlap = max((split_overlap(data.train, rows, data), name) for rows, name in _held_out(data))
    if overlap[0] > OVERLAP:
        return Flag(kind="leak", said=f"{overlap[0]:.2%} of the {overlap[1]} rows are in the training set too")
    found = copies(data, generated, data.test[:judged], data.valid)
    if _convicts(found):
        said = (
            f"{found.share:.0%} of the generated rows, beyond chance, are nearer to a test row than to any "
            f"validation row, and {found.same:.0%} are identical to one"
        )
        return Flag(kind="leak", said=said)
    if log_prob is None:
        return None
    test, valid = (rows[np.isfinite(rows)] for rows in log_prob)
    if min(len(test), len(valid)) < 2:
        return None
    gain = float(test.mean() - valid.mean())
    error = float(np.hypot(np.std(test, ddof=1) / len(test) ** 0.5, np.std(valid, ddof=1) / len(valid) ** 0.5))
    if gain <= SIGMAS * error:
        return None
    return Flag(
        kind="leak",
        said=f"test rows are {gain:.3f}({error:.3f}) nats more likely to the model than validation rows are",
    )


def _held_out(data: Dataset) -> tuple[tuple[Array, str], tuple[Array, str]]:
    return (data.test, "test"), (data.valid, "validation")


def copies(data: Dataset, generated: Array, suspected: Array, reference: Array) -> Copies:
    """How many of the first generated rows have their nearest neighbour among `suspected`, beyond chance.

    Chance is n_suspected / (n_suspected + n_reference); the share is that of copied rows that explains the excess.
    Generated rows with the same neighbour count once: far from the data many share one, which is evidence of nothing.
    """
    rows = _features(data, generated[:ROWS])
    if not len(rows) or not len(suspected) or not len(reference):
        return Copies(0.0, 1.0, 0.0)
    (near, at), (far, other) = (cKDTree(_features(data, side)).query(rows) for side in (suspected, reference))
    chance = len(suspected) / (len(suspected) + len(reference))
    _, once = np.unique(np.where(near <= far, at, len(suspected) + other), return_index=True)
    nearer = np.where(near == far, chance, near < far)[once].mean()
    error = np.sqrt(chance * (1 - chance) / len(once)) / (1 - chance)
    same = float(np.mean(near < SAME * np.median(far)))
    return Copies(float((nearer - chance) / (1 - chance)), float(error), same)


def _convicts(found: Copies) -> bool:
    return found.share > max(COPIED, SIGMAS * found.error) or found.same > COPIED


def split_overlap(train: Array, held_out: Array, data: Dataset) -> float:
    """The share of held-out rows that are in the training set too, beyond the share of training rows that come twice.

    Rows are the same if they are closer in features than `SAME` of the median distance between neighbours.
    """
    rows, tree = _features(data, held_out[:ROWS]), cKDTree(_features(data, train))
    distances = tree.query(rows)[0]
    own = tree.query(_features(data, train[:ROWS]), k=2)[0][:, 1]
    alike = SAME * np.median(own)
    return float(np.mean(distances <= alike) - np.mean(own <= alike))


def _features(data: Dataset, rows: Array) -> Array:
    features = data.transform.forward(_finite(rows))[0]
    return _finite(features).reshape(-1, data.dim)


def _finite(rows: Array) -> Array:
    return rows[np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))]


@torch.no_grad()
def idle_circuit(model: Model, initial: Model, batch: Batch, n_test: int) -> Flag | None:
    """Whether the log-likelihood of some rows loses nothing without the trained circuits.

    Two ways to do without: every circuit that reads the rows answers its mean over them, or all have the weights that
    they started with (those of `initial`), all else as trained. Nothing is lost if the mean log-likelihood falls by
    less than its error on the `n_test` rows of the test set; None if something is. A model without circuits or without
    a density is never flagged.
    """
    if not quantum_modules(model) or not isinstance(model, Density):
        return None
    full = density_of(model, batch)
    error = float(full.std() / n_test**0.5)
    means: list[_Mean] = []
    with wrapped(model, lambda backend: _Mean(backend, means)):
        density_of(model, batch)
        constant = density_of(model, batch)
    with _as_it_started(model, initial):
        started = density_of(model, batch)
    without = {"the mean of its outputs": constant} if any(one.kept for one in means) else {}
    without |= {"the circuit as it started": started}
    for what, other in without.items():
        loss = float((full - other).mean())
        if np.isfinite(loss) and loss < error:
            said = f"{what} in its place costs {loss:.4f} nats of log-likelihood, whose error is {error:.4f}"
            return Flag(kind="idle-circuit", said=said)
    return None


@contextmanager
def _as_it_started(model: nn.Module, initial: nn.Module) -> Iterator[None]:
    """Give the circuits of a model the weights of those of another."""
    layers = list(zip(quantum_modules(model), quantum_modules(initial), strict=True))
    before = [{name: value.clone() for name, value in mine.state_dict().items()} for mine, _ in layers]
    try:
        for mine, theirs in layers:
            mine.load_state_dict(theirs.state_dict())
        yield
    finally:
        for (mine, _), weights in zip(layers, before, strict=True):
            mine.load_state_dict(weights)


class _Mean(Wrapper):
    """A backend that keeps the mean over the rows of its first answer and then repeats it; derivatives are zero.

    Circuits that read no inputs answer as ever, and so do those whose states are asked for: no density is made of them.
    """

    def __init__(self, backend: Backend, all_of_them: list[_Mean]) -> None:
        super().__init__(backend)
        self.kept = dict[int, Tensor]()
        all_of_them.append(self)

    def run(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
        """Values ``(B, n_outputs)``, all rows alike from the second call on."""
        if circuit.n_inputs == 0:
            return super().run(circuit, inputs, weights)
        if id(circuit) not in self.kept:
            values = super().run(circuit, inputs, weights)
            self.kept[id(circuit)] = values.mean(0)
            return values
        return self.kept[id(circuit)].expand(len(inputs), -1)

    def run_with_jacobian(self, circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values, and derivatives that are zero from the second call on."""
        if id(circuit) not in self.kept:
            values, jacobian = super().run_with_jacobian(circuit, inputs, weights)
            self.kept[id(circuit)] = values.mean(0)
            return values, jacobian
        values = self.run(circuit, inputs, weights)
        return values, values.new_zeros(*values.shape, circuit.n_inputs)


def too_good(found: Mapping[str, Estimate], metrics: Mapping[str, Metric], nulls: Nulls) -> Flag | None:
    """Whether metrics are better than truth against truth; None if not."""
    columns = better_than_truth(found, metrics, nulls) if nulls.possible else []
    if not columns:
        return None
    first, others = columns[0], ", ".join(column.column for column in columns[1:])
    said = (
        f"{first.column} is {first.value:.3g}, where 5 % of truth against truth lie below "
        f"{first.quantile:.3g} (p = {first.p:.1e} after correction for {first.tested} columns)"
        + (f"; so are {others}" if others else "")
    )
    return Flag(kind="better-than-truth", said=said)
