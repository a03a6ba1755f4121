"""Rows of bits: discrepancy of bit strings, total variation from a known law, and generalisation by validity."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.bit_rows import BitLaw, bits_in, judging_words, mean_words, state_numbers, word_bandwidth
from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import estimate, missing, undefined
from qinn_bench.metrics._scales import deviation
from qinn_bench.metrics.mmd import MOST, PERMUTATIONS, discrepancy
from qinn_bench.statistics.estimates import permutation_p
from qinn_bench.values import Array, Direction, Estimate

LIGHT, HEAVY = 2, 6
"""Mean weights of the words of Z to which the bandwidths belong."""
BEST = 0.05
"""The share of the unseen valid strings whose cost is the utility."""
OF_BITS = ("mmd_bits", "mmd_bits_light", "mmd_bits_heavy")
NO_ERROR = "no error is taken of it: it grows with the number of generated strings"
OF_VALIDITY: dict[str, Direction] = {
    "exploration": "none",
    "fidelity": "higher",
    "rate": "higher",
    "coverage": "higher",
    "utility": "none",
}
"""The columns of the validity, and which way is better."""


def mmd_bits(evidence: Evidence) -> dict[str, Estimate]:
    """Unbiased MMD^2 of bit strings on at most 2000 + 2000 rows: exp(-d / (2 sigma^2)) is the kernel of d unequal bits.

    `mmd_bits` has the mean of two kernels, whose words of Z have the mean weights 2 and 6 (`bit_rows.word_bandwidth`);
    the others have one of them each, without an error.
    """
    if why := missing((evidence.truth, evidence.generated)):
        return undefined(OF_BITS, "", "zero", why)
    n = min(len(evidence.truth), len(evidence.generated), MOST)
    truth, generated = (
        bits_in(rows)[evidence.rng.permutation(len(rows))[:n]].astype(np.float64)
        for rows in (evidence.truth, evidence.generated)
    )
    sigmas = [word_bandwidth(weight, truth.shape[1]) for weight in (LIGHT, HEAVY)]
    permutations = PERMUTATIONS if evidence.errors else 0
    both = discrepancy(truth, generated, partial(_kernel, sigmas=sigmas), evidence.rng, permutations)
    note = "" if both.error is None else f"permutation p = {permutation_p(both.value, both.null):.3f}"
    found = {"mmd_bits": estimate(both.value, both.error, n, better="zero", note=note)}
    for name, sigma in zip(OF_BITS[1:], sigmas, strict=True):
        one = discrepancy(truth, generated, partial(_kernel, sigmas=[sigma]), evidence.rng, 0)
        found[name] = estimate(one.value, None, n, better="zero")
    return found


def _kernel(differing: Array, sigmas: list[float]) -> Array:
    return np.asarray(np.mean([np.exp(-0.5 * differing / sigma**2) for sigma in sigmas], axis=0))


def mmd_words(evidence: Evidence) -> dict[str, Estimate]:
    """Unbiased MMD^2 from at most 2000 true rows over 1000 words of Z, mean weights 2 and 6, the same for all models.

    The means are those that the model tells, with unbiased squares, or else those of its rows: a circuit that is too
    wide to be drawn from is judged beside what can be drawn. The error is that of the mean over words.
    """
    truth = bits_in(evidence.truth[:MOST])
    words = judging_words(truth.shape[1])
    if evidence.word_means is not None:
        mean, square = evidence.word_means
    elif why := missing((evidence.truth, evidence.generated)):
        return undefined(("mmd_words",), "", "zero", why)
    else:
        mean = mean_words(bits_in(evidence.generated[:MOST]), words)
        square = _unbiased_square(mean, min(len(evidence.generated), MOST))
    observed = mean_words(truth, words)
    apart = square - 2 * mean * observed + _unbiased_square(observed, len(truth))
    if not np.isfinite(apart).all():
        return undefined(("mmd_words",), "", "zero", "the mean of some word is no finite number")
    error = deviation(apart) / len(words) ** 0.5 if evidence.errors else None
    return {"mmd_words": estimate(float(apart.mean()), error or None, len(words), better="zero")}


def _unbiased_square(mean: Array, n: int) -> Array:
    """That of the mean of so many values of plus or minus one."""
    return np.asarray((n * mean**2 - 1) / max(n - 1, 1))


def tv(evidence: Evidence) -> dict[str, Estimate]:
    """The total variation distance from the known density: the mean over test rows of max(0, 1 - p_model / p_true).

    It is half the integral of |p_model - p_true|, or half the sum where rows are bits; the model's density is divided
    by its mass.
    """
    if evidence.data.density is None:
        return {}
    mass, claimed = evidence.mass, evidence.log_prob
    if claimed is None or mass is None or mass.value is None or mass.value <= 0:
        return undefined(("tv",), "", "lower", "the model has no density, or the mass of it is not known or zero")
    true = evidence.data.density.log_density(evidence.data.test)
    if not len(true) or np.isnan(claimed).any() or not np.isfinite(true).all():
        return undefined(("tv",), "", "lower", "there are no test rows, or the density of some is no number")
    with np.errstate(over="ignore"):
        lost = np.maximum(0.0, 1 - np.exp(claimed - true - np.log(mass.value)))
    error = deviation(lost) / len(lost) ** 0.5 if len(lost) > 1 else None
    note = "" if error else "the error is not known: one test row, or the same in all"
    return {"tv": estimate(float(lost.mean()), error or None, len(lost), better="lower", note=note)}


class Novelty(NamedTuple):
    """How generated strings generalise beyond training strings.

    Example:
        >>> strings = np.array([0, 1, 1, 2, 3])
        >>> found = novelty(strings, trained=np.array([0]), valid=np.array([True, True, True, False]))
        >>> found.new, found.solutions, found.different, found.left
        (4, 3, 2, 2)
    """

    new: int
    solutions: int
    different: int
    left: int
    which: NDArray[np.int64]


def novelty(strings: NDArray[np.int64], trained: NDArray[np.int64], valid: NDArray[np.bool_]) -> Novelty:
    """Of strings by number: how many are not among the trained ones, how many of these are valid, how many of those
    differ, and how many valid strings there are beside the trained ones; `valid` is a table of all strings."""
    new = strings[~np.isin(strings, trained)]
    solutions = new[valid[new]]
    left = valid.copy()
    left[trained] = False
    which = np.unique(solutions)
    return Novelty(len(new), len(solutions), len(which), int(left.sum()), which)


def validity(evidence: Evidence) -> dict[str, Estimate]:
    """Generalisation by validity (Gili et al., arXiv:2201.08770), where the law of the bits is known.

    A string is valid that is more probable than under an even law, and unseen if no training row has it. `exploration`:
    the share of generated strings that are unseen; `fidelity`: of the unseen the share that is valid; `rate`: the share
    that is both; `coverage`: how many of the unseen valid strings were generated at all; `utility`: the mean of -log p
    of the most probable twentieth of these, each counted once, in nats.
    """
    law = evidence.data.density
    if not isinstance(law, BitLaw):
        found = undefined(OF_VALIDITY, "", "none", "the rows are no bits whose law is known")
    elif why := missing((evidence.truth, evidence.generated)):
        found = undefined(OF_VALIDITY, "", "none", why)
    else:
        found = _counted(law, state_numbers(bits_in(evidence.generated)), state_numbers(bits_in(evidence.data.train)))
    return {f"validity_{name}": one.model_copy(update={"better": OF_VALIDITY[name]}) for name, one in found.items()}


def _counted(law: BitLaw, strings: NDArray[np.int64], trained: NDArray[np.int64]) -> dict[str, Estimate]:
    found = novelty(strings, trained, law.probabilities > 2.0**-law.bits)
    cost = np.sort(-law.log_probabilities[found.which])[: max(1, round(BEST * found.different))]
    utility = Estimate(value=None, unit="nats", note="no generated string is unseen and valid")
    if len(cost):
        utility = estimate(float(cost.mean()), None, len(cost), "nats", note=NO_ERROR)
    return {
        "exploration": _share(found.new, len(strings), "no string was generated"),
        "fidelity": _share(found.solutions, found.new, "no generated string is unseen"),
        "rate": _share(found.solutions, len(strings), "no string was generated"),
        "coverage": _ratio(found.different, found.left),
        "utility": utility,
    }


def _share(some: int, of: int, why: str) -> Estimate:
    """A share with its binomial error."""
    if not of:
        return Estimate(value=None, note=why)
    share = some / of
    note = "" if 0 < some < of else "the error is not known: all are alike"
    return estimate(share, (share * (1 - share) / of) ** 0.5 or None, of, note=note)


def _ratio(some: int, of: int) -> Estimate:
    if not of:
        return Estimate(value=None, note="every valid string was trained on")
    return estimate(some / of, None, of, note=NO_ERROR)


METRICS: tuple[Metric, ...] = (
    Metric(
        "mmd_bits",
        "maximum mean discrepancy of bit strings, squared",
        "samples",
        mmd_bits,
        better="zero",
        unbiased_square=True,
        of_bits=True,
        columns=(
            MetricColumn("mmd_bits", "MMD² bits", "squared maximum mean discrepancy of bit strings, two bandwidths"),
            MetricColumn("mmd_bits_light", "MMD² bits, 2", "the same by words of mean weight 2 alone", shown=False),
            MetricColumn("mmd_bits_heavy", "MMD² bits, 6", "the same by words of mean weight 6 alone", shown=False),
        ),
    ),
    Metric(
        "mmd_words",
        "maximum mean discrepancy over words of Z, squared",
        "words",
        mmd_words,
        better="zero",
        unbiased_square=True,
        of_bits=True,
        short="MMD² words",
        meaning="squared maximum mean discrepancy from the test rows over 1000 words, of models without rows too",
    ),
    Metric(
        "tv",
        "total variation distance from the known density",
        "density",
        tv,
        better="lower",
        short="TV",
        meaning="total variation distance of the model's normalised density from the true one",
    ),
    Metric(
        "validity",
        "generalisation to valid strings that were not trained on",
        "samples",
        validity,
        of_bits=True,
        columns=(
            MetricColumn("validity_exploration", "exploration", "share of generated strings that are unseen"),
            MetricColumn(
                "validity_fidelity", "fidelity", "share of the unseen strings that are valid", better="higher"
            ),
            MetricColumn("validity_rate", "rate", "share of strings that are unseen and valid", better="higher"),
            MetricColumn(
                "validity_coverage", "coverage", "share of the unseen valid strings that was generated", better="higher"
            ),
            MetricColumn("validity_utility", "utility", "cost -log p of the best twentieth of these strings", False),
        ),
    ),
)
