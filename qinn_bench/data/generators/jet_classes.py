"""A sample of jets of two classes, as many of each: background is label 0 and signal label 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.generators import pythia_runs
from qinn_bench.data.generators.detector import kinds_of
from qinn_bench.data.generators.pythia_runs import Run, RunPlan
from qinn_bench.data.sample_files import Arrays, arrays_hash
from qinn_bench.data.sample_sources import JET_COLUMNS, KINDS, PARTICLE_COLUMNS, SOURCES
from qinn_bench.values import Refused

ANGLE_STEP = 1024
"""Directions of constituents are multiples of 1 / ANGLE_STEP, as a detector does not see them better."""


class JetClass(NamedTuple):
    """One class of jets, and the run of Pythia that it comes from.

    Example:
        >>> JetClass("quark", RunPlan((), select=len, events=10, chunk=5)).name
        'quark'
    """

    name: str
    plan: RunPlan


def generate(
    source: str, request: dict[str, Any], classes: tuple[JetClass, ...], workers: int, progress: Callable[[int], None]
) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a sample of `request["events"]` jets, class after class, and their provenance.

    Raises:
        Refused: fewer jets than classes, or a number that is not possible.
    """
    events, particles = int(request["events"]), int(request["particles"])
    pythia_runs.check(source, events, int(request["seed"]), workers)
    if events < len(classes) or particles < 0:
        raise Refused(
            f"{source} was asked for {events} jets of {particles} constituents; at least {len(classes)} were expected, "
            "of any number of constituents, 0 being all"
        )
    parts: list[Arrays] = []
    runs: list[Run] = []
    for label, one in enumerate(classes):
        wanted, before = (events + label) // len(classes), sum(len(part["features"]) for part in parts)
        stream = [int(request["seed"]), SOURCES[source].stream, label]
        heard = _moved(progress, before)
        runs.append(pythia_runs.collect(one.plan, wanted, stream, workers, heard, f"the cuts on {one.name} jets"))
        jets = first(runs[-1].joined(), wanted, particles)
        parts.append({**jets, "labels": np.full(wanted, label, np.uint8)})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    total = {"events": events, "constituents": len(joined["constituents"])}
    arrays = {name: joined[name] for name in SOURCES[source].layout(total)}
    return arrays, total | _provenance(source, request, classes, runs, arrays)


def _moved(progress: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda done: progress(before + done)


def first(arrays: Arrays, jets: int, particles: int) -> Arrays:
    """The first so many jets, with only so many of their hardest constituents; 0 takes all."""
    counts = arrays["counts"][:jets].astype(np.int64)
    place = places(counts)
    kept = np.flatnonzero(place < particles) if particles else np.arange(len(place))
    per_jet = {name: arrays[name][:jets] for name in ("features", "counts")}
    if particles:
        per_jet["counts"] = np.minimum(per_jet["counts"], particles).astype(np.uint16)
    ragged = (name for name in arrays if name not in per_jet)
    return per_jet | {name: arrays[name][: len(place)][kept] for name in ragged}


def places(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which constituent of its jet each is, 0 being the hardest, of jets with so many.

    Example:
        >>> places(np.array([2, 0, 3])).tolist()
        [0, 1, 0, 1, 2]
    """
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def without_detector(arrays: Arrays, rng: np.random.Generator) -> Arrays:  # noqa: ARG001
    """The jets of a shard as they are stored where no detector is modelled."""
    arrays = dict(arrays)
    arrays["kinds"] = kinds_of(arrays.pop("codes"), arrays.pop("charges"))
    pt, *angles = arrays["constituents"].T
    rounded = [np.round(angle * ANGLE_STEP) / ANGLE_STEP for angle in angles]
    return arrays | {"constituents": np.column_stack([pt, *rounded]).astype(np.float16)}


def _provenance(
    source: str, request: dict[str, Any], classes: tuple[JetClass, ...], runs: list[Run], arrays: Arrays
) -> dict[str, Any]:
    return {
        "schema": SOURCES[source].schema,
        **request,
        "classes": [one.name for one in classes],
        "columns": list(JET_COLUMNS),
        "of_constituents": list(PARTICLE_COLUMNS),
        "kinds": list(KINDS),
        "units": "GeV, rad; eta and phi of constituents relative to the axis of the jet",
        "subjettiness": "beta = 1, exclusive kt axes that are not minimised; fastjet-contrib is not used",
        "runs": {
            one.name: {
                "commands": [*one.plan.commands, "Random:seed = (first_seed + shard) % 900000000 + 1"],
                **run.facts(one.plan.events),
            }
            for one, run in zip(classes, runs, strict=True)
        },
        "versions": pythia_runs.versions(),
        "rows_sha256": arrays_hash(arrays),
    }
