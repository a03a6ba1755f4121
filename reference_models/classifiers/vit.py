"""Vision transformer that classifies images: the classical twin of `qvit`, of the same shape."""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About
from reference_models._parts.transformer import ImageTransformer, KeyMap, vision_transformer

ABOUT = About(
    citation="M. Comajoan Cara et al., Quantum vision transformers for quark-gluon classification, Axioms 13, 323 "
    "(2024), its classical model",
    published={
        "parameters": "5178 on images of 125 x 125 x 3",
        "AUC": "0.793, quark against gluon jets; the quantum model 0.775, ResNet15 of 5170 parameters 0.803",
    },
    deviations=(
        "no dropout",
        "trained to the budget of the study by its optimiser",
    ),
    knobs={"blocks": (1, 2, 3, 4, 5, 6, 8), "mlp": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)},
    depth="blocks",
    tiny={"patch": 4, "hidden": 4, "blocks": 1, "mlp": 2, "trim": True},
    rows=("image",),
    supervised=True,
)


def build(
    shape: tuple[int, ...],
    *,
    patch: int = 10,
    hidden: int = 8,
    heads: int = 2,
    blocks: int = 4,
    mlp: int = 4,
    trim: bool = False,
) -> ImageTransformer:
    """A transformer of square patches of `patch` pixels a side.

    Tokens have `hidden` numbers; each of the `blocks` has attention over `heads` and a network with `mlp` hidden units.
    `trim` leaves out the biases of keys, which have no effect.

    Raises:
        Refused: a hidden size that the heads do not divide, or a patch that does not fit.

    Example:
        >>> sum(p.numel() for p in build((3, 125, 125)).parameters())
        5178
    """
    return vision_transformer(
        shape,
        patch=patch,
        hidden=hidden,
        heads=heads,
        blocks=blocks,
        attention_maps=lambda: [
            nn.Linear(hidden, hidden),
            KeyMap(hidden, hidden, bias=not trim),
            *(nn.Linear(hidden, hidden) for _ in range(2)),
        ],
        feed=lambda: nn.Sequential(nn.Linear(hidden, mlp), nn.GELU(), nn.Linear(mlp, hidden)),
    )
