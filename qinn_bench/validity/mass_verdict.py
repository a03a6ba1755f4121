"""What the measurements of a mass say for and against a model, in findings: a verdict each, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from qinn_bench.validity.bridge import Bridge
from qinn_bench.validity.density_mass import Mass
from qinn_bench.validity.visited_rows import EXCEEDED, Visited
from qinn_bench.values import Estimate, Verdict

HEAVIEST_TAIL = 0.7
"""Pareto shape of the weights above which importance sampling is unreliable at any sample size (arXiv:1507.02646)."""
LEAST_EFFECTIVE = 400
"""Effective draws below which one draw may carry more than 1/20 of the mass, so that no error can be trusted."""
UNSEEN = 0.003
"""Mass beyond the largest weight that a tail may hold, however heavy: a tenth of the tolerance."""
UNDEFINED = 0.001
"""Share of draws without a value that may be taken as zero: a tenth of the accuracy asked of the mass."""
APART, SIGMAS = 0.03, 3.0
"""Two estimates of the mass contradict each other where they differ by more than this and by so many errors."""
ABOVE = 0.01
"""Share of the model's own rows, and of training rows, that may lie where far more is claimed than the proposal has."""
NEAR = 0.01
"""A mass that is this near to 1 does not contradict it, however well it is known."""
EXCESS = 0.01
"""Nats that the likelihood of the test rows may owe to places where the mass cannot be measured."""
KNOWN = 0.0125
"""Half-width of the 95 % interval of a mass that is known to 1 %, give or take the pilot that sets the draws."""


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a pass; `unmeasured` if it says no more than that a measurement cannot tell.

    Example:
        >>> Finding("fail", "the density integrates to 12.3").verdict
        'fail'
    """

    verdict: Verdict
    reason: str
    unmeasured: bool = False


def judge_mass(mass: Mass, tolerance: float) -> list[Finding]:
    """What the mass alone says against a model; empty when it is 1 within the tolerance.

    A heavy tail of weights hides mass and never invents it, so a lower bound far above 1 convicts in any case.
    """
    low, high = mass.interval
    span = f"[{_figure(low)}, {_figure(high)}]"
    if mass.at_least > 1 + tolerance:
        return [Finding("fail", f"the density integrates to {span}, at least {_figure(mass.at_least)}, instead of 1")]
    if open_questions := doubts(mass):
        return open_questions
    if high < 1 - tolerance or low > 1 + tolerance:
        return [Finding("fail", f"the density integrates to {span} instead of 1")]
    if low < 1 - tolerance or high > 1 + tolerance:
        return [Finding("undecided", f"the mass interval {span} is not within {tolerance:g} of 1", unmeasured=True)]
    return []


def doubts(mass: Mass) -> list[Finding]:
    """Why the draws do not tell the mass; empty where they do."""
    judged = [
        (mass.undefined > UNDEFINED, f"the density is no number at {mass.undefined:.1%} of the draws"),
        (
            mass.tail_index > HEAVIEST_TAIL and mass.unseen > UNSEEN,
            f"the weights are too heavy-tailed (Pareto k = {mass.tail_index:.2f})",
        ),
        (mass.effective < LEAST_EFFECTIVE, f"the mass rests on {mass.effective:.0f} effective draws"),
    ]
    return [Finding("undecided", text, unmeasured=True) for doubt, text in judged if doubt]


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.3g}"


def judge_grid(grid: Estimate | None, mass: Mass, tolerance: float) -> list[Finding]:
    """The grid sees only a box, so it may find less than the draws do; finding more means that they missed some."""
    if grid is None or grid.value is None or grid.value - (grid.error or 0.0) <= mass.interval[1] + tolerance:
        return []
    return [Finding("undecided", f"the grid finds a mass of {_figure(grid.value)}, the draws {_figure(mass.value)}")]


def judge_visited(visited: Visited, mass: Mass) -> list[Finding]:
    """What own rows and test rows say against a mass that draws of the proposal have found.

    Rows that are not of the density, as those of a map that is not one-to-one, contradict it as well: which of the two
    is wrong cannot be told, so that the verdict is open.
    """
    findings = []
    both = (("the model's own", visited.own_above, True), ("the training", visited.train_above, False))
    for whose, above, unmeasured in both:
        if above is not None and above > ABOVE:
            said = f"{above:.1%} of {whose} rows lie where draws cannot measure the mass"
            why = f"too far out, or where more than {EXCEEDED:g} times the proposal is claimed"
            findings.append(Finding("undecided", f"{said}: {why}", unmeasured=unmeasured))
    if visited.bridge is not None and contradicts(visited.bridge, mass):
        own, drawn = _figure(visited.bridge.value), _figure(mass.value)
        said = f"the model's own rows say that the density integrates to {own}, draws of the proposal {drawn}"
        findings.append(Finding("undecided", f"{said}: mass was missed, or the rows are not of this density"))
    if visited.excess is not None and visited.excess > EXCESS:
        said = (
            f"{_figure(visited.excess)} nats of the likelihood of the test rows come from where the mass is not known"
        )
        findings.append(Finding("undecided", said))
    return findings


def contradicts(bridge: Bridge, mass: Mass) -> bool:
    """Whether the two estimates differ by more than chance and by more than the tolerance."""
    apart = abs(bridge.value - mass.value)
    return not apart <= max(APART, SIGMAS * (bridge.error**2 + mass.error**2) ** 0.5)


def is_near(mass: Mass) -> bool:
    """Whether a mass does not contradict 1 by more than chance."""
    return abs(mass.value - 1) <= SIGMAS * mass.error


def stands(mass: Mass, visited: Visited, tolerance: float) -> bool:
    """Whether a density that integrates to 1 by construction stands uncontradicted by its measured masses.

    Draws may find less by the share of own rows that lie where they cannot measure, which may be the tolerance at most.
    The bridge, which sees these rows, has to find 1 within it, its error included.
    """
    out_of_reach = visited.own_above or 0.0
    if out_of_reach > tolerance:
        return False
    allowed = max(NEAR, SIGMAS * mass.error)
    drawn = -out_of_reach - allowed <= mass.value - 1 <= allowed
    bridge = visited.bridge
    return drawn and bridge is not None and abs(bridge.value - 1) + 2 * bridge.error <= tolerance


def is_known(mass: Mass, visited: Visited) -> bool:
    """Whether the mass, whatever it is, is known to 1 %."""
    low, high = mass.interval
    narrow = high - low <= 2 * KNOWN * mass.value
    return narrow and not doubts(mass) and not judge_visited(visited, mass)
