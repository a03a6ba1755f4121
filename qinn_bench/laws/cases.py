"""What models are tried on: the smallest instance of each, on small data sets of the kinds of rows that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.building import batch_of, make_model
from qinn_bench.contracts import Batch, Model
from qinn_bench.dataset import Column, Dataset, Parts
from qinn_bench.quantum import controls
from qinn_bench.seeds import numpy_rng, seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Array, Control, Knobs, RowKind, Use

ROWS = (800, 100, 200)
"""Training, validation and test rows."""
BACKEND = "torch"
SHAPES: dict[RowKind, tuple[tuple[int, ...], ...]] = {
    "flat": ((2,), (3,)),
    "image": ((1, 8, 8),),
    "voxels": ((1, 4, 4, 4),),
}
"""The shapes of the rows of each kind."""
CONDITIONS = 2


class Stretched:
    """Features are rows divided by 2, moved by 1.

    Example:
        >>> features, logdet = Stretched().forward(np.array([[0.0, 4.0]]))
        >>> features.tolist(), round(float(logdet[0]), 3)
        ([[1.0, 3.0]], -1.386)
    """

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, *shape) -> (n, *shape), (n,)``."""
        return rows / 2 + 1, np.full(len(rows), -prod(rows.shape[1:]) * np.log(2))

    def inverse(self, features: Array) -> Array:
        """``(n, *shape) -> (n, *shape)``."""
        return np.asarray(2 * (features - 1))


class TwoHills:
    """An even mixture of two normals of width 1 at (+-2, 0, ..., 0).

    Example:
        >>> hills = TwoHills(2)
        >>> hills.sample(5, np.random.default_rng(0)).shape
        (5, 2)
        >>> bool(hills.log_density(np.array([[2.0, 0.0]])) > hills.log_density(np.array([[0.0, 0.0]])))
        True
    """

    entropy = np.nan

    def __init__(self, dim: int) -> None:
        self.centre = 2 * np.eye(dim)[0]

    def log_density(self, rows: Array) -> Array:
        """``(n, dim) -> (n,)`` in nats."""
        left, right = (-0.5 * ((rows - sign * self.centre) ** 2).sum(1) for sign in (-1, 1))
        return np.asarray(np.logaddexp(left, right) - np.log(2) - 0.5 * rows.shape[1] * np.log(2 * np.pi))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, dim)``."""
        signs = rng.choice([-1.0, 1.0], n)
        return np.asarray(signs[:, None] * self.centre + rng.normal(size=(n, len(self.centre))))


def toy(shape: int | tuple[int, ...], *, known: bool = True) -> Dataset:
    """Two hills as rows of this shape; their density is `known` where rows are flat."""
    shape = (shape,) if isinstance(shape, int) else shape
    density = TwoHills(prod(shape))
    train, valid, test = (density.sample(n, numpy_rng("toy", n)).reshape(n, *shape) for n in ROWS)
    return Dataset(
        name="two_hills",
        columns=tuple(Column(f"x{i}", f"x{i}") for i in range(prod(shape))),
        train=train,
        valid=valid,
        test=test,
        transform=Stretched(),
        observables=_no_observables,
        plots=(),
        support=_everywhere,
        fingerprint="",
        density=density if known and len(shape) == 1 else None,
    )


def _no_observables(rows: Array) -> dict[str, Array]:  # noqa: ARG001
    return {}


def _everywhere(rows: Array) -> Any:
    return np.ones(len(rows), dtype=bool)


def conditioned(data: Dataset) -> Dataset:
    """The same with two conditions a row, by which its first number is moved."""
    conditions = Parts._make(numpy_rng("conditions", n).uniform(-1, 1, (n, CONDITIONS)) for n in ROWS)
    parts = [rows.copy() for rows in (data.train, data.valid, data.test)]
    for rows, values in zip(parts, conditions, strict=True):
        rows.reshape(len(rows), -1)[:, 0] += values[:, 0]
    train, valid, test = parts
    return replace(data, train=train, valid=valid, test=test, conditions=conditions, density=None)


def labelled(data: Dataset) -> Dataset:
    """The same with labels: half of the rows of each part are signal, which is moved, the others background."""
    labels = Parts._make(np.arange(n, dtype=np.float64) % 2 for n in ROWS)
    parts = zip((data.train, data.valid, data.test), labels, strict=True)
    train, valid, test = (rows + 3 * signal.reshape(-1, *[1] * len(data.shape)) for rows, signal in parts)
    return replace(data, train=train, valid=valid, test=test, labels=labels, density=None)


@dataclass(frozen=True)
class ModelCase:
    """A model with some knobs set, or one of its controls, on a data set.

    Example:
        >>> case = ModelCase(Use(name="gaussian"), toy(2))
        >>> print(case, "|", case.batch(n=3).rows.shape, "|", type(case.make()).__name__)
        gaussian, rows of 2 | torch.Size([3, 2]) | Gaussian
    """

    use: Use
    data: Dataset
    control: Control = ""

    def __str__(self) -> str:
        return f"{self.use.name}{f'+{self.control}' if self.control else ''}, {self.rows}"

    @property
    def rows(self) -> str:
        """What the rows are, in words."""
        return f"rows of {' x '.join(map(str, self.data.shape))}" + ", conditioned" * (self.data.conditions is not None)

    def make(self, *, jolt: float = 0.0, dtype: torch.dtype = torch.float64) -> Any:
        """The model, initialised; its weights, where `jolt` is set, moved by that much noise."""
        name, dim = self.use.name, self.data.dim
        torch.manual_seed(seed_of("init", name, dim))
        model: Model = make_model(registry.spell_out("model", self.use), self.data, backend=BACKEND)
        controls.apply(model, self.control, torch_rng("control", name, dim))
        model = model.to(dtype)
        model.initialise(self.batch(dtype), torch_rng("initialise", name))
        rng = torch_rng("jolt", name)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
                parameter.add_(jolt * noise.to(parameter))
        return model

    def batch(self, dtype: torch.dtype = torch.float64, n: int | None = None) -> Batch:
        """The first `n` training rows as the model may see them, or all."""
        rows = batch_of(self.use.name, self.data, 0, self.data.train[:n])
        return rows.to(device="cpu", dtype=dtype)

    def known(self, n: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        """The conditions of the first `n` training rows as the arguments that stand for them; none where there are
        none."""
        condition = self.batch(dtype, n).condition
        return () if condition is None else (condition,)


def cases_of(use: Use) -> list[ModelCase]:
    """A model on each kind of rows that it takes, with conditions too where it takes them; other knobs are tiny.

    Raises:
        Refused: no such model, or a knob that it does not have.
    """
    about = registry.about("model", use.name)
    use = Use(name=use.name, knobs={**about.tiny, **use.knobs})
    registry.spell_out("model", use)
    data = [toy(shape) for kind in about.rows for shape in shapes_of(kind, about.multiple_of)]
    if registry.takes("model", use.name, "condition"):
        data.append(conditioned(data[0]))
    return [ModelCase(use, labelled(one) if about.supervised else one) for one in data]


def shapes_of(kind: RowKind, multiple_of: int) -> list[tuple[int, ...]]:
    """The shapes of rows of a kind on which a model is tried whose flat rows have a multiple of so many numbers.

    Example:
        >>> shapes_of("flat", 3), shapes_of("image", 3)
        ([(6,), (9,)], [(1, 8, 8)])
    """
    return [(multiple_of * shape[0],) if kind == "flat" else shape for shape in SHAPES[kind]]


def tiny_knobs(name: str, control: str, knobs: Knobs | None = None) -> Knobs:
    """The knobs of the smallest instance; a control that is classical compares no states."""
    smallest: Knobs = {**registry.about("model", name).tiny, **(knobs or {})}
    if control in ("fourier", "tanh") and "fidelity" in smallest:
        smallest["fidelity"] = 0.0
    return smallest
