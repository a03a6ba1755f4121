"""Dual-circuit GAN of images: one circuit draws which image, another one has the pixels of each.

The outcome of the first is one of 2^bits numbers; its bits flip wires of the second, whose probabilities are the
pixels of that image: shares that sum to 1. A discriminator sees images as such shares. It draws a fixed number of
images of one sum. `categorical_gan` is its twin.
"""

from __future__ import annotations

from math import prod

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.finite_adversary import FiniteAdversary
from reference_models._parts.opposed import Discriminator
from reference_models._parts.outcomes import LARGEST, ImageCircuit, Outcomes, image_circuit, outcome_circuit
from reference_models._parts.spans import Shares

ABOUT = About(
    citation="Chang, Herbert, Vallecorsa, Combarro, Duncan, Dual-parameterized quantum circuit GAN model in high "
    "energy physics, EPJ Web Conf. 251, 03050 (2021), arXiv:2103.15470",
    published={"claim": "reproduces a fixed number of images of a reduced size, and their probabilities"},
    deviations=(
        "a reconstruction from the abstract: gates, depths, wires and sizes of the discriminator are not published "
        "there; layers of RY and CZ, n (L + 1) parameters on n wires",
        "losses are sums over all images with their exact probabilities, instead of over drawn ones",
        "all images have the mean sum of the training rows above their least values",
        "where pixels are no power of 2, the probabilities of the first outcomes are made to sum to 1",
        "weights are chosen by the energy distance of validation rows",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 24, 28, 32, 40, 48), "bits": (1, 2, 3, 4, 5, 6), "hidden": (0, 1, 2, 3)},
    depth="layers",
    tiny={"bits": 1, "layers": 1, "hidden": 0, "critic": "4"},
    tune={"start": ("uniform", "small"), "turns": (1, 2, 5)},
    rows=("flat", "image"),
)


def build(
    shape: int | tuple[int, ...],
    *,
    bits: int = 3,
    layers: int = 4,
    hidden: int = 1,
    start: str = "uniform",
    critic: str = "50-20",
    turns: int = 1,
    backend: str = "auto",
) -> FiniteAdversary:
    """2^bits images: a circuit of `bits` wires for their probabilities, and one for their pixels, with `layers` each.

    The second has as many wires as the number of pixels needs, and `hidden` ones beside, so that images of different
    numbers need not be orthogonal; but at least `bits`. `start` and `turns` are those of `discrete_qgan`.

    Raises:
        Refused: more than 16 wires, fewer than two pixels, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(8, bits=2, layers=3, hidden=1, backend="torch")).quantum == (2 + 4) * (3 + 1)
        True
    """
    rows = (shape,) if isinstance(shape, int) else shape
    pixels = prod(rows)
    read = (pixels - 1).bit_length()
    wires = max(bits, read + hidden)
    if pixels < 2 or min(bits - 1, hidden) < 0 or wires > LARGEST:
        raise Refused(
            f"dual_pqc_gan was asked for {pixels} pixels, {bits} bits and {hidden} hidden wires; two pixels, a bit and "
            f"at most {LARGEST} wires are expected"
        )
    chances = Outcomes(outcome_circuit(bits, layers, "turned"), backend, start)
    images = ImageCircuit(image_circuit(wires, bits, layers, read), pixels=pixels, backend=backend, start=start)
    return FiniteAdversary(rows, chances, images, Shares(pixels), Discriminator(pixels, critic), turns=turns)
