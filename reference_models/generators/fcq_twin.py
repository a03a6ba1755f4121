"""The classical twins of `fcq_qinn`: the same maps without the circuits between them, or dense layers instead.

`core` is ``linear``: a linear map to a few numbers, tanh and a linear map, as is left when the circuits are taken out;
or ``mlp``: linear, SiLU, linear, the classical switch of the public code.
"""

from __future__ import annotations

from math import prod

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Generator
from qinn_bench.values import Refused
from reference_models._parts.adversarial import against_critic, output_of
from reference_models._parts.fcq import LATENT, FCQAutoencoder, FCQNetwork, PlainNetwork, bridge

ABOUT = About(
    citation="M. Corchia, L. Rinaldi, A. Sidoti, FastCaloQ: public code (the classical switch of qinn_module)",
    published={"parameters": "mlp 7204 (10 to 100 numbers) and 68 821 (533 voxels); linear 6935 (533 voxels)"},
    deviations=(
        "trained as fcq_qinn is here",
        "against a critic the noise goes through the switch and the dense layers after it, as in fcq_qinn",
    ),
    knobs={
        "between": (*range(1, 33), *range(34, 65, 2), *range(68, 129, 4)),
        "width": (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64),
    },
    depth="width",
    tiny={"between": 2, "width": 2, "tail": 2, "critic": "8-4-2", "unit": "silu", "trim": True},
    tune={"penalty": KnobSpan(low=1.0, high=30.0), "turns": (3, 5, 8), "unit": ("relu", "silu")},
    rows=("flat", "image"),
)
CORES, VERSIONS = ("linear", "mlp"), ("bridge", "wae")


def build(
    shape: int | tuple[int, ...],
    *,
    version: str = "bridge",
    core: str = "linear",
    width: int = 6,
    between: int = 100,
    tail: int = 64,
    critic: str = "800-400-200",
    unit: str = "relu",
    penalty: float = 20.0,
    turns: int = 5,
    mmd: float = 0.1,
    output: str = "linear",
    trim: bool = False,
) -> Generator:
    """A twin of a version of `fcq_qinn` for rows of this shape, with `width` numbers in the middle of its core.

    Raises:
        Refused: no such version or core, no width or unit, or no such critic.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> twins = (build(533, version="wae"), build(533, version="wae", core="mlp", width=64))
        >>> [count_parameters(twin).total for twin in twins]
        [6935, 68821]
    """
    if version not in VERSIONS or core not in CORES or min(width, between, tail) < 1:
        raise Refused(
            f"fcq_twin was given version={version}, core={core}, width={width}, between={between}, tail={tail}; "
            f"one of {', '.join(VERSIONS)}, one of {', '.join(CORES)} and 1 or more of the others are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    dim = prod(rows)

    def middle(n_in: int, n_out: int) -> FCQNetwork | PlainNetwork:
        if core == "mlp":
            return PlainNetwork(n_in, n_out, width)
        return FCQNetwork(n_in, n_out, width)

    if version == "wae":
        return FCQAutoencoder(rows, middle(dim, dim), output_of(output), mmd)
    network = bridge(middle(LATENT, between), between, tail, dim, output, trim=trim)
    return against_critic(rows, network, LATENT, critic=critic, unit=unit, penalty=penalty, turns=turns)
