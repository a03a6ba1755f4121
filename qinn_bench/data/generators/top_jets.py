"""Jets of hadronic top quarks against those beside a Z (-> nu nu), as in JetClass (arXiv:2202.03772): Pythia 8.3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.generators import jet_classes, jet_finding, pythia_runs
from qinn_bench.data.generators.jet_classes import JetClass
from qinn_bench.data.generators.jet_finding import JetCuts
from qinn_bench.data.generators.pythia_runs import BEAMS, RunPlan
from qinn_bench.data.sample_files import Arrays

SLOWER = {"full": (), "fast": ("PartonLevel:MPI = off",)}
COMMON = (*BEAMS, "Beams:eCM = 13000.", "PhaseSpace:pTHatMin = 480.", "PhaseSpace:pTHatMax = 1100.")
TOP = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "24:onMode = off", "24:onIfAny = 1 2 3 4 5")
QCD = (
    *("WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on"),
    *("WeakZ0:gmZmode = 2", "23:onMode = off", "23:onIfAny = 12 14 16"),
)
CUTS = JetCuts(radius=0.8, low=500.0, high=1000.0, rapidity=2.0, leading=2)
QUARKS = 3
"""Of the decay of a top, all of which have to lie in its jet."""
HEAVIEST = 5
SHARD, CHUNK = 500, 125


def generate(
    events: int, seed: int, quality: str, particles: int, workers: int, progress: Callable[[int], None]
) -> tuple[Arrays, dict[str, Any]]:
    """Draw `events` jets, those of quarks and gluons (label 0) and then of tops (label 1), and their provenance.

    Raises:
        Refused: an unknown quality, or nothing to generate.
    """
    pythia_runs.check_choice("top_jets", "quality", quality, SLOWER)
    request = {"events": events, "seed": seed, "quality": quality, "particles": particles}
    classes = tuple(
        JetClass(name, _plan((*COMMON, *own, *SLOWER[quality]), cuts, keep))
        for name, own, cuts, keep in (("qcd", QCD, CUTS._replace(leading=1), all_of), ("top", TOP, CUTS, whole_tops))
    )
    arrays, about = jet_classes.generate("top_jets", request, classes, workers, progress)
    process = "pp -> t tbar (hadronic) and Z (-> nu nu) + jet, 13 TeV; anti-kt R = 0.8, 500 < pT < 1000 GeV, |y| < 2"
    return arrays, {"process": process, **about}


def _plan(commands: tuple[str, ...], cuts: JetCuts, keep: jet_finding.Keep) -> RunPlan:
    return RunPlan(commands, partial(jet_finding.select, cuts, keep), SHARD, CHUNK, finish=jet_classes.without_detector)


def all_of(jets: Any, hard: Any, radius: float) -> NDArray[np.bool_]:  # noqa: ARG001
    """Every jet."""
    return np.ones(len(jets), dtype=bool)


def whole_tops(jets: Any, hard: Any, radius: float) -> NDArray[np.bool_]:
    """Which jets hold the three quarks of a top's decay, all within the radius of the axis."""
    inside = (jet_finding.near(jets, hard) < radius) & (np.abs(hard.id) <= HEAVIEST)
    return np.asarray(ak.to_numpy(ak.sum(inside, axis=1)) >= QUARKS)
