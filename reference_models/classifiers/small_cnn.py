"""A small convolutional classifier of jet images, trained on labels."""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.classifier import Classifier

ABOUT = About(
    citation="de Oliveira, Kagan, Mackey, Nachman, Schwartzman, Jet-images - deep learning edition, arXiv:1511.05190",
    role="ceiling",
    knobs={"channels": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)},
    depth="channels",
    tiny={"channels": 2},
    rows=("image",),
    supervised=True,
)


def build(shape: tuple[int, ...], *, channels: int = 8) -> Classifier:
    """Two convolutions of 3x3 pixels with a pooling after each, and a dense layer.

    Raises:
        Refused: no channel, or images of fewer than 4 pixels a side.
    """
    if channels < 1 or min(shape[1:]) < 4:
        raise Refused(
            f"small_cnn was given channels={channels} and images of {shape[1]}x{shape[2]} pixels; 1 channel and 4 "
            "pixels a side or more are expected"
        )
    layers = nn.Sequential(
        *(nn.Conv2d(shape[0], channels, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2 * channels * (shape[1] // 4) * (shape[2] // 4), 1)),
    )
    return Classifier(shape, layers)
