"""Jets of hadronic top quarks against those of quarks and gluons beside a Z (-> nu nu), from Pythia 8."""

from __future__ import annotations

from qinn_bench.about import About
from qinn_bench.data.jets import rows
from qinn_bench.dataset import Dataset
from qinn_bench.values import Knobs, Refused

ABOUT = About(citation="arXiv:2202.03772 (JetClass), arXiv:2203.11601 (Pythia 8.3), arXiv:1111.6097 (FastJet)")
CLASSES = ("qcd", "top")
FORMS = ("constituents", "features")


def load(
    *,
    background: str = "qcd",
    form: str = "constituents",
    particles: int = 10,
    mixed: bool = False,
    sample: str = "bundled",
    max_events: int = 0,
) -> Dataset:
    """Read a sample; training and validation rows are background, test rows hold as many of signal.

    Args:
        background: ``qcd`` or ``top``; the other one is the signal.
        form: ``constituents``, rows ``(3 particles,)`` of pT over that of the jet, eta and phi from its axis in rad; or
            ``features``, rows of pT, mass, multiplicity, tau32, soft-drop mass, width and pT-D.
        particles: so many hardest constituents.
        mixed: training and validation rows hold both classes, with their labels, for models that may see them.
        sample: the bundled sample (20 constituents), or one that `qinn-bench data make top_jets` has made.
        max_events: only the first so many jets, half of them of each class; 0 takes all.

    Raises:
        Refused: a knob has an impossible value, or the sample is missing or broken.
    """
    if form not in FORMS:
        raise Refused(f"data 'top_jets': form is '{form}'; there are: {', '.join(FORMS)}")
    chosen, provenance = rows.by_class("top_jets", sample, background, CLASSES, max_events)
    knobs: Knobs = {"background": background, "form": form}
    if form == "constituents":
        return rows.constituent_set("top_jets", knobs, chosen, particles, mixed, provenance)
    return rows.feature_set("top_jets", knobs, chosen, mixed, provenance)
