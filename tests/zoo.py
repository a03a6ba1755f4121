"""The smallest instance of every model, on a small data set whose density is known."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.dataset import Column, Dataset
from qinn_bench.quantum import controls
from qinn_bench.seeds import numpy_rng, seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Array, Control, Knobs, Use

NAMES = registry.names("model")
CONTROLS: tuple[Control, ...] = ("frozen", "unentangled", "fourier", "tanh")
QUANTUM = [name for name in NAMES if registry.takes("model", name, "backend")]
CONTROLLED = [f"{name}+{control}" for name in QUANTUM for control in CONTROLS]
BACKEND = "torch"


class Stretched:
    """Features are rows divided by 2, moved by 1."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        return rows / 2 + 1, np.full(len(rows), -rows.shape[1] * np.log(2))

    def inverse(self, features: Array) -> Array:
        return np.asarray(2 * (features - 1))


class TwoHills:
    """An even mixture of two normals of width 1 at (+-2, 0, ..., 0)."""

    entropy = np.nan

    def __init__(self, dim: int) -> None:
        self.centre = 2 * np.eye(dim)[0]

    def log_density(self, rows: Array) -> Array:
        left, right = (-0.5 * ((rows - sign * self.centre) ** 2).sum(1) for sign in (-1, 1))
        return np.asarray(np.logaddexp(left, right) - np.log(2) - 0.5 * rows.shape[1] * np.log(2 * np.pi))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        signs = rng.choice([-1.0, 1.0], n)
        return np.asarray(signs[:, None] * self.centre + rng.normal(size=(n, len(self.centre))))


def toy(dim: int, *, known: bool = True) -> Dataset:
    density = TwoHills(dim)
    train, valid, test = (density.sample(n, numpy_rng("toy", n)) for n in (800, 100, 200))
    return Dataset(
        name="two_hills",
        columns=tuple(Column(f"x{i}", f"x{i}") for i in range(dim)),
        train=train,
        valid=valid,
        test=test,
        transform=Stretched(),
        observables=lambda rows: {},
        plots=(),
        support=lambda rows: np.ones(len(rows), dtype=bool),
        fingerprint="",
        density=density if known else None,
    )


def tiny(
    name: str, dim: int, *, jolt: float = 0.0, dtype: torch.dtype = torch.float64, knobs: Knobs | None = None
) -> Any:
    """The smallest instance of a model, initialised; its weights, where `jolt` is set, moved by that much noise.

    ``model+control`` is a control of the model; where it is classical, the model compares no states.
    """
    name, _, control = name.partition("+")
    torch.manual_seed(seed_of("init", name, dim))
    data, knobs = toy(dim), dict(registry.about("model", name).tiny) | (knobs or {})
    if control in ("fourier", "tanh") and "fidelity" in knobs:
        knobs["fidelity"] = 0.0
    use = registry.spell_out("model", Use(name=name, knobs=knobs))
    model = registry.make("model", use, dim, data=data, backend=BACKEND)
    controls.apply(model, cast("Control", control), torch_rng("control", name, dim))
    model = model.to(dtype)
    model.initialise(Batch(features(dim, dtype)), torch_rng("initialise", name))
    rng = torch_rng("jolt", name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += jolt * torch.randn(parameter.shape, generator=rng, dtype=torch.float64).to(parameter)
    return model


def features(dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    data = toy(dim)
    return torch.from_numpy(data.transform.forward(data.train)[0]).to(dtype)


def size(name: str, dim: int, knobs: Knobs) -> int:
    """The parameters of a model that is built, as the matcher does it, without memory for its weights."""
    with torch.device("meta"):
        model = registry.make("model", Use(name=name, knobs=knobs), dim, data=toy(dim), backend=BACKEND)
    return count_parameters(model).total
