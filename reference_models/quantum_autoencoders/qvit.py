"""Quantum vision transformer that classifies images: circuits in the place of the linear maps of attention.

Queries, keys, values and the output of attention are each one layer of a circuit on as many wires as tokens have
numbers: RX(x), RX(w), a ring of CNOTs, Z of each wire. A fourth circuit is inside of the feed-forward network.
"""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About
from reference_models._parts.transformer import ImageTransformer, TokenCircuit, basic_entangler, vision_transformer

ABOUT = About(
    citation="M. Comajoan Cara et al., Quantum vision transformers for quark-gluon classification, Axioms 13, 323 "
    "(2024)",
    published={
        "parameters": "4170 on images of 125 x 125 x 3, 144 of them in circuits",
        "AUC": "0.775, quark against gluon jets; classical twin of 5178 parameters 0.793",
    },
    deviations=(
        "no dropout",
        "trained to the budget of the study by its optimiser, instead of 30 epochs",
    ),
    knobs={"blocks": (1, 2, 3, 4, 5, 6, 8)},
    depth="blocks",
    tiny={"patch": 4, "hidden": 4, "blocks": 1, "mlp": 2},
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
    backend: str = "auto",
) -> ImageTransformer:
    """A transformer of square patches of `patch` pixels a side.

    Tokens have `hidden` numbers, one a wire; each of the `blocks` has attention over `heads` and a network with a
    circuit of `mlp` wires.

    Raises:
        Refused: a hidden size that the heads do not divide, or a patch that does not fit.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build((3, 125, 125), backend="torch"))
        >>> counted.total, counted.quantum
        (4170, 144)
    """

    def circuit(wires: int) -> TokenCircuit:
        return TokenCircuit(basic_entangler(wires, 1), backend)

    return vision_transformer(
        shape,
        patch=patch,
        hidden=hidden,
        heads=heads,
        blocks=blocks,
        attention_maps=lambda: [circuit(hidden) for _ in range(4)],
        feed=lambda: nn.Sequential(nn.Linear(hidden, mlp), circuit(mlp), nn.GELU(), nn.Linear(mlp, hidden)),
    )
