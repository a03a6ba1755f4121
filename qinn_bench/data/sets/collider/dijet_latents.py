"""Latents of the two leading jets of an event, QCD against gravitons to WW: own events, or published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.about import About
from qinn_bench.data import sample_files
from qinn_bench.data.class_rows import number_set, number_set_of
from qinn_bench.data.readers import latents as published
from qinn_bench.data.sample_sources import LATENTS
from qinn_bench.data.two_classes import Split
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Knobs, Refused

ABOUT = About(
    citation="after K. A. Wozniak et al., arXiv:2301.10780 (Zenodo 7673769); events of our own from Pythia 8.3, "
    "arXiv:2203.11601, and FastJet, arXiv:1111.6097",
)
SIGNALS = ("narrow", "broad")
TRAINING, TESTING = "latentrep_QCD_sig.h5", "latentrep_QCD_sig_test.h5"
FILES = {"narrow": "latentrep_RSGraviton_WW_NA_35.h5", "broad": "latentrep_RSGraviton_WW_BR_15.h5"}
"""The published files: background that trains, background that tests, and each signal, which only tests."""
VALID = 0.25
"""The share of the published training rows that validate."""


def load(
    *,
    signal: str = "narrow",
    latents: int = 8,
    mixed: bool = False,
    sample: str = "bundled",
    path: str = "",
    max_events: int = 0,
) -> Dataset:
    """Read latents; models see them as they are, between -1 and 1, those of the first jet and then of the second.

    Args:
        signal: ``narrow``, gravitons of 3.5 TeV, or ``broad``, of 1.5 TeV.
        latents: of each jet, 4 or 8; in published files also 6 or 16.
        mixed: training and validation rows hold both classes, with their labels, for models that may see them.
        sample: ``bundled``, or one that `qinn-bench data make dijet_latents` has made.
        path: the folder of the published files, in the place of a sample.
        max_events: only the first so many rows of each class; 0 takes all.

    Raises:
        Refused: a knob has an impossible value, or the sample or a file is missing or broken.
    """
    if signal not in SIGNALS:
        raise Refused(f"data 'dijet_latents': signal is '{signal}'; there are: {', '.join(SIGNALS)}")
    if max_events < 0:
        raise Refused(f"data 'dijet_latents': max_events is {max_events}, but 0 (all) or a positive number is expected")
    knobs: Knobs = {"signal": signal, "latents": latents}
    if path:
        return _of_files(Path(path), knobs, signal, latents, mixed, max_events)
    if latents not in LATENTS:
        raise Refused(f"data 'dijet_latents': latents is {latents}; there are: {', '.join(map(str, LATENTS))}")
    arrays, provenance = sample_files.read(sample_files.sample_of("dijet_latents", sample))
    rows = arrays[f"latents{latents}"].astype(np.float64)
    chosen = {
        name: rows[arrays["labels"] == label][: max_events or None]
        for name, label in (("background", 0), ("signal", 1 + SIGNALS.index(signal)))
    }
    about = {"description": "own events and an autoencoder of our own", "background": "qcd", "signal": signal}
    return number_set("dijet_latents", knobs, chosen, mixed, {**about, **provenance}, fixed=True)


def _of_files(folder: Path, knobs: Knobs, signal: str, latents: int, mixed: bool, max_events: int) -> Dataset:
    """The published files, split as they were: background of its own tests."""
    read = {name: _rows(folder / name, latents, max_events) for name in (TRAINING, TESTING, FILES[signal])}
    training = read[TRAINING]
    valid = max(1, round(VALID * len(training)))
    none = np.zeros((0, 2 * latents))
    background = Split(training[:-valid], training[-valid:], read[TESTING])
    about = {"description": f"published files: {'; '.join(read)}", "background": "qcd", "signal": signal}
    parts = background, Split(none, none, read[FILES[signal]])
    return number_set_of("dijet_latents", knobs, parts, mixed, about, fixed=True)


def _rows(path: Path, latents: int, max_events: int) -> Array:
    rows = published.read(path, max_rows=max_events).rows
    if rows.shape[1] != 2 * latents:
        raise Refused(f"{path.name} has {rows.shape[1] // 2} latents of a jet; latents={latents} was asked for")
    return rows
