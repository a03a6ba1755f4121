"""Rankings against a published worked example, SciPy, and simulated coverage."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, trim_mean

from qinn_bench.statistics.rankings import control_difference, critical_difference, friedman, groups, interquartile_mean

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""AUC of C4.5 with four settings on 14 data sets: Demsar 2006, Table 6."""


def test_demsars_worked_example():
    found = friedman(DEMSAR)
    assert found.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    plain = 12 * 14 / (4 * 5) * (np.sum(found.mean_ranks**2) - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=0.005), "as printed, without the correction for ties"
    assert found.chi2 == pytest.approx(friedmanchisquare(*DEMSAR.T).statistic)
    assert critical_difference(14, 4, 0.05) == pytest.approx(1.25, abs=0.01)
    assert critical_difference(14, 4, 0.10) == pytest.approx(1.12, abs=0.01)


def test_agrees_with_scipy_and_with_the_printed_f():
    scores = np.random.default_rng(3).normal(size=(12, 5))
    found, known = friedman(scores), friedmanchisquare(*scores.T)
    assert (found.chi2, found.p_chi2) == pytest.approx((known.statistic, known.pvalue))
    assert found.f == pytest.approx(11 * found.chi2 / (12 * 4 - found.chi2))


def test_perfect_order_and_no_order():
    order = np.tile([3.0, 2.0, 1.0], (6, 1))
    assert friedman(order).chi2 == pytest.approx(12) and np.isinf(friedman(order).f)
    assert friedman(np.ones((6, 3))).p_chi2 == 1.0
    with pytest.raises(ValueError, match="3 rows"):
        friedman(order[:, :2])


def test_false_alarms_of_critical_differences():
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(1000):
        found = friedman(rng.normal(size=(10, 4)))
        wrong += np.ptp(found.mean_ranks) > found.critical
    assert wrong / 1000 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_rows_that_tie_on_paper_rank_alike():
    """Four rows of the same three seeds in another order: their means differ in the last digit only."""
    seeds = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1], [0.1, 0.3, 0.2]]
    scores = np.tile([np.mean(one) for one in seeds], (6, 1))
    assert len(set(scores[0])) > 1
    found = friedman(scores)
    assert (found.chi2, found.p_chi2, found.p_f) == (0.0, 1.0, 1.0) and found.mean_ranks.tolist() == [2.5] * 4


def test_an_order_without_exception_has_the_p_of_that_order():
    found = friedman(np.tile([3.0, 2.0, 1.0], (6, 1)))
    assert found.freedom == (2, 10) and found.p_f == pytest.approx(6.0**-5)


def test_groups_are_the_largest_that_lie_within_the_difference():
    assert groups(np.array([1.0, 1.5, 2.4, 4.0]), 1.0) == [(0, 1), (1, 2)]
    assert groups(np.array([3.0, 1.0, 2.0]), 5.0) == [(1, 2, 0)] and groups(np.array([1.0, 3.0]), 1.0) == []
    assert groups(np.array([1.0, 2.0, 3.0]), 1.0) == [(0, 1), (1, 2)], "a difference of the critical one is none"


@pytest.mark.parametrize(("k", "quantile"), [(2, 1.960), (4, 2.394), (8, 2.690), (10, 2.773)])
def test_differences_to_a_control_are_those_of_the_published_table(k, quantile):
    """Demsar 2006, Table 5 (b)."""
    assert control_difference(14, k) == pytest.approx(quantile * np.sqrt(k * (k + 1) / (6 * 14)), rel=3e-4)


def test_interquartile_mean_is_that_of_scipy_and_robust():
    value, _ = interquartile_mean([np.array([1.0, 2.0, 3.0, 1000.0])])
    assert value == 2.5
    scores = np.random.default_rng(0).normal(size=23)
    assert interquartile_mean([scores])[0] == pytest.approx(trim_mean(scores, 0.25))


def test_its_error_is_that_of_a_bootstrap_within_data_sets():
    rng = np.random.default_rng(1)
    scores = [rng.normal(at, 1, 40) for at in (0.0, 0.5, 3.0)]
    drawn = np.concatenate([own[rng.integers(40, size=(4000, 40))] for own in scores], axis=1)
    assert interquartile_mean(scores)[1].error == pytest.approx(trim_mean(drawn, 0.25, axis=1).std(), rel=0.1)


@pytest.mark.parametrize(("strata", "seeds"), [(1, 6), (1, 30), (3, 5), (3, 10), (12, 3)])
@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_its_interval_covers(strata, seeds, apart):
    rng, hits, times = np.random.default_rng([strata, seeds]), 0, 800
    for _ in range(times):
        scores = [rng.normal(apart * (at - (strata - 1) / 2), 1, seeds) for at in range(strata)]
        _, found = interquartile_mean(scores)
        hits += found.low <= 0 <= found.high
    assert hits / times >= 0.90
