"""Quark and gluon jets of dijets, or of Z(-> nu nu) + jet, with a detector like CMS: Pythia 8.3 and FastJet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.generators import detector, jet_classes, jet_finding, pythia_runs
from qinn_bench.data.generators.jet_classes import JetClass
from qinn_bench.data.generators.jet_finding import JetCuts
from qinn_bench.data.generators.pythia_runs import BEAMS, RunPlan
from qinn_bench.data.sample_files import Arrays
from qinn_bench.data.sample_sources import HIT_COLUMNS
from qinn_bench.values import Refused

GLUON = 21
LIGHTEST = 3
"""Quarks up to this code are down, up and strange."""
SLOWER = {"full": (), "fast": ("PartonLevel:MPI = off",)}
SHARD, CHUNK = 1000, 250


class Preset(NamedTuple):
    """Settings of Pythia for each class, the window of the jets and the energy of the collisions in TeV.

    Example:
        >>> PRESETS["energyflow"].energy, PRESETS["cms"].cuts.radius
        (14.0, 0.5)
    """

    quark: tuple[str, ...]
    gluon: tuple[str, ...]
    both: tuple[str, ...]
    cuts: JetCuts
    energy: float
    process: str


PRESETS = {
    "cms": Preset(
        quark=("HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on"),
        gluon=("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"),
        both=("PhaseSpace:pTHatMin = 80.", "PhaseSpace:pTHatMax = 170."),
        cuts=JetCuts(radius=0.5, low=80.0, high=200.0, rapidity=1.8, leading=2),
        energy=13.0,
        process="pp -> two jets; anti-kt R = 0.5, 80 < pT < 200 GeV, |y| < 1.8, the two leading jets",
    ),
    "energyflow": Preset(
        quark=("WeakBosonAndParton:qg2gmZq = on",),
        gluon=("WeakBosonAndParton:qqbar2gmZg = on",),
        both=(
            *("WeakZ0:gmZmode = 2", "23:onMode = off", "23:onIfAny = 12 14 16"),
            *("PhaseSpace:pTHatMin = 480.", "PhaseSpace:pTHatMax = 620."),
        ),
        cuts=JetCuts(radius=0.4, low=500.0, high=550.0, rapidity=1.7, leading=1),
        energy=14.0,
        process="pp -> Z (-> nu nu) + jet; anti-kt R = 0.4, 500 < pT < 550 GeV, |y| < 1.7, the leading jet",
    ),
}


def generate(
    events: int,
    seed: int,
    preset: str,
    quality: str,
    energy: float,
    particles: int,
    workers: int,
    progress: Callable[[int], None],
) -> tuple[Arrays, dict[str, Any]]:
    """Draw `events` jets, quarks (label 0) and then gluons (label 1), and their provenance.

    A jet has the flavour of the nearest parton of the hard process within its radius; charm and bottom are left out.

    Raises:
        Refused: an unknown preset or quality, nothing to generate, or collisions of no such energy.
    """
    pythia_runs.check_choice("qg_jets", "preset", preset, PRESETS)
    pythia_runs.check_choice("qg_jets", "quality", quality, SLOWER)
    if not (energy == 0 or 1 <= energy <= 100):
        raise Refused(f"qg_jets was asked for collisions of {energy:g} TeV; 0 (of the preset) or 1 to 100 was expected")
    chosen = PRESETS[preset]
    energy = energy or chosen.energy
    request = {"events": events, "seed": seed, "preset": preset, "quality": quality, "energy": energy}
    request |= {"particles": particles}
    common = (*BEAMS, f"Beams:eCM = {1000 * energy:g}", *chosen.both, *SLOWER[quality])
    classes = tuple(
        JetClass(name, _plan((*common, *own), chosen.cuts, keep))
        for name, own, keep in (("quark", chosen.quark, light_quarks), ("gluon", chosen.gluon, gluons))
    )
    arrays, about = jet_classes.generate("qg_jets", request, classes, workers, progress)
    return arrays, {"process": f"{chosen.process}, {energy:g} TeV", "of_hits": list(HIT_COLUMNS), **about}


def _plan(commands: tuple[str, ...], cuts: JetCuts, keep: jet_finding.Keep) -> RunPlan:
    return RunPlan(commands, partial(jet_finding.select, cuts, keep), SHARD, CHUNK, finish=detected)


def _nearest(jets: Any, hard: Any, radius: float) -> NDArray[np.int64]:
    """The codes of the hard partons nearest to jets, 0 where there is none within the radius."""
    gaps = jet_finding.near(jets, hard)
    place = ak.argmin(gaps, axis=1, keepdims=True)
    inside = ak.fill_none(ak.firsts(gaps[place]) < radius, False)
    return np.asarray(ak.to_numpy(ak.where(inside, ak.fill_none(ak.firsts(hard.id[place]), 0), 0)), dtype=np.int64)


def light_quarks(jets: Any, hard: Any, radius: float) -> NDArray[np.bool_]:
    """Which jets are of down, up or strange quarks."""
    code = np.abs(_nearest(jets, hard, radius))
    return (code >= 1) & (code <= LIGHTEST)


def gluons(jets: Any, hard: Any, radius: float) -> NDArray[np.bool_]:
    """Which jets are of gluons."""
    return np.asarray(_nearest(jets, hard, radius) == GLUON)


def detected(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """The jets of a shard with what their constituents leave in the detector."""
    charges = arrays["charges"]
    stored = jet_classes.without_detector(arrays, rng)
    pt, eta, _ = arrays["constituents"].T
    axis = np.repeat(arrays["features"][:, 1].astype(np.float64), arrays["counts"])
    return stored | {"hits": detector.hits(pt, axis + eta, stored["kinds"], charges, rng)}
