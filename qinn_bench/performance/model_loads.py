"""What models do, as workloads: they are built, trained by one step, drawn from, and asked for their density."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from qinn_bench import registry
from qinn_bench.contracts import Batch, Density, Model, Sampler
from qinn_bench.dataset import Dataset
from qinn_bench.seeds import seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use

DATA = Use(name="gmm8", knobs={"events": 2000})
"""Two features with a density that is known, so that every model, the oracle too, can be built."""


def model(name: str, what: str, backend: str, rows: int) -> Callable[[], tuple[Any, ...]]:
    """A model with its default knobs in float32 on `DATA`: what it does with so many rows.

    ``build`` makes it; ``step`` is the loss of the first training rows, its gradient and a step of Adam at learning
    rate zero, so that steps repeat; ``sample`` draws rows; ``log_prob`` takes the density of training rows.

    Raises:
        Refused: no such model, or one that does not do this: no parameters to train, no density.
    """
    data: Dataset = registry.make("data", DATA)
    if what == "build":
        return lambda: (_parameters(_build(name, backend, data)),)
    features = Batch(torch.as_tensor(data.transform.forward(data.train)[0], dtype=torch.float32))
    made, batch = _build(name, backend, data), features[:rows]
    made.initialise(features, torch_rng("performance", name))
    works: dict[str, Callable[..., Callable[[], tuple[Any, ...]]]]
    works = {"step": _training, "sample": _sampling, "log_prob": _density}
    if what not in works:
        raise Refused(f"models do not '{what}'; there are: build, {', '.join(works)}")
    return works[what](made, batch, name)


def _build(name: str, backend: str, data: Dataset) -> Model:
    torch.manual_seed(seed_of("performance", name))
    made: Model = registry.make("model", Use(name=name), data.dim, data=data, backend=backend)
    return made.float()


def _parameters(made: Model) -> int:
    return sum(p.numel() for p in made.parameters())


def _training(made: Model, batch: Batch, name: str) -> Callable[[], tuple[Any, ...]]:
    trained = [p for p in made.parameters() if p.requires_grad]
    if not trained:
        raise Refused(f"model '{name}' has no parameters to train")
    return partial(_step, made, batch, torch.optim.Adam(trained, lr=0.0))


def _step(made: Model, batch: Batch, optimiser: torch.optim.Optimizer) -> tuple[Any, ...]:
    optimiser.zero_grad()
    loss = made.loss(batch, 0.5, torch_rng("performance", "loss"))
    torch.autograd.backward(loss)
    optimiser.step()
    return (loss.detach(),)


def _sampling(made: Model, batch: Batch, name: str) -> Callable[[], tuple[Any, ...]]:
    if not isinstance(made, Sampler):
        raise Refused(f"model '{name}' draws no rows")
    return lambda: (made.sample(len(batch), torch_rng("performance", "sample", name)),)


def _density(made: Model, batch: Batch, name: str) -> Callable[[], tuple[Any, ...]]:
    if not isinstance(made, Density):
        raise Refused(f"model '{name}' states no density")
    return lambda: (_log_prob(made, batch),)


@torch.no_grad()
def _log_prob(made: Density, batch: Batch) -> torch.Tensor:
    return made.log_prob(batch.rows)
