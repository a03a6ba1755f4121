"""The discrepancy with an adversarial kernel: unbiased where laws are equal, and where one feature of many differs."""

from __future__ import annotations

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.dataset import Evidence
from qinn_bench.metrics.adversarial_mmd import adversarial_mmd, gaussian
from qinn_bench.metrics.mmd import discrepancy

DATA = registry.make("data", registry.spell_out("data", registry.parse_use("gmm8[events=4000]")))


def found(truth, generated, seed=0, *, errors=False):
    evidence = Evidence(DATA, truth, generated, None, None, np.random.default_rng(seed), errors=errors)
    return adversarial_mmd(evidence)["adversarial_mmd"]


def test_the_choice_of_a_kernel_is_no_bias():
    law, rng = DATA.density, np.random.default_rng(1)
    values = [found(law.sample(60, rng), law.sample(60, rng), seed).value for seed in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_the_kernel_looks_where_the_samples_differ():
    rows = DATA.test[:800]
    moved = DATA.train[:800] + np.array([0.0, 0.5 * rows[:, 1].std()])
    seen = found(rows, moved, errors=True)
    assert seen.value > 4 * seen.error and "feature 1 alone" in seen.note and "permutation p = 0.005" in seen.note


@pytest.mark.parametrize(("width", "shift"), [(0.5, 1.0), (2.0, 0.7)])
def test_one_kernel_has_the_closed_form_of_two_normals(width, shift):
    rng = np.random.default_rng(2)
    truth, other = rng.normal(size=(1500, 1)), rng.normal(shift, size=(1500, 1))
    wide = width**2 + 2
    expected = 2 * width / np.sqrt(wide) * (1 - np.exp(-(shift**2) / (2 * wide)))
    apart = discrepancy(truth, other, gaussian(width), rng)
    assert abs(apart.value - expected) < 4 * apart.error


def test_too_few_rows_and_equal_ones_have_no_value():
    assert "only 3 rows" in found(DATA.test[:3], DATA.test[:3]).note
    same = np.tile(DATA.test[:1], (20, 1))
    assert "all true rows are the same" in found(same, same).note
