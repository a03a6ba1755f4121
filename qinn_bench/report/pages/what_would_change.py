"""What would change the decision on a claim, in one sentence from the fields of its ruling."""

from __future__ import annotations

from qinn_bench.verdicts.claim_file import Claim
from qinn_bench.verdicts.claims import Ruling


def what_would_change(ruling: Ruling) -> str:
    """What records would have to show for another decision.

    >>> from qinn_bench.values import Estimate
    >>> claim = Claim(id="a", statement="", first="q", second="c", metric="nll", relation="better", data="d")
    >>> ruling = Ruling(claim=claim, decision="supported", reason="", effect=Estimate(value=0.2), interval=(0.1, 0.3),
    ...                 p=0.01, p_corrected=0.02, replicates=8, method="", words="")
    >>> what_would_change(ruling)
    'An interval that reaches below 0, now [0.1, 0.3]; a certificate, a flag or a control that speaks against it.'
    """
    now = f", now [{ruling.interval[0]:.3g}, {ruling.interval[1]:.3g}]" if ruling.interval else ""
    if ruling.decision == "not testable":
        return f"Data that show what the claim requires: {ruling.claim.requires or ruling.reason}."
    if ruling.decision == "supported":
        return (
            f"An interval that reaches {_beyond(ruling.claim)}{now}; a certificate, a flag or a control that speaks "
            "against it."
        )
    if ruling.decision == "refuted":
        return f"An interval that reaches {_inside(ruling.claim)}{now}, or another budget."
    if not ruling.can_win:
        return f"Records that could support it at all: {ruling.cannot}."
    sides = f"all of its interval {_inside(ruling.claim)}{now}, to be supported"
    return f"{sides}; all of it {_beyond(ruling.claim)}, to be refuted; {ruling.replicates} pairs of seeds are there."


def _inside(claim: Claim) -> str:
    """Where the interval of a claim that holds lies."""
    if claim.relation == "ratio-at-least":
        return f"above the ratio {claim.ratio:g}"
    if claim.relation == "equal":
        return _within(claim)
    return f"above {claim.margin or 0:g}{_unit(claim)}"


def _beyond(claim: Claim) -> str:
    """Where it lies if the claim does not hold."""
    if claim.relation == "ratio-at-least":
        return f"below the ratio {claim.ratio:g}"
    if claim.relation == "equal":
        return f"beyond {claim.margin:g}{_unit(claim)} on either side of zero"
    return f"below {claim.margin or 0:g}{_unit(claim)}"


def _within(claim: Claim) -> str:
    return f"between -{claim.margin:g} and {claim.margin:g}{_unit(claim)}"


def _unit(claim: Claim) -> str:
    return f" {claim.unit}" if claim.unit else ""
