"""Rankings against a published worked example, SciPy, and simulated coverage."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from qinn_bench.rankings import critical_difference, friedman, interquartile_mean

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


def test_interquartile_mean_is_robust_and_covers():
    rng = np.random.default_rng(7)
    value, _ = interquartile_mean([np.array([1.0, 2.0, 3.0, 1000.0])], rng)
    assert value == 2.5
    hits = 0
    for _ in range(300):
        scores = [rng.normal(at, 1, 10) for at in (0.0, 0.0, 0.0)]
        _, found = interquartile_mean(scores, rng, 400)
        hits += found.low <= 0 <= found.high
    assert 0.9 < hits / 300 <= 0.98
