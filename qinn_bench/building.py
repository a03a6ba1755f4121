"""A model for a data set: whether the two fit each other, and the model, made for the rows of the data."""

from __future__ import annotations

from typing import Any

import torch

from qinn_bench import registry, row_fit
from qinn_bench.contracts import Batch, Model
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Use


def why_not(name: str, data: Dataset) -> str:
    """Why a model cannot be trained on a data set; empty where it can.

    Raises:
        Refused: no such model.
    """
    if said := row_fit.misfit(name, registry.about("model", name), data.shape):
        return f"{said}, but those of data '{data.name}' are {row_fit.rows_of(data.shape)}"
    if registry.about("model", name).supervised and not _has_both(data):
        return f"model '{name}' learns from labels, but the training rows of data '{data.name}' are not of both classes"
    if data.conditions is not None and not registry.takes("model", name, "condition"):
        return f"model '{name}' takes no condition, but the rows of data '{data.name}' have some"
    return ""


def _has_both(data: Dataset) -> bool:
    """Whether the training rows are labelled, and hold background and signal."""
    return data.labels is not None and len(set(data.labels.train.tolist())) == 2


def make_model(use: Use, data: Dataset, **given: Any) -> Model:
    """The model for the rows of a data set; `given` (``backend``) is passed on where the model takes it.

    Raises:
        Refused: whatever the model refuses.
    """
    shape = data.dim if data.kind == "flat" else data.shape
    model: Model = registry.make("model", use, shape, data=data, condition=data.condition_dim, **given)
    model.conditions = data.condition_dim
    return model


def batch_of(name: str, data: Dataset, part: int, rows: Array) -> Batch:
    """The first rows of a part of a data set (0 train, 1 valid, 2 test) as a model of that name may see them.

    `rows` are these first rows in physical space, ``(n, *shape)``; the batch has their features. The conditions and
    labels of the same first n rows come with them: conditions where the data set has some, labels where the model says
    that it is supervised.
    """
    labels = data.labels[part] if data.labels and registry.about("model", name).supervised else None
    conditions = data.conditions[part] if data.conditions else None
    return Batch(
        torch.as_tensor(data.transform.forward(rows)[0]),
        None if conditions is None else torch.as_tensor(conditions[: len(rows)]),
        None if labels is None else torch.as_tensor(labels[: len(rows)]),
    )
