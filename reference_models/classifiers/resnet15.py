"""A residual network of 15 layers that classifies jet images by labels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.classifier import Classifier

ABOUT = About(
    citation="Andrews et al., End-to-end jet classification of quarks and gluons with the CMS Open Data, "
    "arXiv:1902.08276; sizes of Comajoan Cara et al., Quantum vision transformers for quark-gluon classification, "
    "Axioms 13 (2024) 323",
    published={
        "125x125x3, 5170 parameters": "AUC 0.803, quark against gluon",
        "125x125x3, 107 202 parameters": "AUC 0.808",
    },
    deviations=(
        "the widths of the layers are not published: with 4 and 20 channels it has 4333 and 102 941 parameters",
        "normalised over the channels of each image, so that no row depends on others of its batch",
    ),
    role="ceiling",
    knobs={"channels": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)},
    depth="channels",
    tiny={"channels": 2},
    rows=("image",),
    supervised=True,
)
BLOCKS = 3
"""Blocks of two layers in each of the two stages: with the first convolution, the one between stages and the dense
layer these are 15 layers."""


class Residual(nn.Module):
    """Two convolutions whose result is added to what comes in; with a `stride` rows are halved and channels change.

    Example:
        >>> import torch
        >>> Residual(2, 4, stride=2)(torch.zeros(1, 2, 8, 8)).shape
        torch.Size([1, 4, 4, 4])
    """

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.second = _conv(before, after, stride), _conv(after, after)
        self.norms = nn.ModuleList([nn.GroupNorm(1, after), nn.GroupNorm(1, after)])
        self.beside = nn.Identity() if stride == 1 else nn.Conv2d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, before, h, w) -> (n, after, h / stride, w / stride)``."""
        inner = F.silu(self.norms[0](self.first(x)))
        return F.silu(self.norms[1](self.second(inner)) + self.beside(x))


def _conv(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)


def build(shape: tuple[int, ...], *, channels: int = 4) -> Classifier:
    """Two stages of residual blocks, the first of `channels`, the second of twice as many, and a mean over pixels.

    Raises:
        Refused: no channel.
    """
    if channels < 1:
        raise Refused(f"resnet15 was given channels={channels}; 1 or more are expected")
    wide = 2 * channels
    layers = nn.Sequential(
        *(_conv(shape[0], channels), nn.GroupNorm(1, channels), nn.SiLU()),
        *(Residual(channels, channels) for _ in range(BLOCKS)),
        *(Residual(channels, wide, 2), *(Residual(wide, wide) for _ in range(BLOCKS - 1))),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, 1)),
    )
    return Classifier(shape, layers)
