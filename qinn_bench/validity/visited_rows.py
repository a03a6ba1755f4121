"""What a density claims where rows lie, its own and the test rows, beside the proposal that its mass is measured by.

The importance weight of a draw is the ratio p / q of the claimed density to the proposal. Where it is at most 100
weights are bounded and draws measure the mass. Elsewhere they may miss any mass, so rows are asked if they lie there:

* own rows and training rows: where many do, mass may be missed; the bridge estimates the mass from own rows and draws;
* test rows: min(p, 100 q) has bounded weights, hence a mass that draws do measure, and it is nowhere above p. On the
  test rows its mean log-density is that of p less `excess`. Where `excess` is small, a density with a known mass has
  the likelihood that is reported, whatever p claims where no test row lies.

So a pass says: no mass is missed where the model's own rows, training rows or test rows lie (but for 1 % of the first
two), and the likelihood of the test rows is one that a density of mass 1 can have. Mass elsewhere may be missed; it
would only make the normalised density lower at the test rows, and the comparison of likelihoods does not need it: the
density without it is the one that is compared. That the model's rows follow its density is not said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.validity.bridge import Bridge, bridge_mass
from qinn_bench.validity.density_mass import LARGEST_LOG_WEIGHT, LogDensity, Mass, log_ratio
from qinn_bench.values import Array

EXCEEDED = 100.0
"""How many times the proposal a density may claim, where draws are relied on."""
FEWEST = 100
"""Rows below which nothing is said of them."""
MOST, SHARE = 5000, 0.1
"""Rows of either kind that are looked at, and the share of the allowed evaluations that they may take."""


class Visited(NamedTuple):
    """What is claimed where rows lie; what was not looked at is None.

    `bridge` is the mass by own rows and draws; `own_above` the share of own rows at which more than `EXCEEDED` times
    the proposal is claimed, those included that lie too far out to look at, and `train_above` that of training rows;
    `excess` is the mean over the test rows of log max(1, p / (`EXCEEDED` q)) in nats.

    Example:
        >>> Visited(bridge=Bridge(1.49, 0.01, 5000), own_above=0.33, excess=0.0).own_above
        0.33
    """

    bridge: Bridge | None = None
    own_above: float | None = None
    train_above: float | None = None
    excess: float | None = None


def some(rows: Array, max_draws: int) -> Array:
    """As many of the first rows as the allowed evaluations let be looked at, or none if those are too few."""
    n = min(len(rows), MOST, int(SHARE * max_draws))
    return rows[: n if n >= FEWEST else 0]


def visit(log_density: LogDensity, mass: Mass, own: Array, far: int, train: Array, test: Array) -> Visited:
    """What a density claims at own rows, which no proposal was fitted to, and at others, features ``(n, dim)`` each.

    `far` more own rows lie where no density can be evaluated.
    """
    if mass.proposal is None:
        return Visited()
    bridge = own_above = train_above = excess = None
    high = np.log(EXCEEDED)
    if len(own) + far >= FEWEST:
        ratios = log_ratio(log_density, own, mass.proposal)
        own_above = float((np.sum(ratios > high) + far) / (len(own) + far))
        with np.errstate(divide="ignore"):
            bridge = bridge_mass(ratios, np.log(mass.weights)) if len(own) >= FEWEST else None
    if len(train) >= FEWEST:
        train_above = float(np.mean(log_ratio(log_density, train, mass.proposal) > high))
    if len(test) >= FEWEST:
        ratios = np.nan_to_num(log_ratio(log_density, test, mass.proposal), nan=-np.inf, posinf=np.inf)
        excess = float(np.mean((ratios - high).clip(0.0, LARGEST_LOG_WEIGHT)))
    return Visited(bridge, own_above, train_above, excess)
