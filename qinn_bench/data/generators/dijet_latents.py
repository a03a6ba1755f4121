"""Latents of dijets: QCD against gravitons to WW, by an autoencoder of QCD jets: Pythia 8.3 and torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import awkward as ak
import numpy as np

from qinn_bench.data.generators import jet_autoencoder, jet_finding, pythia_runs
from qinn_bench.data.generators.jet_autoencoder import PARTICLES
from qinn_bench.data.generators.jet_classes import places
from qinn_bench.data.generators.jet_finding import NEUTRINOS, JetCuts
from qinn_bench.data.generators.pythia_runs import BEAMS, Run, RunPlan, turned, with_angles
from qinn_bench.data.sample_files import Arrays, arrays_hash
from qinn_bench.data.sample_sources import LATENTS, SOURCES
from qinn_bench.values import Refused

SLOWER = {"full": (), "fast": ("PartonLevel:MPI = off",)}
GRAVITON = (
    *("ExtraDimensionsG*:gg2G* = on", "ExtraDimensionsG*:ffbar2G* = on"),
    *("5100039:onMode = off", "5100039:onIfMatch = 24 -24", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"),
)
PROCESSES = {
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 450.", "PhaseSpace:mHatMin = 1100."),
    "narrow": (*GRAVITON, "5100039:m0 = 3500.", "ExtraDimensionsG*:kappaMG = 0.054"),
    "broad": (
        *(*GRAVITON, "5100039:m0 = 1500.", "ExtraDimensionsG*:kappaMG = 2.5"),
        *("5100039:mMin = 500.", "5100039:mMax = 4000.", "PhaseSpace:mHatMin = 500."),
    ),
}
"""The background, label 0, and the signals, labels 1 and 2, with their settings of Pythia."""
CUTS = JetCuts(radius=0.8, low=200.0, high=np.inf, rapidity=2.4, leading=2)
LIGHTEST = 1100.0
"""The two leading jets have at least this mass together, in GeV."""
FEWEST, OTHER = 4, 8
"""Events of a sample at least, and over those that the autoencoders are trained on, further QCD events."""
FEWEST_TRAINED = 100
SHARD, CHUNK = 500, 125


def generate(
    events: int, seed: int, quality: str, workers: int, progress: Callable[[int], None]
) -> tuple[Arrays, dict[str, Any]]:
    """Draw `events` dijets, half of them QCD and a quarter of each signal, and give latents of both jets.

    The autoencoders, one for each number of latents, are trained once, on the jets of further QCD events, from seeds
    that the name of the sample and `seed` fix.

    Raises:
        Refused: an unknown quality, or fewer events than classes.
    """
    pythia_runs.check_choice("dijet_latents", "quality", quality, SLOWER)
    pythia_runs.check("dijet_latents", events, seed, workers)
    if events < FEWEST:
        raise Refused(f"dijet_latents was asked for {events} events; at least {FEWEST} were expected")
    further = max(FEWEST_TRAINED, events // OTHER)
    broad = narrow = events // 4
    counts = {"qcd": events - narrow - broad + further, "narrow": narrow, "broad": broad}
    runs = {
        name: pythia_runs.collect(
            RunPlan((*BEAMS, "Beams:eCM = 13000.", *own, *SLOWER[quality]), select, SHARD, CHUNK),
            counts[name],
            [seed, SOURCES["dijet_latents"].stream, label],
            workers,
            partial(_within, progress, events),
            f"the cuts on {name} dijets",
        )
        for label, (name, own) in enumerate(PROCESSES.items())
    }
    drawn = {name: {k: v[: counts[name]] for k, v in run.joined().items()} for name, run in runs.items()}
    for_training = drawn["qcd"]["particles"][-further:].reshape(-1, PARTICLES, 3)
    drawn["qcd"] = {k: v[:-further] for k, v in drawn["qcd"].items()}
    particles = np.concatenate([one["particles"] for one in drawn.values()])
    labels = np.repeat(np.arange(len(drawn), dtype=np.uint8), [len(one["masses"]) for one in drawn.values()])
    arrays: Arrays = {"labels": labels}
    losses = {}
    for n in LATENTS:
        trained = jet_autoencoder.train(for_training, n, ("dijet_latents", seed, n))
        latents = trained.latents(particles.reshape(-1, PARTICLES, 3)).reshape(len(particles), 2 * n)
        arrays[f"latents{n}"], losses[str(n)] = latents.astype(np.float16), trained.losses
    request = {"events": events, "seed": seed, "quality": quality}
    return arrays, _provenance(request, runs, drawn, losses, 2 * further) | {"rows_sha256": arrays_hash(arrays)}


def _within(progress: Callable[[int], None], events: int, done: int) -> None:
    progress(min(done, events))


def select(pythia: Any, particles: Any) -> Arrays:  # noqa: ARG001
    """The dijets of a batch of events: `particles` ``(n, 2, 100, 3)``, and `masses` ``(n, 3)`` of the pair and of each.

    Of each of both leading jets these are eta and phi from its axis and pT in GeV of the hardest constituents, zeros
    beyond.
    """
    stable = with_angles(particles[particles.status > 0])
    for neutrino in NEUTRINOS:
        stable = stable[np.abs(stable.id) != neutrino]
    jets, inside = jet_finding.clustered(stable, CUTS)
    kept = ak.num(jets) == CUTS.leading
    jets, inside = jets[kept], inside[kept]
    if not len(jets):
        return {"particles": np.zeros((0, 2, PARTICLES, 3), np.float32), "masses": np.zeros((0, 3), np.float32)}
    pair = {name: ak.sum(jets[name], axis=1) for name in ("px", "py", "pz", "E")}
    mass = np.sqrt(np.maximum(pair["E"] ** 2 - pair["px"] ** 2 - pair["py"] ** 2 - pair["pz"] ** 2, 0.0))
    central = ak.all(np.abs(jet_finding.rapidity(jets)) < CUTS.rapidity, axis=1)
    kept = ak.to_numpy((mass > LIGHTEST) & central)
    jets, inside = jets[kept], inside[kept]
    masses = np.column_stack([ak.to_numpy(mass)[kept], ak.to_numpy(jets.m)]).reshape(-1, 3)
    return {"particles": _hardest(jets, inside), "masses": masses.astype(np.float32)}


def _hardest(jets: Any, inside: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    jets, inside = ak.flatten(jets, axis=1), ak.flatten(inside, axis=1)
    inside = inside[ak.argsort(inside.pt, axis=1, ascending=False)][:, :PARTICLES]
    counts = ak.to_numpy(ak.num(inside)).astype(np.int64)
    columns = (inside.eta - jets.eta, turned(inside.phi - jets.phi), inside.pt)
    rows = np.zeros((len(jets), PARTICLES, 3), np.float32)
    owner = np.repeat(np.arange(len(counts)), counts)
    rows[owner, places(counts)] = np.column_stack([ak.to_numpy(ak.flatten(one)) for one in columns])
    return rows.reshape(-1, 2, PARTICLES, 3)


def _provenance(
    request: dict[str, Any],
    runs: dict[str, Run],
    drawn: dict[str, Arrays],
    losses: dict[str, dict[str, float]],
    jets: int,
) -> dict[str, Any]:
    return {
        "schema": SOURCES["dijet_latents"].schema,
        **request,
        "process": "pp -> dijets of QCD, and gravitons of 3.5 TeV (narrow) and 1.5 TeV (broad) -> WW -> four quarks; "
        "13 TeV, anti-kt R = 0.8, pT > 200 GeV, |y| < 2.4, the two leading jets with a mass above 1.1 TeV",
        "classes": list(PROCESSES),
        "autoencoder": f"{jet_autoencoder.SAID}; trained on {jets} further QCD jets",
        "losses": losses,
        "median_masses": {
            name: dict(zip(("pair", "first", "second"), np.median(one["masses"], axis=0).tolist(), strict=True))
            for name, one in drawn.items()
        },
        "runs": {
            name: {
                "commands": [
                    *(*BEAMS, "Beams:eCM = 13000.", *PROCESSES[name], *SLOWER[request["quality"]]),
                    "Random:seed = (first_seed + shard) % 900000000 + 1",
                ],
                **run.facts(SHARD),
            }
            for name, run in runs.items()
        },
        "versions": pythia_runs.versions() | {"torch": version("torch")},
    }
