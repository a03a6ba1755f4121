"""A discrete quantum GAN: features are rounded to levels, and a level pattern is an outcome of a circuit.

Each feature has ``bits`` wires, so that 2^(features bits) rows can be drawn, each by the probability of its outcome. A
discriminator tells them from rounded training rows. `categorical_gan` is its twin.
"""

from __future__ import annotations

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.finite_adversary import FiniteAdversary, LevelTable
from reference_models._parts.opposed import Discriminator
from reference_models._parts.outcomes import LARGEST, Outcomes, outcome_circuit
from reference_models._parts.spans import Levels
from reference_models._parts.trash import seen

ABOUT = About(
    citation="Zoufal, Lucchi, Woerner, Quantum generative adversarial networks for learning and loading random "
    "distributions, npj Quantum Inf. 5, 103 (2019); T. Magorsch, Quantum GANs for event generation, ML4SCI, Google "
    "Summer of Code 2023",
    published={
        "parameters": "3 n L on n wires with L strongly entangling layers; discriminator 9-50-20-1",
        "images": "3 x 3 pixels of M = 2 levels on 9 wires; N^2 log2 M wires for N x N pixels",
    },
    deviations=(
        "both losses are sums over all outcomes with their exact probabilities, instead of over drawn ones",
        "the cross-entropy of a discriminator and the non-saturating loss, for those printed without their signs",
        "levels lie between the least and the largest training value of a feature",
        "rows may be drawn anywhere within half a level of what was drawn",
        "weights are chosen by the energy distance of validation rows",
        "the layout turned starts from Hadamard gates and weights from 0 to 2 pi or 0.1",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 24, 28, 32, 40, 48)},
    depth="layers",
    tiny={"bits": 1, "layers": 2, "critic": "4", "trim": True},
    tune={"layout": ("strong", "turned"), "start": ("uniform", "small"), "turns": (1, 2, 5)},
)


def build(
    dim: int,
    *,
    bits: int = 1,
    layers: int = 4,
    layout: str = "strong",
    start: str = "uniform",
    critic: str = "50-20",
    turns: int = 1,
    within: bool = False,
    trim: bool = False,
    backend: str = "auto",
) -> FiniteAdversary:
    """A circuit of ``dim * bits`` wires with so many `layers`, against a `critic` that moves `turns` times in turn.

    The `layout` is ``strong`` (StronglyEntanglingLayers) or ``turned`` (RY and CZ, of Zoufal et al.); `start` says
    between 0 and what weights start: ``uniform``, a full turn, or ``small``. Drawn rows have the values of levels, or
    lie anywhere `within` half a step of them. `trim` leaves out the weights that no probability depends on.

    Raises:
        Refused: no bit, more than 16 wires, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build(9, layers=3, backend="torch"))
        >>> counted.total, counted.blind, counted.critic
        (81, 9, 1541)
    """
    if bits < 1 or not 1 <= dim * bits <= LARGEST:
        raise Refused(
            f"{dim} features of {bits} bits were to be {dim * bits} wires; a bit or more and at most {LARGEST} wires "
            "are expected"
        )
    circuit = seen(outcome_circuit(dim * bits, layers, layout), trim)
    return FiniteAdversary(
        dim,
        Outcomes(circuit, backend, start),
        LevelTable(dim, bits),
        Levels(dim, 2**bits, within=within),
        Discriminator(dim, critic),
        turns=turns,
    )
