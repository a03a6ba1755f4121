"""Errors, intervals and p-values: each shown by simulation to cover what it claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from qinn_bench.statistics import estimates
from qinn_bench.values import Estimate, Refused


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20230224)


def test_bootstrap_of_a_mean_gives_the_standard_error_of_the_mean(rng):
    rows = rng.exponential(size=500)
    found = estimates.bootstrap(rows, lambda stack: stack.mean(1), rng, replicates=4000)
    assert found.error == pytest.approx(rows.std() / np.sqrt(500), rel=0.05)
    assert found.low < rows.mean() < found.high


def test_bootstrap_interval_covers_the_true_mean_at_its_level(rng):
    covered = 0
    for _ in range(300):
        found = estimates.bootstrap(rng.normal(3.0, 2.0, 60), lambda stack: stack.mean(1), rng, 300, level=0.9)
        covered += found.low < 3.0 < found.high
    assert 0.84 < covered / 300 < 0.94


def test_bootstrap_in_pieces_is_the_bootstrap_at_once(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(40, 2))
    at_once = estimates.bootstrap(rows, lambda stack: stack[..., 0].mean(1), np.random.default_rng(1), 50)
    monkeypatch.setattr(estimates, "CHUNK", 400)
    assert estimates.bootstrap(rows, lambda stack: stack[..., 0].mean(1), np.random.default_rng(1), 50) == at_once


def test_bootstrap_draws_only_from_the_generator_it_is_given():
    rows = np.arange(30.0)
    first, second = (
        estimates.bootstrap(rows, lambda stack: stack.mean(1), np.random.default_rng(7), 20) for _ in range(2)
    )
    assert first == second


def test_resampling_counts_sum_to_the_number_of_rows_and_vary_like_poisson(rng):
    counts = estimates.resampling_counts(100, 2000, rng)
    assert counts.shape == (2000, 100)
    assert (counts.sum(1) == 100).all()
    assert counts.var() == pytest.approx(0.99, abs=0.02)


def _seed(value: float | None, error: float | None = 0.1, **other: object) -> Estimate:
    return Estimate(value=value, error=error, n=100, unit="nats", better="lower", **other)


def test_combine_adds_scatter_between_seeds_and_error_within():
    found = estimates.combine([_seed(1.0, 0.3), _seed(2.0, 0.4), _seed(3.0, 0.5)])
    assert found.value == 2.0
    assert found.error == pytest.approx(np.sqrt(1.0 / 3 + 0.4**2))
    assert (found.n, found.unit, found.better, found.note) == (100, "nats", "lower", "")


def test_combine_of_one_seed_keeps_its_error():
    assert estimates.combine([_seed(1.5, 0.2)]).error == pytest.approx(0.2)
    assert estimates.combine([_seed(1.5, None)]).error is None


def test_combine_says_which_seeds_have_no_value():
    found = estimates.combine([_seed(1.0), _seed(None, None, note="the mass is zero"), _seed(3.0)])
    assert found.value == 2.0
    assert found.note == "2 of 3 seeds have a value: the mass is zero"
    none = estimates.combine([_seed(None, None, note="a"), _seed(None, None, note="b")])
    assert none.value is None
    assert none.note == "no seed has a value: a; b"


def test_combine_refuses_different_units_and_nothing():
    with pytest.raises(ValueError, match="one unit"):
        estimates.combine([_seed(1.0), Estimate(value=1.0, unit="bits", better="lower")])
    with pytest.raises(ValueError, match="one unit"):
        estimates.combine([])


@pytest.mark.parametrize("seed_scatter", [0.0, 0.5, 3.0])
def test_combined_error_covers_the_truth_when_the_test_rows_are_shared(rng, seed_scatter):
    covered = 0
    for _ in range(2000):
        rows = rng.normal()
        seeds = rows + seed_scatter * rng.normal(size=10)
        found = estimates.combine([_seed(float(value), 1.0) for value in seeds])
        covered += abs(found.value) < found.error
    assert 0.62 < covered / 2000 < 0.74


def test_permutation_p_is_uniform_under_the_null_and_never_zero(rng):
    ps = np.array([estimates.permutation_p(rng.normal(), rng.normal(size=99)) for _ in range(3000)])
    assert np.mean(ps <= 0.05) == pytest.approx(0.05, abs=0.015)
    assert estimates.permutation_p(1e9, np.zeros(99)) == 0.01


def test_garwood_ends_leave_the_tail_probabilities_and_the_tabulated_values():
    counts = np.array([0.0, 1.0, 3.0, 10.0])
    low, high = estimates.garwood(counts)
    tail = (1 - estimates.ONE_SIGMA) / 2
    assert poisson.sf(counts[1:] - 1, low[1:]) == pytest.approx(tail)
    assert poisson.cdf(counts, high) == pytest.approx(tail)
    assert low == pytest.approx([0.0, 0.173, 1.367, 6.891], abs=1e-3)
    assert high == pytest.approx([1.841, 3.300, 5.918, 14.267], abs=1e-3)


@pytest.mark.parametrize("mean", [0.5, 2.3, 7.7, 40.0])
def test_garwood_never_undercovers(mean):
    counts = np.arange(200.0)
    low, high = estimates.garwood(counts)
    inside = (low <= mean) & (mean <= high)
    assert poisson.pmf(counts, mean)[inside].sum() >= estimates.ONE_SIGMA


def test_degenerate_error_recovers_both_limits():
    assert estimates.degenerate_error(2.0, 1.0) == 1.0
    assert estimates.degenerate_error(101.0, 1.0) == 10.0
    assert estimates.degenerate_error(0.5, 1.0) == 1.0


def test_seeds_of_different_units_or_directions_are_refused_in_a_sentence():
    odd = [Estimate(value=1.0, unit="nats", better="lower"), Estimate(value=1.0, unit="nats", better="none")]
    with pytest.raises(Refused, match="have 'nats', lower and 'nats', none"):
        estimates.combine(odd)


@pytest.mark.parametrize("largest", [1e200, 1e308, 1.7e308])
def test_seeds_of_the_largest_numbers_have_a_mean_and_an_error(largest):
    found = estimates.combine([Estimate(value=sign * largest, error=largest) for sign in (1, -1, 1)])
    assert found.value == pytest.approx(largest / 3) and found.error >= largest * 0.99
