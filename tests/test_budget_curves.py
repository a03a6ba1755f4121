"""The expected best of k trials: all choices counted, simulated coverage, identical families, a published table."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.statistics.budget_curves import expected_best, expected_error, weights


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.integers(1, 10), st.booleans())
def test_it_is_the_mean_over_all_choices(values, k, higher):
    best = max if higher else min
    choices = list(combinations(values, min(k, len(values))))
    slow = sum(best(chosen) for chosen in choices) / len(choices)
    assert expected_best(np.array(values, dtype=float), k, higher=higher) == pytest.approx(slow)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 3), (40, 7), (500, 250), (2000, 1999)])
def test_chances_sum_to_one_and_are_ratios_of_binomials(n, k):
    found = weights(n, k)
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert found[0] == pytest.approx(k / n)
    if n <= 40:
        assert np.allclose(found, [comb(n - 1 - i, k - 1) / comb(n, k) for i in range(n)])


def test_more_trials_are_never_worse_and_end_at_the_best():
    trials = np.random.default_rng(0).normal(size=30)
    curve = [expected_best(trials, k) for k in range(1, 40)]
    assert curve[0] == pytest.approx(trials.mean()) and curve[-1] == trials.max()
    assert (np.diff(curve) >= -1e-12).all()


@pytest.mark.parametrize("higher", [True, False])
def test_the_jackknife_is_that_of_trials_left_out_one_by_one(higher):
    trials = np.random.default_rng(2).normal(size=12)
    without = np.array([expected_best(np.delete(trials, i), 3, higher=higher) for i in range(12)])
    slow = np.sqrt(11 / 12 * np.square(without - without.mean()).sum())
    assert expected_error(trials, 3, higher=higher) == pytest.approx(slow)


def test_its_error_is_that_of_fresh_trials():
    rng = np.random.default_rng(1)
    truth = np.mean([rng.normal(size=4).max() for _ in range(200_000)])
    pulls = []
    for _ in range(400):
        trials = rng.normal(size=40)
        pulls.append((expected_best(trials, 4) - truth) / expected_error(trials, 4))
    assert abs(np.mean(pulls)) < 0.2 and 0.85 < np.std(pulls) < 1.2
    assert expected_error(np.arange(7.0), 4) is None
