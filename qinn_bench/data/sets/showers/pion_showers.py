"""A surrogate of pion showers in a calorimeter with seven layers: a toy of our own, not to be held against papers."""

from __future__ import annotations

from qinn_bench.about import About
from qinn_bench.calorimeter import CUTS, PION
from qinn_bench.data.showers.draw import drawn_set
from qinn_bench.data.showers.rows import row_form
from qinn_bench.dataset import Dataset

ABOUT = About(
    citation="Bock et al., Nucl. Instrum. Meth. 186, 533 (1981) (profile), arXiv:2410.21611 (geometry of dataset 1)",
    deviations=("a surrogate: widths, lumps and energies before the start are ours", "the profile is known not to fit"),
)


def load(
    *,
    events: int = 20_000,
    energy: float = 65536.0,
    energies: str = "",
    form: str = "layers",
    pixels: int = 12,
    coordinates: str = "",
    noise: float = 0.1,
) -> Dataset:
    """Draw showers of the surrogate; rows are energies over the incident energy, a condition where it varies.

    Args:
        events: the number of showers.
        energy: the incident energy in MeV, from 1000 on.
        energies: several in its place, which rows take in turn, ``4096;65536``, or a range in which the logarithm is
            uniform, ``2000..1000000``.
        form: ``layers``, 7 numbers; ``pixels``, an image in depth and radius as so many numbers; ``image``, the same
            as rows ``(1, depth, radius)``; or ``voxels``, 533 numbers.
        pixels: of an image: 8, 12 or 25.
        coordinates: in which models see a row: ``cascade``, the logarithm of the total and the logits of what each
            number takes of what is left; ``log``; or ``shares``, the rows as they are, with zeros. If empty, cascade
            of layers and pixels, log of voxels, shares of images.
        noise: the median in MeV of what is added to each number where features are logarithms.

    Raises:
        Refused: a knob has an impossible value.
    """
    wanted = row_form("pion_showers", form, pixels, coordinates, noise)
    return drawn_set(
        "pion_showers",
        "pion",
        PION,
        CUTS["dataset_1_pions"],
        "surrogate of pion showers",
        events=events,
        energies=energies or energy,
        wanted=wanted,
    )
