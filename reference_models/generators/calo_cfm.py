"""Conditional flow matching by a dense network: rows of any kind at given conditions, without a likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from reference_models._parts.flow import dense
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS
from reference_models._parts.straight_paths import PathSampler

ABOUT = About(
    citation="Favaro, Ore, Palacios Schweitzer, Plehn, CaloDREAM, arXiv:2405.09629; the training: Lipman et al., "
    "arXiv:2210.02747",
    published={
        "parameters": "28.4 million in the CaloChallenge (data set 2)",
        "AUC": "low level 0.531, high level 0.521 (data set 2)",
    },
    deviations=(
        "a small dense network instead of transformers; `calo_dit` has one",
        "energies of layers and shapes are drawn together instead of one after the other",
        "each row of a batch is met at several times and noises",
        "the preprocessing is that of the data set",
    ),
    knobs={"hidden": HIDDEN, "hidden_layers": (*HIDDEN_LAYERS, 3)},
    depth="hidden_layers",
    tiny={"hidden": 3, "steps": 2},
    tune={"draws": (1, 4, 16), "late": KnobSpan(low=0.5, high=2.0)},
    rows=("flat", "image", "voxels"),
)


class DenseVelocity(nn.Module):
    """A dense network of a row, the time and the conditions: ``(n, dim), (n, 1), (n, c) -> (n, dim)``.

    Example:
        >>> network = DenseVelocity(3, hidden=4, hidden_layers=1, condition=2)
        >>> network(torch.zeros(5, 3), torch.zeros(5, 1), torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(self, dim: int, *, hidden: int, hidden_layers: int, condition: int) -> None:
        super().__init__()
        self.network = dense(hidden, hidden_layers)(dim + 1 + condition, dim)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The velocity."""
        velocity: Tensor = self.network(torch.cat((x, t) if condition is None else (x, t, condition), 1))
        return velocity


def build(
    shape: int | tuple[int, ...],
    *,
    hidden: int = 64,
    hidden_layers: int = 2,
    steps: int = 12,
    draws: int = 4,
    late: float = 1.0,
    condition: int = 0,
) -> PathSampler:
    """A velocity of `hidden_layers` with `hidden` units, followed in so many `steps`; it reads `condition` numbers too.

    In training each row is met at `draws` times; the share of times before t is ``1 - (1 - t)^(1 / late)``.

    Raises:
        Refused: no step or draw, or `late` not above 0.

    Example:
        >>> build(8, condition=1).sample(3, torch.Generator().manual_seed(0), torch.ones(3, 1)).shape
        torch.Size([3, 8])
    """
    dim = shape if isinstance(shape, int) else int(torch.Size(shape).numel())
    network = DenseVelocity(dim, hidden=hidden, hidden_layers=hidden_layers, condition=condition)
    return PathSampler(shape, network, steps=steps, draws=draws, late=late)
