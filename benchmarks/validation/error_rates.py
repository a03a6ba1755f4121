"""Do verdicts keep their error rates? Paired tests, intervals, Holm's correction and rankings, simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from typing import NamedTuple

import capacity
import numpy as np
from _shared_truth import KINDS, shared_truth
from scipy.stats import t as student

from qinn_bench.capacity.size_ratio import CurvePair, p_sides
from qinn_bench.report.table_value import markdown_row
from qinn_bench.statistics.corrections import holm
from qinn_bench.statistics.paired import compare, sign_flip_p
from qinn_bench.statistics.rankings import friedman, interquartile_mean
from qinn_bench.values import Array

LEVEL, MARGIN, POWERS = 0.05, 2.0, (0.8, 0.95)
SIGMAS = 3
"""By how many binomial standard errors a simulated rate may miss what is demanded."""
LAWS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy (t with 3)": lambda rng, n: rng.standard_t(3, size=n) / np.sqrt(3),
    "skewed (exponential)": lambda rng, n: rng.exponential(size=n) - 1,
}
"""Differences of mean zero and standard deviation one."""
UNSAFE = ("skewed (exponential)",)
"""No test of a mean holds its level for a few replicates of these; the table shows by how much."""
ROWS, ROW_SD = 200, 4.0
"""Test rows that all replicates share, and the scatter of a row's difference in standard deviations over seeds."""
RATIO_SD, OFFSET = 0.02, 0.005
"""Scatter of seeds, and what a test set moves one of two families by, in nats."""


class Rate(NamedTuple):
    """A simulated share, and the interval in which it is demanded (None: stated, not demanded)."""

    what: str
    law: str
    n: str
    share: float
    simulations: int
    demanded: tuple[float, float] | None = (0.0, LEVEL)

    @property
    def kept(self) -> bool:
        """Whether the share is where it is demanded, give or take its binomial error."""
        if self.demanded is None:
            return True
        low, high = (end + sign * SIGMAS * self._error(end) for sign, end in zip((-1, 1), self.demanded, strict=True))
        return low <= self.share <= high

    def _error(self, share: float) -> float:
        return float(np.sqrt(share * (1 - share) / self.simulations))

    def line(self) -> str:
        """The rate as a line of the table."""
        low, high = self.demanded or (0.0, 1.0)
        asked = "–" if self.demanded is None else f"≤ {high:g}" if low == 0 else f"{low:g} to {high:g}"
        mark = "" if self.kept else " ✗"
        return f"| {self.what} | {self.law} | {self.n} | {self.share:.3f}{mark} | {asked} |"


def paired_rates(simulations: int) -> Iterator[Rate]:
    """False verdicts and coverage of `compare` over replicates alone."""
    for law, n in product(LAWS, (5, 8, 12)):
        rng = _rng("paired", law, n)
        outcomes = [_verdicts(LAWS[law](rng, n), rng) for _ in range(simulations)]
        yield from _rates("", law, n, outcomes, demanded=law not in UNSAFE)


def crossed_rates(simulations: int) -> Iterator[Rate]:
    """The same where all replicates are judged on the same test rows, which add a noise of their own."""
    for law, n in product(LAWS, (5, 8)):
        rng = _rng("crossed", law, n)
        outcomes = []
        for _ in range(simulations):
            shared = rng.normal(0, ROW_SD, ROWS)
            apart = LAWS[law](rng, n)[:, None] + shared + rng.normal(0, 1, (n, ROWS))
            outcomes.append(_verdicts(apart.mean(1), rng, apart))
        yield from _rates(", over seeds and test rows", law, n, outcomes, demanded=law not in UNSAFE)


def truth_rates(simulations: int) -> Iterator[Rate]:
    """False verdicts of sample metrics that all models take against the same true rows, and what they were without."""
    for (name, kind), n in product(KINDS.items(), (5, 8)):
        rng = _rng("truth", name, n)
        found = np.mean([shared_truth(kind, n, rng) for _ in range(simulations)], axis=0)
        law = "one truth"
        for what, share in zip(("better", "worse"), found[:2], strict=True):
            yield Rate(f"called {what}, {name}", law, str(n), float(share), simulations)
        # Where nothing is shared the interval may be too wide, as what is shared is never estimated below zero.
        above = 1.0 if kind.flaws == (0.0, 0.0) else 0.97
        yield Rate(f"95 % interval covers, {name}", law, str(n), float(found[2]), simulations, (0.93, above))
        without = float(found[3])
        yield Rate(f"called either, {name}, true rows left out", law, str(n), without, simulations, None)


def ratio_rates(simulations: int) -> Iterator[Rate]:
    """False rulings on how many times larger one family has to be, at one size and at some size of six, where the
    stated ratio is the true one; and with a test set that favours one of the families at all seeds and sizes."""
    for (law, offset), n in product({"seeds alone": 0.0, "one test set": OFFSET}.items(), (5, 8)):
        rng, found = _rng("ratio", law, n), []
        for _ in range(simulations):
            first, second = capacity.families(
                capacity.power, np.ones(6), RATIO_SD, 0.0, capacity.DESIGNS["6 even of 10"], n, rng
            )
            pair = CurvePair(*first.arrays, *second.arrays)
            pair = pair._replace(losses=pair.losses + rng.normal(0, offset))
            found.append([p <= LEVEL for at in ([3], range(6)) for p in p_sides(pair.at(at), 1.0)])
        for place, shares in zip(("at a size", "at all sizes"), np.mean(found, axis=0).reshape(2, 2), strict=True):
            for side, share in zip(("above", "below"), shares, strict=True):
                yield Rate(f"ratio called {side} what it is, {place}", law, str(n), float(share), simulations)


def _verdicts(differences: Array, rng: np.random.Generator, apart: Array | None = None) -> tuple[bool, ...]:
    """Of differences of mean zero: called better, worse, covered by the interval; equal when shifted to the margin."""
    zero = np.zeros_like(differences)
    rows = None if apart is None else (apart, np.zeros_like(apart))
    found = compare(differences, zero, better="higher", rng=rng, rows=rows)
    moved = None if apart is None else (apart + MARGIN, np.zeros_like(apart))
    equal = compare(differences + MARGIN, zero, better="higher", rng=rng, margin=MARGIN, rows=moved)
    low, high = found.interval or (np.nan, np.nan)
    return found.outcome == "better", found.outcome == "worse", low <= 0 <= high, equal.outcome == "equal"


def _rates(suffix: str, law: str, n: int, outcomes: list[tuple[bool, ...]], demanded: bool) -> Iterator[Rate]:
    better, worse, covered, equal = np.mean(outcomes, axis=0)
    bound, cover = ((0.0, LEVEL), (0.93, 0.97)) if demanded else (None, None)
    times = len(outcomes)
    yield Rate(f"called better{suffix}", law, str(n), better, times, bound)
    yield Rate(f"called worse{suffix}", law, str(n), worse, times, bound)
    yield Rate(f"called equal at the margin{suffix}", law, str(n), equal, times, bound)
    yield Rate(f"95 % interval covers{suffix}", law, str(n), covered, times, cover)


def family_rates(simulations: int) -> Iterator[Rate]:
    """Any false statement about the pairs of four rows, all equal or two of them far ahead, after Holm."""
    for law, ahead, n in product(LAWS, (0, 2), (8, 12)):
        rng, wrong = _rng("family", law, ahead, n), 0
        true = [at for at, (i, j) in enumerate(combinations(range(4), 2)) if (i < ahead) == (j < ahead)]
        for _ in range(simulations):
            rows = [LAWS[law](rng, n) + 10.0 * (i < ahead) for i in range(4)]
            p = [min(1.0, 2 * min(sign_flip_p(a - b))) for a, b in combinations(rows, 2)]
            corrected = holm(p)
            wrong += any(corrected[at] <= LEVEL for at in true)
        what = f"any false pair of 4 rows, {'all equal' if not ahead else 'two ahead'} (Holm)"
        yield Rate(what, law, str(n), wrong / simulations, simulations)


def ranking_rates(simulations: int) -> Iterator[Rate]:
    """False alarms of Friedman's test, of Iman and Davenport's and of critical differences, on equal rows."""
    for k, n in product((3, 5), (3, 5, 10, 20)):
        rng = _rng("ranks", k, n)
        found = [friedman(rng.normal(size=(n, k)) * rng.lognormal(size=(n, 1))) for _ in range(simulations)]
        shares = {
            "Friedman's chi2": np.mean([one.p_chi2 <= LEVEL for one in found]),
            "Iman and Davenport's F": np.mean([one.p_f <= LEVEL for one in found]),
            "any critical difference": np.mean([np.ptp(one.mean_ranks) > one.critical for one in found]),
        }
        for what, share in shares.items():
            demanded = None if what.startswith("Iman") else (0.0, LEVEL)
            yield Rate(
                f"{what}, {k} equal rows", "scales differ", f"{n} data sets", float(share), simulations, demanded
            )


def middle_rates(simulations: int) -> Iterator[Rate]:
    """Coverage of the interquartile mean's interval on four data sets."""
    for seeds in (5, 10, 20):
        rng, hits = _rng("middle", seeds), 0
        for _ in range(simulations):
            _, spread = interquartile_mean([rng.normal(size=seeds) for _ in range(4)])
            hits += spread.low <= 0 <= spread.high
        share = hits / simulations
        yield Rate("interquartile mean's interval covers", "normal", f"4 x {seeds}", share, simulations, (0.93, 0.97))


def power_lines(draws: int) -> Iterator[str]:
    """What n replicates find with power 80 and 95 %, in standard deviations of a difference over seeds."""
    for n in (5, 8, 10, 12):
        noise = _rng("power", n).normal(size=(draws, n))
        tests = ((better, LEVEL), (better, LEVEL / 2), (equal, LEVEL))
        cells = [_smallest(partial(test, noise), level, power) for test, level in tests for power in POWERS]
        yield markdown_row([str(n), *("–" if cell is None else f"{cell:.2f}" for cell in cells)])


def flips(differences: Array) -> Array:
    """The sign-flip p-value of "above zero" of each line ``(k, n)``: `sign_flip_p` of many samples at once."""
    signs = np.array(list(product((1.0, -1.0), repeat=differences.shape[1])))
    parts = np.array_split(differences, max(1, len(differences) * len(signs) // 2_000_000))
    return np.concatenate([np.mean(d @ signs.T >= d.sum(1, keepdims=True) - 1e-12, axis=1) for d in parts])


def better(differences: Array, effect: float) -> Array:
    """The p-value of "better" of each line ``(k, n)``, moved by an effect."""
    return flips(differences + effect)


def equal(differences: Array, margin: float) -> Array:
    """The p-value of "within the margin" of each line ``(k, n)``: the two one-sided tests of `compare` at once."""
    n = differences.shape[1]
    found = []
    for side in (differences + margin, margin - differences):
        t = side.mean(1) / (side.std(1, ddof=1) / np.sqrt(n))
        found += [flips(side), np.asarray(student.sf(t, n - 1))]
    return np.max(found, axis=0)


def _smallest(p_at: Callable[[float], Array], level: float, power: float) -> float | None:
    """The least effect or margin, up to ten, at which the power is reached; None where it never is."""
    low, high = 0.0, 10.0
    if np.mean(p_at(high) <= level) < power:
        return None
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if np.mean(p_at(middle) <= level) >= power else (middle, high)
    return high


def _rng(*names: str | int) -> np.random.Generator:
    return np.random.default_rng(list("/".join(map(str, names)).encode()))


def run(simulations: int = 4000) -> tuple[str, list[str]]:
    """The measured table in Markdown, and the lines in which a demanded rate is missed."""
    rates = [
        *paired_rates(simulations),
        *crossed_rates(simulations // 8),
        *truth_rates(max(1, simulations // 4)),
        *ratio_rates(max(1, simulations // 8)),
        *family_rates(simulations),
        *ranking_rates(simulations),
        *middle_rates(simulations // 4),
    ]
    head = ["| what is called, where nothing differs | law of the differences | n | share | demanded |"]
    lines = [*head, "| --- | --- | ---: | ---: | ---: |", *(rate.line() for rate in rates)]
    powers = [
        "| n | better, 80 % | 95 % | two-sided, 80 % | 95 % | margin of equal, 80 % | 95 % |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *power_lines(2 * simulations),
    ]
    notes = NOTES.format(
        simulations=simulations,
        crossed=simulations // 8,
        truth=simulations // 4,
        middle=simulations // 4,
        margin=MARGIN,
        sd=RATIO_SD,
        offset=OFFSET,
    )
    text = "\n".join([*lines, "", notes, "", POWER, "", *powers, ""])
    return text, [rate.line() for rate in rates if not rate.kept]


NOTES = """{simulations} simulations a line ({crossed} over seeds and test rows, {truth} with one truth, {crossed} of
ratios, {middle} of the interquartile mean); a share may miss what is demanded by three binomial standard errors. Better
and worse are tested one-sided at 5 % each, so that rows that do not differ are called one of the two in up to 10 %;
`qinn-bench compare`, where nobody said which row should be better, tests two-sided. The margin is {margin:g} standard
deviations over seeds.

"One truth": sample metrics of two rows that are equally far from the truth, on either side of it, against the same
true rows; `compare` takes their scatter from the metric on other draws of true rows. Left out, it is most of the error.

Ratios are those of two equal families, six sizes of the first and ten of the second, whose seeds scatter by {sd:g}
nats; "one test set" moves one family by {offset:g} nats (normal) at all sizes and seeds, which is what 40 000 test rows
leave open between two models whose log-densities differ by one nat from row to row.

Nothing is demanded of skewed differences, for which no test of a mean holds 5 % with so few replicates (the differences
of two rows that follow one law are symmetric, whatever the law: see the pairs of four rows), and of Iman and
Davenport's F, which means nothing on three data sets."""
POWER = """What is found with power 80 and 95 %, in standard deviations of the difference over seeds, normal law, level
5 %: the effect that is called better (one-sided, and two-sided as in `qinn-bench compare` of two rows), and the margin
within which two rows that do not differ are called equal. With 5 replicates no two-sided p is below 1/16."""
