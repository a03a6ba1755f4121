"""A small diffusion transformer, trained by conditional flow matching: tokens of a few numbers, steered by the time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.about import About, KnobSpan
from qinn_bench.values import Refused
from reference_models._parts.straight_paths import PathSampler
from reference_models._parts.transformer import Attention

ABOUT = About(
    citation="Peebles, Xie, Scalable Diffusion Models with Transformers, arXiv:2212.09748; for showers: CaloDREAM, "
    "arXiv:2405.09629",
    published={
        "parameters": "CaloDREAM: 28.4 million in the CaloChallenge (data set 2)",
        "AUC": "CaloDREAM: low level 0.531, high level 0.521 (data set 2)",
    },
    deviations=(
        "a few thousand parameters instead of millions",
        "tokens are neighbouring numbers of a row, instead of patches in three dimensions",
        "energies of layers and shapes are drawn together",
        "it is trained by flow matching instead of denoising, as CaloDREAM is and the diffusion transformer is not",
        "conditions and the time are read by one dense layer, without classes and without guidance",
    ),
    knobs={"hidden": (2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64), "blocks": (1, 2, 3, 4, 6)},
    depth="blocks",
    tiny={"patch": 1, "hidden": 4, "blocks": 1, "steps": 2},
    tune={"draws": (1, 4), "late": KnobSpan(low=0.5, high=2.0)},
    rows=("flat", "image", "voxels"),
)
WAVES = 4
"""Frequencies at which the time is read."""


class SteeredBlock(nn.Module):
    """Attention and a feed-forward network, shifted, scaled and gated by numbers read off the time (adaLN-Zero).

    It starts as the identity.

    Example:
        >>> block = SteeredBlock(4, heads=2)
        >>> bool((block(torch.ones(5, 3, 4), torch.ones(5, 4)) == 1).all())
        True
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        # A bias of keys has no effect.
        self.attention = Attention(heads, [nn.Linear(size, size, bias=k != 1) for k in range(4)])
        self.feed = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))
        self.steering = nn.Linear(size, 6 * size)
        nn.init.zeros_(self.steering.weight)
        nn.init.zeros_(self.steering.bias)

    def forward(self, tokens: Tensor, known: Tensor) -> Tensor:
        """``(n, tokens, size), (n, size) -> (n, tokens, size)``."""
        shift, scale, gate, shift_feed, scale_feed, gate_feed = self.steering(F.silu(known))[:, None].chunk(6, 2)
        tokens = tokens + gate * self.attention(_normed(tokens) * (1 + scale) + shift)
        fed: Tensor = tokens + gate_feed * self.feed(_normed(tokens) * (1 + scale_feed) + shift_feed)
        return fed


def _normed(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:])


class TokenVelocity(nn.Module):
    """A transformer over the tokens of a row: ``(n, dim), (n, 1), (n, c) -> (n, dim)``; it starts at zero.

    Example:
        >>> network = TokenVelocity(7, patch=3, size=4, heads=2, blocks=1, condition=0)
        >>> network(torch.zeros(5, 7), torch.zeros(5, 1), None).shape
        torch.Size([5, 7])
    """

    def __init__(self, dim: int, *, patch: int, size: int, heads: int, blocks: int, condition: int) -> None:
        super().__init__()
        self.dim, self.patch = dim, min(patch, math.ceil(dim / 2))
        self.embed = nn.Linear(self.patch, size)
        self.positions = nn.Parameter(0.1 * torch.randn(math.ceil(dim / self.patch), size))
        self.known = nn.Sequential(nn.Linear(2 * WAVES + condition, size), nn.SiLU(), nn.Linear(size, size))
        self.blocks = nn.ModuleList(SteeredBlock(size, heads) for _ in range(blocks))
        self.last = nn.Linear(size, self.patch)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The velocity."""
        angles = math.pi * t * torch.arange(1, WAVES + 1, device=t.device).to(t)
        waves = torch.cat((angles.cos(), angles.sin()), 1)
        known = self.known(waves if condition is None else torch.cat((waves, condition), 1))
        padded = F.pad(x, (0, self.patch * len(self.positions) - self.dim))
        tokens = self.embed(padded.reshape(len(x), -1, self.patch)) + self.positions
        for block in self.blocks:
            tokens = block(tokens, known)
        velocity: Tensor = self.last(_normed(tokens)).flatten(1)
        return velocity[:, : self.dim]


def build(
    shape: int | tuple[int, ...],
    *,
    patch: int = 4,
    hidden: int = 24,
    heads: int = 2,
    blocks: int = 2,
    steps: int = 12,
    draws: int = 1,
    late: float = 1.0,
    condition: int = 0,
) -> PathSampler:
    """A transformer of so many `blocks` and `heads` on tokens of `patch` numbers, at least two of them, `hidden` wide.

    It is followed in so many `steps`; `draws` and `late` are those of `flow_matching`.

    Raises:
        Refused: a width that the heads do not divide, fewer than two numbers a row, no number a token, or what
            `PathSampler` refuses.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(25, condition=1)).total
        17932
    """
    dim = shape if isinstance(shape, int) else int(torch.Size(shape).numel())
    if heads < 1 or hidden % heads or dim < 2 or patch < 1:
        raise Refused(
            f"calo_dit was given hidden={hidden}, heads={heads}, patch={patch} for rows of {dim} numbers; a width that "
            "the heads divide, 1 number a token and 2 numbers a row or more are expected"
        )
    network = TokenVelocity(dim, patch=patch, size=hidden, heads=heads, blocks=blocks, condition=condition)
    return PathSampler(shape, network, steps=steps, draws=draws, late=late)
