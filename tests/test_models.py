"""Every model of the zoo and every control keeps the laws of models; a new file is tested by being there."""

from __future__ import annotations

import pytest
from zoo import CONTROLLED, NAMES, case_of, smallest

from qinn_bench.contracts import count_parameters
from qinn_bench.laws.cases import ModelCase, cases_of
from qinn_bench.laws.check import OF_MODELS
from qinn_bench.laws.law import Law, Spared
from qinn_bench.laws.models import greatest_gradients, without_effect
from qinn_bench.values import Use

CASES = [*(case for name in NAMES for case in cases_of(Use(name=name))), *map(smallest, CONTROLLED)]
OF_FILES = {"states-what-it-is", "grows-along-its-longest-knob", "passes-its-certificate", "learns"}
"""Laws that say nothing new of a control."""
OF_MAPS = {"inverts-itself", "claims-its-true-logdet", "integrates-to-one", "takes-each-row-by-itself"}
"""Laws that say nothing new of a control that is the same map as its model."""


EXCUSED = {("qvit", "fourier", "has-a-loss-that-reaches-all"): "attention does not see what is added to all keys alike"}
"""What a control cannot keep, and why: the constant of a stand-in for keys is such a number."""


@pytest.mark.parametrize("law", OF_MODELS, ids=lambda law: law.name)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_model_keeps_every_law(case: ModelCase, law: Law[ModelCase]) -> None:
    if (case.control and law.name in OF_FILES) or (case.control == "frozen" and law.name in OF_MAPS):
        pytest.skip("is asked of its model")
    if (excuse := EXCUSED.get((case.use.name, case.control, law.name))) is not None:
        pytest.skip(excuse)
    try:
        law.check(case)
    except Spared as spared:
        pytest.skip(str(spared))


UNTRIMMED = {"qinn": {"fidelity": 0.0, "mmd": 0.0}, "hybrid_qinn": {}}
"""Knobs with which circuits end in gates that their readout cannot see, unless they are trimmed."""


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("control", ["", "+unentangled"])
@pytest.mark.parametrize("name", UNTRIMMED)
def test_weights_that_no_readout_sees_are_counted_and_can_be_left_out(name: str, control: str, trim: bool) -> None:
    cases = [case_of(name + control, 3, UNTRIMMED[name] | {"trim": trim}) for trim in (False, True)]
    full, short = (case.make(jolt=0.1) for case in cases)
    counted = count_parameters(short if trim else full)
    assert counted.blind == without_effect(greatest_gradients(short if trim else full, cases[trim]))
    assert (counted.blind == 0) == trim
    assert count_parameters(full).live == count_parameters(short).total
