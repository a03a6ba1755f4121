"""A fake advantage is refused: each numerically superior row is seen to win without its blemish, and not with it."""

from __future__ import annotations

import numpy as np
import pytest
from rows import CONTROLS, around, certificate, quantum, row

from qinn_bench.verdicts import judge

HONEST, SUPERIOR = 0.5, 0.1


def verdict(records, metric="nll", first="cheat", second="honest"):
    return judge(records, first, second, metric, 0.05, rng=np.random.default_rng(0))


def rivals(metric="nll", **more):
    """A row that looks better than an honest one by 0.4; `more` says what is wrong with it."""
    return row("cheat", around(SUPERIOR, seed=1), metric, **more) + row("honest", around(HONEST, seed=2), metric)


def hybrid(idle):
    """A hybrid whose classical part does all the work, so that its controls are as good; flagged where `idle`."""
    controls = {kind: around(SUPERIOR, seed=5 + i) for i, kind in enumerate(CONTROLS)}
    flags = ("idle-circuit: without its circuit the model is as good",) if idle else ()
    return quantum("cheat", around(SUPERIOR, seed=1), controls, "nll", flags=flags) + row(
        "honest", around(HONEST, seed=2), "nll"
    )


PLANTED = {
    "an uncertified likelihood": (rivals(certificate=certificate("fail", 10.0)), "not certified"),
    "a likelihood without a certificate": (rivals(certificate=None), "not certified"),
    "a test-set leak": (rivals(flags=("leak: the test rows are likelier than others",)), "leak"),
    "a memoriser": (rivals(flags=("memoriser: its rows are training rows",)), "memoriser"),
    "better than the truth": (rivals(flags=("better-than-truth: below the null",)), "better-than-truth"),
    "a flagged idle circuit": (hybrid(idle=True), "idle-circuit"),
    "an idle circuit that nobody flagged": (hybrid(idle=False), "control is as good"),
    "circuits without controls": ([r for r in hybrid(idle=False) if r.role != "control"], "no controls"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_advantage_is_no_verdict(planted):
    records, said = PLANTED[planted]
    found = verdict(records)
    assert found.outcome == "undecided" and said in found.reason
    assert found.p_better is None
    assert verdict(records, first="honest", second="cheat").outcome == "undecided"


def test_the_same_numbers_without_the_blemish_win():
    assert verdict(rivals()).outcome == "better"
