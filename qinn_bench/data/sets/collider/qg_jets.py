"""Quark against gluon jets of Pythia 8 with a detector like CMS: images, hardest constituents, or a few numbers."""

from __future__ import annotations

from qinn_bench.about import About
from qinn_bench.data.jets import rows
from qinn_bench.dataset import Dataset
from qinn_bench.values import Knobs, Refused

ABOUT = About(citation="arXiv:1902.08276 (images), arXiv:2203.11601 (Pythia 8.3), arXiv:1111.6097 (FastJet)")
CLASSES = ("quark", "gluon")
FORMS = ("images", "constituents", "features")


def load(
    *,
    background: str = "quark",
    form: str = "images",
    pixels: int = 12,
    channels: str = "ecal",
    particles: int = 20,
    mixed: bool = False,
    sample: str = "bundled",
    max_events: int = 0,
) -> Dataset:
    """Read a sample; training and validation rows are background, test rows hold as many of signal.

    Args:
        background: ``quark`` or ``gluon``; the other one is the signal.
        form: ``images``, rows ``(channels, pixels, pixels)`` between 0 and 1; ``constituents``, rows
            ``(3 particles,)`` of pT over that of the jet, eta and phi from its axis in rad; or ``features``, rows of
            pT, mass, multiplicity, tau32, soft-drop mass, width and pT-D.
        pixels: of an image along a side: 12, 20 or 40 over the middle 80 %, or 125, every crystal.
        channels: ``ecal``, ``tracks``, ``hcal``, or ``all`` of tracks, ecal and hcal.
        particles: so many hardest constituents.
        mixed: training and validation rows hold both classes, with their labels, for models that may see them.
        sample: the bundled sample (``cms``, ``full``), or one that `qinn-bench data make qg_jets` has made.
        max_events: only the first so many jets, half of them of each class; 0 takes all.

    Raises:
        Refused: a knob has an impossible value, or the sample is missing or broken.
    """
    if form not in FORMS:
        raise Refused(f"data 'qg_jets': form is '{form}'; there are: {', '.join(FORMS)}")
    chosen, provenance = rows.by_class("qg_jets", sample, background, CLASSES, max_events)
    knobs: Knobs = {"background": background, "form": form}
    if form == "images":
        return rows.image_set("qg_jets", knobs, chosen, pixels, channels, mixed, provenance)
    if form == "constituents":
        return rows.constituent_set("qg_jets", knobs, chosen, particles, mixed, provenance)
    return rows.feature_set("qg_jets", knobs, chosen, mixed, provenance)
