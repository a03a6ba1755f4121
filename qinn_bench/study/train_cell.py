"""From a cell to a trained model and what it gives: it is built, trained and asked; all that makes its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from qinn_bench.bit_rows import are_bits, judging_words
from qinn_bench.building import batch_of, make_model
from qinn_bench.contracts import (
    Batch,
    Density,
    Model,
    Reconstructor,
    Sampler,
    Scorer,
    WordTeller,
    density_of,
    given,
)
from qinn_bench.dataset import Dataset
from qinn_bench.quantum import backends, controls
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.records.store import Arrays
from qinn_bench.seeds import seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.checkpoints import Checkpoint
from qinn_bench.training.loop import Fit, fit
from qinn_bench.values import Array, Cell, Training

CHUNK = 1024
WEIGHT = "weight:"
"""What the names of the weights begin with among the arrays of a cell."""


def build(cell: Cell, data: Dataset) -> Model:
    """The untrained model of a cell, its weights drawn from the seed of its names, in the precision of its budget.

    A control starts from the weights that its model would start from.

    Raises:
        Refused: the model has no such control, or refuses its knobs or the backend.
    """
    names, seed = (str(cell.data), str(cell.model)), cell.stream("initialisation")
    torch.manual_seed(seed_of("init", *names, seed))
    model = make_model(cell.model, data, backend=cell.backend)
    controls.apply(model, cell.control, torch_rng("control", cell.control, *names, seed))
    if cell.backend != "none" and backends.parse(cell.backend).shots:
        _seed_shots(model, cell)
    return model.to(device=cell.device, dtype=getattr(torch, cell.budget.precision))


def _seed_shots(model: Model, cell: Cell) -> None:
    """Give the shots a seed of their own, which does not hang on how the weights are drawn."""
    circuits = (layer for layer in model.modules() if isinstance(layer, CircuitLayer))
    for k, layer in enumerate(circuits):
        layer.backend = backends.get(cell.backend, seed=seed_of("shots", str(cell.data), k, cell.stream("shots")))


def train(
    model: Model,
    cell: Cell,
    data: Dataset,
    on_step: Callable[[int], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train a model that was just built, in place; where there is a checkpoint, from there on."""
    kind = {"device": cell.device, "dtype": getattr(torch, cell.budget.precision)}
    rows, valid = (
        batch_of(cell.model.name, data, part, physical).to(**kind)
        for part, physical in enumerate((data.train, data.valid))
    )
    model.initialise(rows, torch_rng("initialise", str(cell.data), cell.stream("initialisation")))
    if cell.control == "untrained":
        return Fit("ok", "", Training(steps=0, best_step=0, best_loss=None, stopped="untrained control"))
    return fit(model, rows, valid, cell.budget, (str(cell.data), cell.stream("batches")), on_step, checkpoint)


@torch.no_grad()
def evaluate(model: Model, cell: Cell, data: Dataset) -> Arrays:
    """All that a trained model gives, in float64 on the CPU: samples, log-densities, scores, reconstructions, words.

    Samples ``(samples, *shape)`` and reconstructions ``(samples, *shape)``, which are of the first test rows, are
    physical rows; log-densities, in nats and of physical rows, and scores are of all test rows, ``(n,)``. Where there
    are conditions, samples are drawn at those of the first test rows. Of rows of bits a model may tell the means of
    words and their squares, ``(2, words)``.
    """
    test, first = batch_of(cell.model.name, data, 2, data.test), slice(cell.samples)
    arrays: Arrays = {}
    if isinstance(model, Sampler):
        rng = torch_rng("sample", str(cell.data), cell.stream("evaluation"))
        features = model.sample(cell.samples, rng, *given(test[first].condition))
        arrays["samples"] = data.transform.inverse(features.double().numpy())
    if isinstance(model, Density):
        arrays["log_prob"] = physical_log_prob(model, data, test, data.test)
    if isinstance(model, Scorer):
        arrays["scores"] = np.concatenate(
            [model.score(part.rows, *given(part.condition)).numpy() for part in _parts(test)]
        )
    if isinstance(model, Reconstructor):
        rebuilt = [model.reconstruct(part.rows, *given(part.condition)) for part in _parts(test[first])]
        arrays["reconstructions"] = data.transform.inverse(torch.cat(rebuilt).double().numpy())
    if isinstance(model, WordTeller) and model.n_bits == data.dim and are_bits(one.unit for one in data.columns):
        words = torch.as_tensor(judging_words(data.dim))
        told = model.told_means(words, torch_rng("words", str(cell.data), cell.stream("evaluation")))
        arrays["word_means"] = torch.stack(told).double().numpy()
    return arrays


@torch.no_grad()
def physical_log_prob(model: Density, data: Dataset, batch: Batch, rows: Array) -> Array:
    """The claimed log-density of physical rows, ``(n, *shape) -> (n,)`` in nats.

    It is that of their features, which `batch` holds, plus the log-Jacobian of the map to features.
    """
    parts = [density_of(model, part).numpy() for part in _parts(batch)]
    return np.asarray(np.concatenate(parts) + data.transform.forward(rows)[1])


def _parts(batch: Batch) -> list[Batch]:
    return [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)]


def trained(cell: Cell, data: Dataset, arrays: Arrays) -> Model:
    """The trained model of a finished cell in float64, its weights read from the arrays beside its record."""
    model = build(cell, data).double()
    weights = {name.removeprefix(WEIGHT): value for name, value in arrays.items() if name.startswith(WEIGHT)}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


def weights(model: Model) -> Arrays:
    """The weights and buffers of a model, by the names that they have among the arrays of its cell."""
    return {WEIGHT + name: value.numpy() for name, value in model.state_dict().items()}
