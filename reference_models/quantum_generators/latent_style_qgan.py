"""Latent style-based quantum GAN: a style-based circuit makes latents, which the decoder of an autoencoder shows.

X and Z of each wire are latents, so that n wires make 2n of them; every angle reads all numbers of the noise. Without
the circuit it is `mlp_gan` with the same autoencoder (its knob ``code``).
"""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.quantum.circuit import Pauli, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Duel
from reference_models._parts.opposed import Opposed, latent_game
from reference_models._parts.styled_circuit import StyleForm, start_of, styled_circuit
from reference_models._parts.trash import seen

ABOUT = About(
    citation="Chang, Thanasilp, Le Saux, Vallecorsa, Grossi, Latent style-based quantum GAN for high-quality image "
    "generation, arXiv:2406.02668; circuit of a public reproduction (incllude/LaSt-QGAN); capacity: Liepelt, Baglio, "
    "arXiv:2601.05036",
    published={
        "wires": "10, against classical GANs of about as many parameters, on images of 28 x 28 pixels",
        "claim": "the capacity of the best classical generator and discriminator grows exponentially with that of the "
        "circuit (arXiv:2601.05036)",
    },
    deviations=(
        "a reconstruction: the papers were not at hand, the gates are those of a reproduction by others",
        "the autoencoder is dense and is trained in the same steps, instead of before, by its squared error",
        "a last turn of each wire, as in style_qgan",
        "no dropout and no batch normalisation in the critic",
        "weights are chosen by the energy distance of validation rows",
        "conditions, which the papers do not have, are read as further numbers of the noise",
    ),
    knobs={"between": (*range(1, 33), *range(34, 65, 2)), "layers": (1, 2, 3, 4, 6, 8), "wires": (1, 2, 3, 4, 5, 6, 8)},
    depth="layers",
    tiny={"wires": 1, "layers": 1, "latent": 1, "between": 2, "critic": "4"},
    tune={
        "latent": (2, 4, 8),
        "start": ("small", "uniform", "blocks"),
        "turns": (1, 2, 5),
        "penalty": KnobSpan(low=0.3, high=30.0),
    },
    rows=("flat", "image"),
)
LARGEST = 12
READOUTS = ("xz", "z")


def build(
    shape: int | tuple[int, ...],
    *,
    wires: int = 3,
    layers: int = 2,
    latent: int = 3,
    readout: str = "xz",
    graph: str = "rings",
    mixing: str = "full",
    start: str = "small",
    between: int = 16,
    critic: str = "64-32",
    game: str = "wasserstein",
    turns: int = 1,
    penalty: float = 10.0,
    trim: bool = False,
    condition: int = 0,
    backend: str = "auto",
) -> Opposed:
    """A circuit of so many `wires` and `layers` that reads `latent` numbers of normal noise and gives latents.

    The `readout` is ``xz`` or ``z`` of each wire. Each angle reads all numbers (`mixing` ``full``), or one of them in
    turn (``cycled``). The autoencoder has `between` hidden units on either side. `graph`, `start`, `critic`, `game`,
    `turns`, `penalty` and `trim` are those of `style_qgan`.

    Raises:
        Refused: no wire or more than 12, more numbers of noise than angles, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build((1, 8, 8), wires=3, layers=2, latent=3, backend="torch"))
        >>> counted.quantum == (2 * 6 * 3 + 3) * (3 + 1), counted.classical == 6 * 16 + 16 + 16 * 64 + 64
        (True, True)
    """
    if readout not in READOUTS or not 1 <= wires <= LARGEST:
        raise Refused(
            f"latent_style_qgan was asked for {wires} wires with the readout '{readout}'; 1 to {LARGEST} wires and one "
            f"of {', '.join(READOUTS)} are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    read = (*(Pauli("X", (w,)) for w in range(wires) if readout == "xz"), *z_on(range(wires)))
    circuit = styled_circuit(wires, latent + condition, StyleForm(layers, 4, graph, 1, mixing), read)
    layer = CircuitLayer(seen(circuit, trim), backend)
    layer.weights = nn.Parameter(start_of(layer.circuit, start))
    return latent_game(
        rows,
        layer,
        latent=latent,
        code=len(read),
        between=between,
        critic=critic,
        game=game,
        duel=Duel(penalty, turns),
        condition=condition,
    )
