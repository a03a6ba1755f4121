"""Networks in the place of circuits that draw one of finitely many rows: the twin of two discrete quantum GANs.

A network gives the logit of each string of bits, of which one is drawn. It stands for the levels of features, as in
`discrete_qgan`, or for an image whose pixels another network has, as in `dual_pqc_gan`.
"""

from __future__ import annotations

from math import prod

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.finite_adversary import FiniteAdversary, LevelTable
from reference_models._parts.opposed import Discriminator
from reference_models._parts.outcomes import LARGEST, BitEnergies, ImageNetwork
from reference_models._parts.sizes import HIDDEN
from reference_models._parts.spans import Levels, Shares

ABOUT = About(
    citation="Goodfellow et al., Generative adversarial networks, arXiv:1406.2661, with a categorical distribution",
    deviations=(
        "both losses are sums over all strings with their exact probabilities, as in its quantum twins",
        "weights are chosen by the energy distance of validation rows",
    ),
    knobs={"hidden": (0, *HIDDEN)},
    depth="hidden",
    tiny={"bits": 1, "hidden": 1, "critic": "4"},
    tune={"turns": (1, 2, 5)},
    rows=("flat", "image"),
)
DRAWS = ("images", "levels")


def build(
    shape: int | tuple[int, ...],
    *,
    draws: str = "images",
    bits: int = 3,
    hidden: int = 4,
    critic: str = "50-20",
    turns: int = 1,
    within: bool = False,
) -> FiniteAdversary:
    """What is drawn are ``images``, 2^bits of them, or ``levels``, 2^bits of each feature.

    Networks have one layer of `hidden` units, or none: then bits are independent and pixels linear in them up to their
    normalisation. The `critic` moves `turns` times in turn. Rows may be drawn anywhere `within` half a step of levels.

    Raises:
        Refused: more than 16 bits in all, a negative number of units, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(9, draws=draws, bits=1, hidden=0)).total for draws in DRAWS]
        [19, 9]
    """
    rows = (shape,) if isinstance(shape, int) else shape
    dim = prod(rows)
    if draws not in DRAWS or bits < 1 or hidden < 0:
        raise Refused(
            f"categorical_gan was given draws='{draws}', bits={bits}, hidden={hidden}; one of {', '.join(DRAWS)}, a "
            "bit and 0 or more units are expected"
        )
    judge = Discriminator(dim, critic)
    if draws == "images":
        table, span = ImageNetwork(bits, hidden, dim), Shares(dim)
        return FiniteAdversary(rows, BitEnergies(bits, hidden), table, span, judge, turns=turns)
    if dim * bits > LARGEST:
        raise Refused(f"{dim} features of {bits} bits were to be {dim * bits} bits; at most {LARGEST} are expected")
    levels = LevelTable(dim, bits), Levels(dim, 2**bits, within=within)
    return FiniteAdversary(rows, BitEnergies(dim * bits, hidden), *levels, judge, turns=turns)
