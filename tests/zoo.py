"""The smallest instance of every model, on a small data set whose density is known: that of the laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast, get_args

import torch
from torch import Tensor

from qinn_bench import registry, row_fit
from qinn_bench.contracts import count_parameters
from qinn_bench.laws.cases import BACKEND, ModelCase, cases_of, labelled, tiny_knobs, toy
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.values import Control, Knobs, Use

NAMES = registry.names("model")
CONTROLS = tuple(control for control in get_args(Control) if control not in ("", "untrained"))
FLAT = [
    name for name in NAMES if not any(row_fit.misfit(name, registry.about("model", name), (dim,)) for dim in (2, 3))
]
"""Models of flat rows of any length."""
QUANTUM = [name for name in NAMES if registry.takes("model", name, "backend")]


def replaceable(name: str) -> bool:
    """Whether the circuits of a model have weights and give bounded numbers, which something can stand in for."""
    circuits = [layer.circuit for layer in circuit_layers(smallest(name).make()).values()]
    return all(one.n_weights and one.n_outputs == len(one.readout) for one in circuits)


def case_of(name: str, dim: int, knobs: Knobs | None = None) -> ModelCase:
    """The case of ``model`` or of ``model+control``."""
    name, _, control = name.partition("+")
    data = labelled(toy(dim)) if registry.about("model", name).supervised else toy(dim)
    return ModelCase(Use(name=name, knobs=tiny_knobs(name, control, knobs)), data, cast("Control", control))


def smallest(name: str) -> ModelCase:
    """The case of ``model+control`` on the first rows that laws try the model on."""
    model, _, control = name.partition("+")
    case = cases_of(Use(name=model, knobs=tiny_knobs(model, control)))[0]
    return replace(case, control=cast("Control", control))


def tiny(
    name: str, dim: int, *, jolt: float = 0.0, dtype: torch.dtype = torch.float64, knobs: Knobs | None = None
) -> Any:
    """The smallest instance of a model, initialised; its weights, where `jolt` is set, moved by that much noise."""
    return case_of(name, dim, knobs).make(jolt=jolt, dtype=dtype)


def features(dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    data = toy(dim)
    return torch.from_numpy(data.transform.forward(data.train)[0]).to(dtype)


def size(name: str, dim: int, knobs: Knobs) -> int:
    """The parameters of a model that is built, as the matcher does it, without memory for its weights."""
    with torch.device("meta"):
        model = registry.make("model", Use(name=name, knobs=knobs), dim, data=toy(dim), backend=BACKEND)
    return count_parameters(model).total


CONTROLLED = [
    f"{name}+{control}"
    for name in QUANTUM
    for control in (CONTROLS if replaceable(name) else ("frozen", "unentangled"))
]
