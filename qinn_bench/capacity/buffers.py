"""Fitted numbers that a model keeps outside of its parameters: counted, because they are part of its size too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Density, Reconstructor, Scorer, density_of
from qinn_bench.contracts import given as given_condition

NUDGE = 0.01
"""A number is moved by this share of itself, and by this much of what is typical in its buffer."""
Numbers = dict[str, np.ndarray[Any, Any]]
SEEN = 1e-9
"""A log-density that moves by this share of its scale has seen it."""


def snapshot(model: nn.Module) -> Numbers:
    """Everything of a model that holds floating-point numbers and is no parameter, as it is now."""
    return {
        name: (held.detach().cpu().numpy() if isinstance(held, Tensor) else held).copy() for name, held in _held(model)
    }


@torch.no_grad()
def fitted(model: nn.Module, fresh: Numbers, batch: Batch, *, given: bool) -> int:
    """How many numbers outside of its parameters a model in float64 has fitted, and its density depends on.

    Looked at are the floating-point buffers of its modules and the tensors and arrays that are plain attributes of
    them. Those count that differ from the `fresh` ones, of before it was trained, or all where a model is `given` its
    data set when it is built; and of a model that says something of rows (a density, a score, a reconstruction) only
    those that what it says of the rows of `batch` depends on: masks, starting points of an inverse and of chains do not
    count.
    """
    candidates = {name: held for name, held in _held(model) if given or not _same(held, fresh.get(name))}
    if not isinstance(model, Density | Scorer | Reconstructor):
        return sum(_size(held) for held in candidates.values())
    return sum(_size(held) for held in candidates.values() if _matters(model, held, batch))


def _held(model: nn.Module) -> Iterator[tuple[str, Tensor | np.ndarray[Any, Any]]]:
    """Everything of a model that holds floating-point numbers and is no parameter, by a dotted name, once each."""
    seen = {id(parameter) for parameter in model.parameters()}
    for prefix, module in model.named_modules():
        for name, held in [*module.named_buffers(recurse=False), *vars(module).items()]:
            tensor = isinstance(held, Tensor) and held.is_floating_point()
            array = isinstance(held, np.ndarray) and np.issubdtype(held.dtype, np.floating)
            if (tensor or array) and id(held) not in seen:
                seen.add(id(held))
                yield f"{prefix}.{name}", held


def _same(held: Any, before: Any) -> bool:
    if before is None or tuple(held.shape) != tuple(before.shape):
        return False
    return bool(np.allclose(np.asarray(held, dtype=float), np.asarray(before, dtype=float), rtol=1e-6, atol=0))


def _size(held: Any) -> int:
    return int(np.prod(held.shape))


def _said(model: nn.Module, batch: Batch) -> Tensor:
    """All that a model says of some rows, as one line of numbers: log-densities, scores and reconstructions."""
    known = given_condition(batch.condition)
    said = [density_of(model, batch)] if isinstance(model, Density) else []
    said += [model.score(batch.rows, *known)] if isinstance(model, Scorer) else []
    said += [model.reconstruct(batch.rows, *known)] if isinstance(model, Reconstructor) else []
    return torch.cat([one.flatten() for one in said])


def _matters(model: nn.Module, held: Any, batch: Batch) -> bool:
    """Whether what a model says of rows moves where these numbers are nudged; they are put back."""
    kept, plain = np.array(np.asarray(held), dtype=float), _said(model, batch)
    typical = float(np.abs(kept).mean()) if kept.size else 0.0
    signs = np.where(np.arange(kept.size).reshape(kept.shape) % 2, 1.0, -1.0)
    _write(held, kept + NUDGE * signs * (np.abs(kept) + typical + 1e-12))
    moved = _said(model, batch)
    _write(held, kept)
    return not torch.allclose(moved, plain, rtol=SEEN, atol=SEEN, equal_nan=True)


def _write(held: Any, values: np.ndarray[Any, Any]) -> None:
    if isinstance(held, Tensor):
        held.copy_(torch.as_tensor(values))
    else:
        held[...] = values
