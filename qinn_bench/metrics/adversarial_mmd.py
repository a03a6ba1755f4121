"""Maximum mean discrepancy with an adversarial kernel: the width and the features that set two samples apart most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import estimate, features, missing, noted, undefined, with_outliers
from qinn_bench.metrics._scales import exponent, shifted
from qinn_bench.metrics.mmd import MOST, PERMUTATIONS, Kernel, discrepancy, median_width
from qinn_bench.statistics.estimates import permutation_p
from qinn_bench.values import Array, Estimate

CHOOSING = 500
"""Rows of each sample that the adversary chooses by, at most."""
SHARES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
"""Widths of Gaussian kernels, in those of the median heuristic."""
NAME = "adversarial_mmd"


def adversarial_mmd(evidence: Evidence) -> dict[str, Estimate]:
    """Unbiased MMD^2 on half of at most 2000 + 2000 rows, with the Gaussian kernel that is largest on the other half.

    The supremum over kernels is that of Sriperumbudur et al., Adv. Neural Inf. Process. Syst. 22 (2009): here over
    seven widths about the median distance of true rows, on all features or on one of them alone. Chosen and taken on
    different rows, it is not biased by the choice; it may be negative. The note says which kernel it is, with the
    p-value of a permutation test.
    """
    truth, generated = features(evidence)
    if why := missing((truth, generated), outliers=True):
        return undefined((NAME,), "", "zero", why)
    [(truth, generated)], outliers = with_outliers((truth, generated))
    n = min(len(truth), len(generated), MOST)
    truth, generated = (rows[evidence.rng.permutation(len(rows))[:n]] for rows in (truth, generated))
    by = -exponent(shifted(truth, -1) - shifted(truth[0], -1))
    truth, generated = shifted(truth, by), shifted(generated, by)
    some, half = slice(0, min(n // 2, CHOOSING)), slice(n // 2, n)
    judged = [
        (discrepancy(truth[some][:, at], generated[some][:, at], gaussian(width), evidence.rng, 0).value, at, width)
        for at, width in _kernels(truth[some])
    ]
    if not judged:
        return undefined((NAME,), "", "zero", "all true rows are the same, so that no distance sets a width")
    _, at, width = max(judged, key=lambda one: one[0])
    permutations = PERMUTATIONS if evidence.errors else 0
    found = discrepancy(truth[half][:, at], generated[half][:, at], gaussian(width), evidence.rng, permutations)
    said = f"the kernel sees {_named(at, truth.shape[1])}"
    if found.error is not None:
        said += f"; permutation p = {permutation_p(found.value, found.null):.3f}"
    rows = len(truth[half])
    return {NAME: noted(estimate(found.value, found.error, rows, better="zero", note=said), outliers)}


def gaussian(width: float) -> Kernel:
    """exp(-d^2 / (2 width^2)) as a function of d^2.

    Example:
        >>> float(gaussian(1.0)(np.array(0.0)))
        1.0
    """
    return lambda d2: np.asarray(np.exp(d2 / (-2 * width**2)))


def _kernels(truth: Array) -> Iterator[tuple[list[int], float]]:
    """The features that a kernel looks at, and its width: all of them, or each alone where there are several."""
    every = list(range(truth.shape[1]))
    for at in [every, *([one] for one in every if len(every) > 1)]:
        usual = median_width(truth[:, at])
        yield from ((at, share * usual) for share in SHARES if usual > 0)


def _named(at: list[int], of: int) -> str:
    return "all features" if len(at) == of else f"feature {at[0]} alone"


METRICS: tuple[Metric, ...] = (
    Metric(
        NAME,
        "maximum mean discrepancy with an adversarial kernel, squared",
        "samples",
        adversarial_mmd,
        better="zero",
        unbiased_square=True,
        slow=True,
        short="MMD² adv.",
        meaning="squared maximum mean discrepancy with the kernel that sets other rows apart most, unbiased",
    ),
)
