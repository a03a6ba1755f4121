"""Which term of a + b 2^(c n) grew: simulated launches of curves with one term changed, and what is launched."""

from __future__ import annotations

import numpy as np
import pytest

from qinn_bench.performance.gate import growth_terms
from qinn_bench.performance.gate.decide import Decision
from qinn_bench.performance.gate.launches import Failure, Launch
from qinn_bench.values import Use

USE = Use(name="engine", knobs={"backend": "native"})
A, B, C = 1e-4, 2e-6, 1.0
CHANGED = {
    "a": lambda n: A + 0.2 * (A + 4 * B) + B * 2 ** (C * n),
    "b": lambda n: A + 1.2 * B * 2 ** (C * n),
    "c": lambda n: A + B * 2 ** ((C + 0.03) * n),
    "all": lambda n: 1.2 * (A + B * 2 ** (C * n)),
    "a and b in turns": lambda n: (A + B * 2 ** (C * n)) * (1.3 if n in (2, 6, 10) else 1.0),
}


def launches(head, rng, scatter=0.01):
    """Of each number of qubits, launches with a common factor and a scatter of their own."""
    found = {}
    for n in growth_terms.QUBITS:
        base = (A + B * 2 ** (C * n)) * np.exp(0.05 * rng.standard_normal(growth_terms.LAUNCHES))
        after = base * head(n) / (A + B * 2 ** (C * n)) * np.exp(scatter * rng.standard_normal(growth_terms.LAUNCHES))
        found[n] = [Launch(workload=USE, cpu=((b,) * 3, (h,) * 3)) for b, h in zip(base, after, strict=True)]
    return found


@pytest.mark.parametrize("term", ["a", "b", "c", "all"])
def test_the_term_that_grew_is_named(term):
    """Of 15 changes of 20 % (of 0.03, for c) seen with 1 %, at most one is put down to another term alone."""
    rng = np.random.default_rng(3)
    found = [growth_terms.explained(USE, launches(CHANGED[term], rng)) for _ in range(15)]
    assert sum(one.terms == (term,) for one in found) >= 12
    assert sum(term not in one.terms for one in found) <= 1
    assert np.median([one.by for one in found]) == pytest.approx(0.03 if term == "c" else 0.2, rel=0.2)


def test_what_no_term_explains_is_said():
    found = growth_terms.explained(USE, launches(CHANGED["a and b in turns"], np.random.default_rng(4)))
    assert found.terms == () and "no single term" in str(found)


def test_a_change_that_is_too_small_is_not_told_apart():
    found = growth_terms.explained(
        USE, launches(lambda n: 1.005 * (A + B * 2 ** (C * n)), np.random.default_rng(5), 0.03)
    )
    assert len(found.terms) > 1 and "not told apart from" in str(found)


def test_too_few_numbers_of_qubits_are_said():
    def start(use):
        failed = Failure(status="unsupported", reason="too large") if use.knobs["n_qubits"] > 6 else None
        return Launch(workload=use, cpu=((1.0,), (1.0,)), head_failure=failed)

    assert "at 3 numbers of qubits only" in str(growth_terms.attribute(USE, start))
    assert "at 0 numbers" in str(growth_terms.attribute(USE, start, enough=lambda: True))


def test_series_are_those_that_got_slower_the_worst_first():
    def decision(n, change, outcome="regression", clock="cpu", **knobs):
        use = Use(name="engine", knobs=knobs | {"n_qubits": n})
        return Decision(workload=use, outcome=outcome, change=change, clock=clock)

    decisions = [
        decision(4, 0.1, mode="values"),
        decision(8, 0.3, mode="gradient"),
        decision(4, 0.2, mode="gradient"),
        decision(4, 0.9, "improvement", mode="nll"),
        decision(4, 0.9, clock="wall", mode="nll"),
        Decision(workload=Use(name="plan"), outcome="regression", change=0.9),
    ]
    assert list(map(str, growth_terms.series(decisions))) == ["engine[mode=gradient]", "engine[mode=values]"]
