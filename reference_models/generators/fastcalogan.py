"""Fast calorimeter simulation by a Wasserstein GAN of dense layers with batch normalisation."""

from __future__ import annotations

from math import prod

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Adversary, against_critic, normalised, output_of, widening

ABOUT = About(
    citation="ATLAS Collaboration, Deep generative models for fast photon shower simulation in ATLAS (FastCaloGAN), "
    "arXiv:2210.06204; sizes of the public FastCaloQ configurations",
    published={"parameters": "generator 10-50-200-533: 118 383; critic 533-800-400-200-1: 828 001"},
    deviations=(
        "the last layer of the critic has no bias, which cancels in its loss",
        "weights are chosen by the energy distance of validation rows, instead of by chi2 of the total energy",
        "the learning rate is that of the study, instead of 1e-4, and its schedule too",
    ),
    knobs={
        "hidden": (*range(1, 33), *range(34, 65, 2), *range(68, 129, 4)),
        "stages": (1, 2, 3),
        "latent": (2, 4, 6, 8, 10, 16),
    },
    depth="stages",
    tiny={"hidden": 2, "stages": 1, "latent": 2, "critic": "8-4-2", "unit": "silu", "trim": True},
    tune={"penalty": KnobSpan(low=1.0, high=30.0), "turns": (3, 5, 8), "unit": ("relu", "silu")},
    rows=("flat", "image"),
)


def build(
    shape: int | tuple[int, ...],
    *,
    hidden: int = 50,
    stages: int = 2,
    latent: int = 10,
    critic: str = "800-400-200",
    unit: str = "relu",
    penalty: float = 10.0,
    turns: int = 5,
    output: str = "linear",
    trim: bool = False,
    condition: int = 0,
) -> Adversary:
    """A generator of `stages` layers that widen from `hidden` to four times that; a critic of the widths `critic`.

    The noise is `latent` normal numbers of mean and spread 0.5; both networks read `condition` numbers a row beside.
    The critic, of units ``relu`` or ``silu``, is updated `turns` times for each update of the generator, its gradient
    held to length one by `penalty`.
    Rows end in `output`: ``linear``, or ``relu`` or ``softplus`` where none is below zero. `trim` leaves out the
    biases that batch normalisation takes away.

    Raises:
        Refused: no unit, stage or latent number, or no such critic, `unit` or `output`.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build(533, output="relu"))
        >>> counted.total, counted.blind, counted.critic
        (118383, 250, 828000)
    """
    if min(hidden, stages, latent) < 1:
        raise Refused(
            f"fastcalogan was given hidden={hidden}, stages={stages}, latent={latent}; at least one "
            "unit, stage and latent number are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    dim, widths = prod(rows), widening(hidden, stages)
    network = nn.Sequential(
        *normalised(latent + condition, widths, trim=trim), nn.Linear(widths[-1], dim), output_of(output)
    )
    return against_critic(
        rows, network, latent, critic=critic, unit=unit, penalty=penalty, turns=turns, condition=condition
    )
