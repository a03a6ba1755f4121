"""Do the intervals of a variance budget cover? Numbers made of known sources, alone and acting together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Source
from qinn_bench.verdicts.variance_sources import VarianceBudget, budget

DEMANDED = (0.93, 0.97)
SIMULATIONS, SEEDS = 2000, (5, 8, 20)
SIGMAS = 3
"""By how many binomial standard errors a simulated coverage may miss what is demanded."""
STRENGTHS: dict[Source, float] = {"initialisation": 1.0, "batches": 0.6, "evaluation": 0.2, "split": 0.8}
"""Standard deviations that the sources make alone."""
TOGETHER = (0.0, 0.5)
"""Standard deviation of what initialisation and batches do only together."""
LAWS: dict[str, Callable[[np.random.Generator], float]] = {
    "normal": lambda rng: float(rng.normal()),
    "heavy (t with 5)": lambda rng: float(rng.standard_t(5) / np.sqrt(5 / 3)),
}


UNSAFE = ("heavy (t with 5)",)
"""Of the variance of these laws a few values know too little; the table shows what the intervals miss."""


class Coverage(NamedTuple):
    """The share of intervals that cover, of one quantity of the budget under one law."""

    what: str
    law: str
    together: float
    seeds: int
    share: float

    @property
    def kept(self) -> bool:
        """Whether the share is where it is demanded, give or take its binomial error; of unsafe laws nothing is."""
        low, high = (end + sign * SIGMAS * _error(end) for sign, end in zip((-1, 1), DEMANDED, strict=True))
        return self.law in UNSAFE or low <= self.share <= high

    def line(self) -> str:
        """The coverage as a line of the table."""
        mark = "" if self.kept else " ✗"
        return f"| {self.what} | {self.law} | {self.together:g} | {self.seeds} | {self.share:.3f}{mark} |"


def _error(share: float) -> float:
    return float(np.sqrt(share * (1 - share) / SIMULATIONS))


class Run:
    """A number whose sources are drawn once for each seed, as a training draws them."""

    def __init__(self, rng: np.random.Generator, law: Callable[[np.random.Generator], float], together: float) -> None:
        self.rng, self.law, self.together = rng, law, together
        self.drawn: dict[tuple[object, ...], float] = {}

    def value(self, **seeds: int) -> float:
        """The number at a seed for each source (0 where none is given)."""
        at = {source: seeds.get(source, 0) for source in STRENGTHS}
        alone = sum(STRENGTHS[source] * self._draw(source, seed) for source, seed in at.items())
        return alone + self.together * self._draw("both", at["initialisation"], at["batches"])

    def _draw(self, *names: object) -> float:
        if names not in self.drawn:
            self.drawn[names] = self.law(self.rng)
        return self.drawn[names]


def simulated(n: int, law: str, together: float, rng: np.random.Generator) -> VarianceBudget:
    """The budget of n seeds of such a number."""
    run = Run(rng, LAWS[law], together)
    within = [source for source in STRENGTHS if source != "split"]
    values: dict[Source, Array] = {"all": np.array([run.value(**dict.fromkeys(within, s)) for s in range(n)])}
    for source in STRENGTHS:
        values[source] = np.array([run.value(**{source: s}) for s in range(n)])
    return budget(values)


def truths(n: int, together: float) -> dict[str, float]:
    """What the quantities of the budget are."""
    both = {"initialisation": together**2, "batches": together**2}
    parts = {source: strength**2 + both.get(source, 0.0) for source, strength in STRENGTHS.items()}
    within = [source for source in STRENGTHS if source != "split"]
    whole = sum(STRENGTHS[source] ** 2 for source in within) + together**2
    found = {f"share of {source}": parts[source] / whole for source in parts}
    ratio = parts["split"] / whole
    return found | {
        "deviation over seeds": float(np.sqrt(whole)),
        "rest": 1 - sum(parts[source] for source in within) / whole,
        "worth": n * (1 + ratio) / (1 + n * ratio),
    }


def coverages(simulations: int) -> Iterator[Coverage]:
    """How often each interval covers, for each law, strength of the interaction and number of seeds."""
    for law in LAWS:
        for together in TOGETHER:
            for n in SEEDS:
                true = truths(n, together)
                rng = numpy_rng("variance budget", law, str(together), n)
                hits = {name: 0 for name in true}
                for _ in range(simulations):
                    for name, interval in _intervals(simulated(n, law, together, rng)).items():
                        hits[name] += interval[0] <= true[name] <= interval[1]
                for name, count in hits.items():
                    yield Coverage(name, law, together, n, count / simulations)


def _intervals(found: VarianceBudget) -> dict[str, tuple[float, float]]:
    shares = {f"share of {part.source}": part.share_interval for part in found.parts}
    asked = shares | {
        "deviation over seeds": found.seeds.interval,
        "rest": found.rest_interval,
        "worth": found.worth_interval,
    }
    return {name: interval for name, interval in asked.items() if interval}


def run() -> tuple[str, list[str]]:
    """The table of coverages, and those that are missed."""
    found = list(coverages(SIMULATIONS))
    text = f"""# Coverage of the intervals of the variance budget

{SIMULATIONS} simulations each of a number whose sources have known standard deviations
({", ".join(f"{name} {value:g}" for name, value in STRENGTHS.items())}); "together" is the standard deviation of what
initialisation and batches do only jointly. Demanded of the normal law: {DEMANDED[0]:g} to {DEMANDED[1]:g},
give or take {SIGMAS} standard errors of the simulation. Again with `make validate`.

| interval of | law | together | seeds | coverage |
|---|---|---:|---:|---:|
"""
    text += "\n".join(one.line() for one in found) + "\n"
    return text, [one.line() for one in found if not one.kept]
