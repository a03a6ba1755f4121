"""The last stored digits of columns are found, and a density that stands on them gains nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_audit import Claimed, audit, dataset

from qinn_bench.data.transforms import Columnwise, Logit
from qinn_bench.records import store
from qinn_bench.validity.stored_digits import dequantise, last_digits, most_tied, moved_test_rows, ties

RNG = np.random.default_rng(0)
X = RNG.normal(size=4000)
ANGLES = RNG.uniform(-np.pi, np.pi, (2, 4000)).astype(np.float32).astype(float)
STEPS = {
    "two decimals": (np.round(X, 2), 0.01),
    "two decimals in float32": (np.round(X, 2).astype(np.float32).astype(float), 0.01),
    "counts": (RNG.poisson(3.0, 4000).astype(float), 1.0),
    "quarters": (np.round(4 * X) / 4, 0.25),
    "sevenths": (np.round(7 * X) / 7, 1 / 7),
    "steps of 0.025 with an offset": (0.025 * np.round(40 * X) + 0.011, 0.025),
    "differences of float32 angles": ((ANGLES[0] - ANGLES[1] + np.pi) % (2 * np.pi) - np.pi, 2.0**-22),
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_is_found(kind):
    column, step = STEPS[kind]
    assert np.median(last_digits(column)) == pytest.approx(step, rel=1e-3)


@pytest.mark.parametrize(("kind", "digits"), [(np.float64, 52), (np.float32, 23), (np.float16, 10)])
def test_the_precision_is_found(kind, digits):
    column = np.abs(X).astype(kind).astype(float) + 0.0
    relative = np.log2(column / last_digits(column))
    assert np.median(relative) == pytest.approx(digits + 0.5, abs=1.0)


def test_significant_digits_are_found():
    column = np.array([float(f"{value:.3g}") for value in np.exp(3 * X)])
    expected = 10.0 ** (np.floor(np.log10(column)) - 2)
    assert np.median(last_digits(column) / expected) == pytest.approx(1)


@pytest.mark.parametrize("law", [stats.norm, stats.cauchy, stats.expon, stats.uniform, stats.lognorm(3)])
def test_numbers_that_were_not_rounded_are_left_alone(law):
    column = law.rvs(size=4000, random_state=1)
    assert (last_digits(column) / np.abs(column)).max() < 1e-9 and ties(column) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=40))
def test_any_column_has_finite_digits(values):
    found = last_digits(np.array(values, dtype=float))
    assert found.shape == (len(values),) and np.isfinite(found).all() and (found >= 0).all()


def test_most_values_that_are_one_number_say_so():
    column = np.where(RNG.random(4000) < 0.6, 0.0, X)
    data = dataset(np.stack([X, column], 1))
    share, name = most_tied(data)
    assert share == pytest.approx(0.6, abs=0.05) and name == "x1"
    law = stats.multivariate_normal(np.zeros(2), np.eye(2))
    certificate = audit(Claimed(law.logpdf), data.train, draws=5000)
    assert certificate.ties == pytest.approx(0.6, abs=0.05)
    assert any("come more than once" in reason for reason in certificate.reasons)


def test_noise_keeps_rows_inside_the_domain_and_within_a_digit():
    rows = np.round(RNG.uniform(0.005, 0.995, (3000, 1)), 2).clip(0.001, 0.999)
    moved = dequantise(rows, rows, Columnwise((Logit(0.0, 1.0),)), np.random.default_rng(2))
    assert ((moved > 0) & (moved < 1)).all() and np.abs(moved - rows).max() <= 0.0051
    assert np.isfinite(Logit(0.0, 1.0).forward(moved[:, 0])[0]).all()


def test_the_noise_is_the_same_each_time():
    data = dataset(np.round(RNG.normal(size=(200, 2)), 2))
    first, second = moved_test_rows(data), moved_test_rows(data)
    assert (first == second).all() and (first != data.test).any()


def test_a_density_on_the_numbers_that_can_be_stored_gains_nothing():
    """Half of it is spread, half stands on float32 numbers, where each is claimed e^5 times as likely."""
    rows = RNG.normal(size=(6000, 2)).astype(np.float32).astype(float)
    law = stats.multivariate_normal(np.zeros(2), np.eye(2))

    def log_density(x):
        on = (x.astype(np.float32) == x).all(1)
        return law.logpdf(x) + np.where(on, 5.0, 0.0)

    certificate = audit(Claimed(log_density), rows, draws=20_000, generated=law.rvs(3000, random_state=3))
    assert certificate.verdict == "undecided" and certificate.stored_digits == pytest.approx(5, abs=1e-3)
    assert certificate.excess == 0 and "training rows" in certificate.reasons[0]
    moved = log_density(moved_test_rows(dataset(rows)))
    assert moved.mean() == pytest.approx(law.logpdf(rows[3000:]).mean(), abs=1e-4)


def test_likelihoods_are_those_of_moved_rows_where_they_were_taken():
    old, new = np.zeros(3), np.ones(3)
    assert store.likelihoods({"log_prob": old}) is old and store.likelihoods({}) is None
    assert store.likelihoods({"log_prob": old, store.WITHIN_DIGITS: new}) is new
