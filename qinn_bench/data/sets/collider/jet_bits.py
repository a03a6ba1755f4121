"""Images of quark or gluon jets in 3 x 3 pixels, each dark or lit: nine bits, as discrete quantum GANs have had."""

from __future__ import annotations

import numpy as np

from qinn_bench.about import About
from qinn_bench.bit_rows import bits_in
from qinn_bench.data.bits import bit_rows_of, bit_set
from qinn_bench.data.jets import rows
from qinn_bench.data.jets.images import images
from qinn_bench.data.sets.collider.qg_jets import CLASSES
from qinn_bench.dataset import Dataset, Observable
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Refused

ABOUT = About(
    citation="T. Magorsch, Quantum GANs for event generation, ML4SCI, Google Summer of Code 2023, for images of 3 x 3 "
    "pixels of two levels",
    deviations=(
        "jets of Pythia 8 with a detector like CMS, instead of those of CMS open data",
        "means of 4 x 4 of 12 x 12 pixels; a pixel is lit where it has more than the mean of its image",
    ),
)
SIDE, FINE = 3, 12


def load(*, jets: str = "quark", sample: str = "bundled", max_events: int = 0) -> Dataset:
    """The images of ``quark`` or ``gluon`` jets in the crystals, of the first so many jets of a sample of `qg_jets`.

    Raises:
        Refused: no such jets, a sample that is missing, or one without all constituents.
    """
    if jets not in CLASSES:
        raise Refused(f"data 'jet_bits': jets is '{jets}'; there are: {', '.join(CLASSES)}")
    chosen, provenance = rows.by_class("qg_jets", sample, jets, CLASSES, max_events)
    if provenance.get("particles", 0):
        raise Refused(
            "data 'jet_bits': the sample has no more than the hardest constituents of a jet; all are expected"
        )
    drawn = images(next(iter(chosen.values())), FINE, ("ecal",))
    each = FINE // SIDE
    means = drawn[:, 0].reshape(-1, SIDE, each, SIDE, each).mean((2, 4)).reshape(len(drawn), -1)
    lit = (means > means.mean(1, keepdims=True))[numpy_rng("data", "jet_bits", jets).permutation(len(means))]
    columns = [f"p_{{{row}{column}}}" for row in range(SIDE) for column in range(SIDE)]
    plots = (Observable("lit", "lit pixels", -0.5, SIDE**2 + 0.5, bins=SIDE**2 + 1),)
    about = {**provenance, "description": f"{jets} jets in {SIDE} x {SIDE} pixels of two levels"}
    return bit_set("jet_bits", {"jets": jets}, bit_rows_of("jet_bits", lit), columns, _observables, plots, about)


def _observables(drawn: Array) -> dict[str, Array]:
    return {"lit": bits_in(drawn).sum(1).astype(np.float64)}
