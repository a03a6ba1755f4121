"""Style-based quantum GAN: noise enters the angle of every gate, and the Z of each wire is a feature.

An angle is ``scale * noise + shift``, with the numbers of the noise in turn; a layer turns each wire, and after every
other layer controlled turns entangle. Conditions, such as the energy of a shower, are read as further numbers of the
noise. Without the circuit it is `mlp_gan`.
"""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.quantum.circuit import z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Duel
from reference_models._parts.opposed import Opposed, row_game
from reference_models._parts.spans import SignedSpan
from reference_models._parts.styled_circuit import StyleForm, start_of, styled_circuit
from reference_models._parts.trash import seen

ABOUT = About(
    citation="Bravo-Prieto, Baglio, Ce, Francis, Grabowska, Carrazza, Style-based quantum generative adversarial "
    "networks for Monte Carlo events, arXiv:2110.06933, Quantum 6, 777 (2022); its public code",
    published={
        "parameters": "4Ln + 2n + 2L for n = 3 wires and an even number L of layers (62 for L = 4); 10 for one wire "
        "and two layers, 40 for two wires and four; 10Ln + 2n with four turns a wire and a ring (Qibo)",
        "discriminator": "26 865 with three features, by its layers",
        "training": "Adadelta (0.5 and 0.1), batches of 128, 10 000 rows",
    },
    deviations=(
        "Adam instead of Adadelta, with the learning rate of the study for both players",
        "the discriminator is dense unless critic=conv, and has no dropout",
        "rows are features of the study between their least and largest training values, without a power transform",
        "features are Z of the wires in their order, instead of minus Z in the reverse order",
        "weights are chosen by the energy distance of validation rows",
        "wires beyond those that are read, other graphs, starts, and layers without noise are ours",
        "conditions, which the paper does not have, are read as further numbers of the noise",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64)},
    depth="layers",
    tiny={"layers": 2, "latent": 2, "critic": "4"},
    tune={
        "latent": (2, 3, 5, 8),
        "graph": ("alternate", "ring"),
        "start": ("small", "uniform", "blocks"),
        "turns": (1, 2, 5),
        "penalty": KnobSpan(low=0.3, high=30.0),
    },
)
LARGEST = 16


def build(
    dim: int,
    *,
    layers: int = 4,
    latent: int = 5,
    rotations: int = 2,
    graph: str = "alternate",
    every: int = 1,
    spare: int = 0,
    start: str = "small",
    critic: str = "64-32",
    game: str = "bce",
    turns: int = 1,
    penalty: float = 10.0,
    trim: bool = False,
    condition: int = 0,
    backend: str = "auto",
) -> Opposed:
    """A circuit with a wire for each feature, and `spare` ones, which reads `latent` numbers of normal noise.

    A layer has `rotations` turns of a wire (2, or 4 as in Qibo) and controlled turns on a `graph`; the noise is read
    in `every` so-manieth layer. The weights `start` ``small``, as published, ``uniform`` or as identity ``blocks``. The
    `critic` of widths such as ``64-32``, or ``conv`` as published, plays a `game` (``bce``, or ``wasserstein`` with a
    `penalty`) and moves `turns` times for each move of the generator. `trim` leaves out the weights that no feature
    depends on.

    Raises:
        Refused: more than 16 wires, more numbers of noise than angles, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(n, layers=L, latent=2, backend="torch")).total for n, L in ((3, 4), (1, 2), (2, 4))]
        [62, 10, 40]
        >>> count_parameters(build(3, layers=2, rotations=4, graph="ring", backend="torch")).total == 10 * 2 * 3 + 2 * 3
        True
    """
    if spare < 0 or not 1 <= dim + spare <= LARGEST:
        raise Refused(
            f"style_qgan was asked for {dim} features and {spare} spare wires; 0 or more of these, and at most "
            f"{LARGEST} wires, are expected"
        )
    form = StyleForm(layers, rotations, graph, every)
    circuit = styled_circuit(dim + spare, latent + condition, form, z_on(range(dim)))
    layer = CircuitLayer(seen(circuit, trim), backend)
    layer.weights = nn.Parameter(start_of(layer.circuit, start))
    return row_game(
        (dim,),
        nn.Sequential(layer, SignedSpan(dim)),
        latent=latent,
        critic=critic,
        game=game,
        duel=Duel(penalty, turns),
        condition=condition,
    )
