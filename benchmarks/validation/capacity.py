"""Do intervals of the equivalence ratio cover it, and is a ratio that changes with size told from one that does not?
Synthetic learners of known ratio, with seeds that scatter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from qinn_bench.capacity.equivalence import Equivalence, ratio
from qinn_bench.capacity.families import Curve
from qinn_bench.report.table_value import markdown_row
from qinn_bench.values import Array

SIZES = np.geomspace(200, 16_000, 6)
LADDER = np.array([200.0, 350.0, 500.0, 1000.0, 2000.0, 6000.0, 16_000.0])
WIDE = np.geomspace(50, 25_600, 10)
DESIGNS = {
    "6 even of 10": (np.geomspace(200, 6400, 6), WIDE),
    "6 even": (SIZES, SIZES),
    "ladder, 5 of 7": (LADDER[:5], LADDER),
}
"""Sizes of the first and of the second family; the last are those of the study of Z+jet events."""
CASES = ((0.5, 0.02, 0.0), (1.0, 0.05, 0.0), (2.0, 0.02, 0.5), (3.0, 0.05, 0.0))
"""Ratio, scatter of the seeds in nats, and the part of its variance that the families share."""
APART = ((0.5, 3.0, 600), (0.5, 3.0, 2000), (1.0, 2.0, 1000))
"""Ratio of the smaller sizes, of the larger ones, and where it changes."""
KINKS = (700, 1800)
SEEDS = (5, 8)
TOLERANCE, SIGMAS = (0.93, 0.97), 3
FALSE, POWER = 0.05, 0.9
BLURRED = 0.05
"""A kink between sizes far apart is hidden where seeds scatter by so many nats; where they scatter less, it shows."""
Law = Callable[[Array], Array]


def power(p: Array) -> Array:
    """A power law."""
    return np.asarray(15.0 + 4.0 * (p / 200) ** -0.4)


def kink(p: Array, at: float = 1800) -> Array:
    """Straight in log p, with a kink at so many parameters: no power law."""
    x = np.log(p / at)
    return np.asarray(17.0 - 0.7 * np.minimum(x, 0) - 0.4 * np.maximum(x, 0))


class Shares(NamedTuple):
    """What is found in simulations: the share of sizes whose interval covers, of simulations in which sizes are said to
    differ, in which there is one ratio, and of these in which its interval covers."""

    at_size: float
    differ: float
    one: float
    covered: float


def families(
    law: Law, ratios: Array, sd: float, shared: float, design: tuple[Array, Array], seeds: int, rng: np.random.Generator
) -> list[Curve]:
    """Two families whose ratio at each of the first's sizes is known; seeds scatter by `sd`, of whose variance the
    families share the part `shared`."""
    first, second = design
    common = np.sqrt(shared) * rng.normal(size=(len(second), seeds))
    own = np.sqrt(1 - shared) * rng.normal(size=(2, len(second), seeds))
    quantum = law(first * ratios)[:, None] + sd * (common + own[0])[: len(first)]
    classical = law(second)[:, None] + sd * (common + own[1])
    return [curve("q", first, quantum), curve("inn", second, classical)]


def curve(name: str, sizes: Array, losses: Array) -> Curve:
    """A family with these losses ``(sizes, seeds)``; one called q has circuits."""
    plain = tuple(tuple(map(float, line)) for line in losses)
    seeds = tuple(range(losses.shape[1]))
    return Curve(family=name, sizes=tuple(map(float, sizes)), seeds=seeds, losses=plain, quantum=name == "q")


def shares(
    law: Law,
    ratios: float | Array,
    sd: float,
    shared: float,
    simulations: int,
    design: tuple[Array, Array],
    seeds: int = 5,
) -> Shares:
    """What is found of a known ratio, one for all sizes of the first family or one for each."""
    true = np.broadcast_to(np.asarray(ratios, dtype=np.float64), len(design[0]))
    rng = np.random.default_rng([2026, seeds, round(sd * 100), round(float(true[0]) * 10)])
    found = [ratio(families(law, true, sd, shared, design, seeds, rng), "q", "inn") for _ in range(simulations)]
    covered = [_covers((at.low, at.high), r) for one in found for at, r in zip(one.per_size, true, strict=True)]
    whole = [_covers(one.interval, float(true[0])) for one in found if one.rho.value is not None]
    differ = float(np.mean([_differs(one) for one in found]))
    return Shares(float(np.mean(covered)), differ, len(whole) / simulations, float(np.mean(whole)) if whole else np.nan)


def _differs(found: Equivalence) -> bool:
    return found.p_one_ratio is not None and found.p_one_ratio <= FALSE


def _covers(interval: tuple[float | None, float | None], true: float) -> bool:
    low, high = interval
    return (low or 0.0) <= true <= (np.inf if high is None else high)


def run(simulations: int = 160) -> tuple[str, list[str]]:
    """The tables of coverage, false alarms and power, and the lines that miss what is promised."""
    laws: dict[str, Law] = {"power law": power} | {f"kink at {at}": partial(kink, at=at) for at in KINKS}
    head = ["sizes", "curve", "ratio", "scatter", "shared", "seeds"]
    tail = ["at a size", "said to differ", "one ratio", "its interval"]
    lines, missed = [markdown_row([*head, *tail]), markdown_row(["---"] * 2 + ["---:"] * 8)], []
    for sizes, design in DESIGNS.items():
        for name, law in laws.items():
            for true, sd, shared in CASES:
                for seeds in SEEDS if law is power else SEEDS[:1]:
                    found = shares(law, true, sd, shared, simulations, design, seeds)
                    said = [sizes, name, f"{true:g}", f"{sd:g}", f"{shared:g}", str(seeds)]
                    lines.append(markdown_row([*said, *_shown(found, simulations)]))
                    if (law is power or sd >= BLURRED) and not _kept(found, simulations):
                        missed.append(", ".join([*said, *_shown(found, simulations)]))
    text, weak = _powers(simulations)
    notes = NOTES.format(simulations=simulations, sigmas=SIGMAS, blurred=BLURRED)
    return "\n".join([*lines, "", notes, "", *text, ""]), missed + weak


def _powers(simulations: int) -> tuple[list[str], list[str]]:
    """How often two ratios are told from one, and those that are told too seldom."""
    lines = [markdown_row(["ratio", "scatter", "seeds", "said to differ", "one ratio"])]
    lines, missed = [*lines, markdown_row(["---", "---:", "---:", "---:", "---:"])], []
    first, second = DESIGNS["6 even of 10"]
    for (low, high, where), sd, seeds in product(APART, (0.02, 0.05), SEEDS):
        found = shares(power, np.where(first < where, low, high), sd, 0.0, simulations // 2, (first, second), seeds)
        said = f"{low:g} below {where}, {high:g} above"
        lines.append(markdown_row([said, f"{sd:g}", str(seeds), f"{found.differ:.3f}", f"{found.one:.3f}"]))
        if found.differ < POWER and (low, high) == (0.5, 3.0):
            missed.append(f"{said}, {sd:g}: told in {found.differ:.3f}")
    return lines, missed


def _shown(found: Shares, simulations: int) -> list[str]:
    whole = "–" if found.one * simulations < 1 else f"{found.covered:.3f}"
    return [f"{found.at_size:.3f}", f"{found.differ:.3f}", f"{found.one:.3f}", whole]


def _kept(found: Shares, simulations: int) -> bool:
    """Whether the shares are where they are promised, give or take the error of the simulation."""
    false = FALSE + SIGMAS * _error(FALSE, simulations)
    few = found.one * simulations < 100
    return (
        _within(found.at_size, _error(TOLERANCE[0], simulations))
        and found.differ <= false
        and (few or _within(found.covered, _error(TOLERANCE[0], found.one * simulations)))
    )


def _error(share: float, simulations: float) -> float:
    return float(np.sqrt(share * (1 - share) / simulations))


def _within(share: float, error: float) -> bool:
    return TOLERANCE[0] - SIGMAS * error <= share <= TOLERANCE[1] + SIGMAS * error


NOTES = """Of 95 % intervals: the share of those at a size that cover, bounds (`>`, `<`) included; in how many
simulations the ratio is said to differ between sizes although it does not (5 % test); in how many there is one ratio,
which there is only where each size has one; and the share of its intervals that cover. Scatter of the seeds in nats,
and the part of its variance that the families share. {simulations} simulations a line. Demanded, give or take {sigmas}
standard errors of the simulation, of power laws and, where seeds scatter by {blurred:g} nats or more, of kinks: 93 to
97 % of either interval and at most 5 % false alarms; below, at least 90 % power where the ratios are .5 and 3."""
