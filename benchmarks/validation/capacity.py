"""Do intervals of the equivalence ratio cover it? Synthetic learners of known ratio, with seeds that scatter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from qinn_bench.capacity.curves import shift
from qinn_bench.values import Array

SIZES = np.geomspace(200, 16_000, 6)
LADDER = np.array([200.0, 350.0, 500.0, 1000.0, 2000.0, 6000.0, 16_000.0])
DESIGNS = {
    "5 even": (np.geomspace(200, 16_000, 5),) * 2,
    "6 even": (SIZES, SIZES),
    "7 even": (np.geomspace(200, 16_000, 7),) * 2,
    "ladder, 5 of 7": (LADDER[:5], LADDER),
}
"""Sizes of the first and of the second family; the last are those of the study of Z+jet events."""
CASES = ((0.5, 0.05, 0.0), (2.0, 0.02, 0.0), (3.0, 0.05, 0.5), (3.0, 0.1, 0.0))
"""Ratio, scatter of the seeds in nats, and the part of its variance that the families share."""
KINKS = (700, 1800, 4000)
SEEDS = 5
TOLERANCE, SIGMAS = (0.93, 0.97), 3
BLURRED = 0.05
"""A kink between sizes far apart is hidden where seeds scatter by so many nats; where they scatter less, it shows."""


def power(p: Array) -> Array:
    """A power law."""
    return np.asarray(15.0 + 4.0 * (p / 200) ** -0.4)


def kink(p: Array, at: float = 1800) -> Array:
    """Straight in log p, with a kink at so many parameters: no power law."""
    x = np.log(p / at)
    return np.asarray(17.0 - 0.7 * np.minimum(x, 0) - 0.4 * np.maximum(x, 0))


def coverage(
    law: Callable[[Array], Array],
    ratio: float,
    sd: float,
    shared: float,
    simulations: int,
    rng: np.random.Generator,
    design: tuple[Array, Array] = (SIZES, SIZES),
) -> float:
    """The share of intervals that cover: seeds scatter by `sd`, of whose variance families share the part `shared`."""
    first, second = design
    hits = 0
    for _ in range(simulations):
        common = np.sqrt(shared) * rng.normal(size=(len(second), SEEDS))
        own = np.sqrt(1 - shared) * rng.normal(size=(2, len(second), SEEDS))
        quantum = law(first * ratio)[:, None] + sd * (common + own[0])[: len(first)]
        classical = law(second)[:, None] + sd * (common + own[1])
        found = shift(first, quantum, second, classical)
        hits += (found.low or 0.0) <= ratio <= (found.high or np.inf)
    return hits / simulations


def run(simulations: int = 4000) -> tuple[str, list[str]]:
    """The table of coverages, and the cells that miss what is promised: power laws, and kinks that seeds blur."""
    laws: dict[str, Callable[[Array], Array]] = {"power law": power}
    laws |= {f"kink at {at}": partial(kink, at=at) for at in KINKS}
    cases = [f"{ratio:g}, {sd:g}, {shared:g}" for ratio, sd, shared in CASES]
    lines = [f"| sizes | curve | {' | '.join(cases)} |", f"| --- | --- |{' ---: |' * len(cases)}"]
    missed, outside = [], 0
    for sizes, design in DESIGNS.items():
        for name, law in laws.items():
            cells = []
            for case, (ratio, sd, shared) in zip(cases, CASES, strict=True):
                rng = np.random.default_rng([2026, round(ratio * 10), round(sd * 100)])
                found = coverage(law, ratio, sd, shared, simulations, rng, design)
                cells.append(found)
                slack = SIGMAS * np.sqrt(TOLERANCE[0] * (1 - TOLERANCE[0]) / simulations)
                if (law is power or sd >= BLURRED) and not _within(found, slack):
                    missed.append(f"{sizes}, {name}, {case}: {found:.3f}")
            outside += sum(not _within(found) for found in cells)
            shown = (f"{found:.3f}" if _within(found) else f"**{found:.3f}**" for found in cells)
            lines.append(f"| {sizes} | {name} | {' | '.join(shown)} |")
    total = len(DESIGNS) * len(laws) * len(CASES)
    note = (
        "Coverage of 95 % intervals; columns: ratio, scatter of the seeds [nats], part of its variance that families "
        f"share. {simulations} simulations a cell. {outside} of {total} cells, in bold, lie outside 93 to 97 %. "
        f"Demanded, give or take {SIGMAS} standard errors of the simulation, of power laws and, where seeds scatter by "
        f"{BLURRED:g} nats or more, of kinks."
    )
    return "\n".join([*lines, "", note, ""]), missed


def _within(coverage_found: float, slack: float = 0.0) -> bool:
    return TOLERANCE[0] - slack <= coverage_found <= TOLERANCE[1] + slack
