"""Whether the data show what a claim is about, before any model is looked at; without torch."""

from __future__ import annotations

from collections.abc import Iterable

from qinn_bench import registry
from qinn_bench.dataset import Dataset
from qinn_bench.seeds import numpy_rng
from qinn_bench.statistics.modes import at_least_modes
from qinn_bench.values import Refused, Use
from qinn_bench.verdicts.claim_file import Claim, Requirement


def not_testable(claim: Claim, uses: Iterable[Use]) -> str:
    """Why a claim cannot be tested on these data sets, or on that which it names; empty where it can be.

    Raises:
        Refused: no such data set, or none of its observables has the name.
    """
    if claim.requires is None:
        return ""
    named = {str(use): use for use in uses} or {claim.data: registry.parse_use(claim.data)}
    told = (_lacks(claim.requires, use) for use in named.values())
    return "; ".join(filter(None, told))


def _lacks(required: Requirement, use: Use) -> str:
    """What a data set does not show, in words, from its test rows."""
    spelled = registry.spell_out("data", use)
    data: Dataset = registry.make("data", spelled)
    observables = data.observables(data.test)
    if required.observable not in observables:
        raise Refused(f"no observable of {use} is called '{required.observable}'; there are: {', '.join(observables)}")
    rng = numpy_rng("requirement", str(spelled), str(required))
    shown, p = at_least_modes(observables[required.observable], required.modes, rng)
    return "" if shown else f"the {len(data.test)} test rows of {use} do not show {required}, p = {p:.2g}"
