"""Convolutional autoencoders of jet images, trained on one kind of jets to tag the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.autoencoder import Autoencoder

ABOUT = About(
    citation="T. Magorsch, Quantum autoencoders for HEP, Google Summer of Code 2022 (ML4SCI/QMLHEP, class CAE)",
    published={
        "quark jets, 12x12, 3297 or 3406 parameters": "AUC 0.594 against gluon jets of 1200 each",
        "quark jets, 40x40, 948 079 parameters": "AUC 0.701; about 0.29 the other way",
        "reconstruction of quark jets, 12x12": "EMD 2.40 (pixels, R = 0.4), SSIM 0.889, mean absolute error 0.00925",
    },
    deviations=("trained under the budget of the study, not with AdamW until patience ends",),
    knobs={
        "channels": (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
        "latent": (*range(1, 13), 14, 16, 18, 20, 21, 24, 28, 32),
    },
    depth="channels",
    tiny={"channels": 2, "latent": 2, "activation": "silu"},
    rows=("image",),
)
KERNEL = 4
BENDS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}
"""Activations of the small layout."""
WIDE = (400, 100)
"""Dense layers about the latent space of the large layout."""


class Slopes(nn.Module):
    """A rectifier whose negative side has a slope of its own for every number, as Keras has PReLU, 0.25 at first.

    Example:
        >>> Slopes((2,))(torch.tensor([[-4.0, 4.0]])).tolist()
        [[-1.0, 4.0]]
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full(sizes, 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, *sizes) -> (n, *sizes)``."""
        return torch.where(x > 0, x, self.slope * x)


def build(
    shape: tuple[int, ...], *, layout: str = "small", channels: int = 4, latent: int = 20, activation: str = "relu"
) -> Autoencoder:
    """Four convolutions of 4x4 pixels with a mean over 2x2 between them, dense layers to `latent` numbers, and back.

    The ``small`` layout, of 12x12 images, has ReLUs (or SiLUs, of which none dies) and one dense layer: 3297 parameters
    with 4 `channels` (and half as many behind the mean) and 20 latent numbers, 3406 with 21. The ``large`` one, of
    40x40, has PReLUs with a slope for each number and dense layers of 400 and 100: 948 079 parameters with 10 channels
    and 28 latent numbers. Loss and score are the binary cross-entropy of pixels.

    Raises:
        Refused: no such layout, images of fewer than 4 pixels a side, no channel or latent number.
    """
    if min(shape[1:]) < KERNEL or channels < 1 or latent < 1:
        raise Refused(
            f"conv_ae was given images of {shape[1]}x{shape[2]} pixels, channels={channels}, latent={latent}; "
            "4 pixels a side or more, 1 channel and 1 latent number or more are expected"
        )
    for what, given, known in (("layout", layout, ("small", "large")), ("activation", activation, tuple(BENDS))):
        if given not in known:
            raise Refused(f"no {what} of conv_ae is called '{given}'; there are: {', '.join(known)}")
    size = channels, max(1, channels // 2), latent
    networks = _small(shape, *size, BENDS[activation]) if layout == "small" else _large(shape, *size)
    return Autoencoder(shape, *networks, "bce")


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, KERNEL, padding="same")


def _small(
    shape: tuple[int, ...], wide: int, narrow: int, latent: int, bend: type[nn.Module]
) -> tuple[nn.Module, nn.Module]:
    colours, height, width = shape
    half = height // 2, width // 2
    cells = half[0] * half[1]
    encoder = nn.Sequential(
        *(_conv(colours, wide), bend(), _conv(wide, wide), bend(), nn.AvgPool2d(2)),
        *(_conv(wide, narrow), bend(), _conv(narrow, narrow), bend()),
        *(nn.Flatten(), nn.Linear(narrow * cells, latent), bend()),
    )
    decoder = nn.Sequential(
        *(nn.Linear(latent, cells), bend(), nn.Unflatten(1, (1, *half))),
        *(_conv(1, narrow), bend(), _conv(narrow, narrow), bend(), nn.Upsample((height, width))),
        *(_conv(narrow, wide), bend(), _conv(wide, wide), bend(), _conv(wide, colours)),
    )
    return encoder, decoder


def _large(shape: tuple[int, ...], wide: int, narrow: int, latent: int) -> tuple[nn.Module, nn.Module]:
    colours, height, width = shape
    half = height // 2, width // 2
    cells, (first, second) = half[0] * half[1], WIDE

    def bent(layer: nn.Module, *sizes: int) -> tuple[nn.Module, nn.Module]:
        return layer, Slopes(sizes)

    encoder = nn.Sequential(
        *bent(_conv(colours, wide), wide, height, width),
        *bent(_conv(wide, wide), wide, height, width),
        nn.AvgPool2d(2),
        *bent(_conv(wide, narrow), narrow, *half),
        *bent(_conv(narrow, narrow), narrow, *half),
        nn.Flatten(),
        *bent(nn.Linear(narrow * cells, first), first),
        *bent(nn.Linear(first, second), second),
        nn.Linear(second, latent),
    )
    decoder = nn.Sequential(
        *bent(nn.Linear(latent, second), second),
        *bent(nn.Linear(second, cells), cells),
        nn.Unflatten(1, (1, *half)),
        *bent(_conv(1, narrow), narrow, *half),
        *bent(_conv(narrow, narrow), narrow, *half),
        nn.Upsample((height, width)),
        *bent(_conv(narrow, wide), wide, height, width),
        _conv(wide, colours),
    )
    return encoder, decoder
