"""Every map is undone by its inverse and states the logarithm of its own derivative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.data.transforms import (
    LIMIT,
    Affine,
    Chain,
    Columnwise,
    Identity,
    Logit,
    LogShift,
    Probit,
    fitted,
    standardise,
)

MAPS = {
    "identity": (Identity(), -50.0, 50.0),
    "affine": (Affine(3.0, -0.25), -50.0, 50.0),
    "log": (LogShift(15.0), 15.0, 200.0),
    "logit": (Logit(66.0, 116.0), 66.0, 116.0),
    "probit": (Probit(-np.pi, np.pi), -np.pi, np.pi),
}


@pytest.fixture(params=MAPS)
def case(request):
    one, low, high = MAPS[request.param]
    return one, np.linspace(low, high, 400)[1:-1]


def test_the_inverse_undoes_the_map(case):
    one, x = case
    np.testing.assert_allclose(one.inverse(one.forward(x)[0]), x, rtol=1e-12, atol=1e-12)


def test_the_log_derivative_is_that_of_central_differences(case):
    one, x = case
    step = 1e-5
    slope = (one.forward(x + step)[0] - one.forward(x - step)[0]) / (2 * step)
    np.testing.assert_allclose(one.forward(x)[1], np.log(np.abs(slope)), atol=1e-5)


@pytest.mark.parametrize("one", [Logit(66.0, 116.0), Probit(-np.pi, np.pi)], ids=["logit", "probit"])
@settings(max_examples=50, deadline=None)
@given(y=st.floats(-5.0, 5.0))
def test_bounded_maps_come_back_in_their_interval(one, y):
    x = one.inverse(np.array([y]))
    assert one.low < x[0] < one.high
    np.testing.assert_allclose(one.forward(x)[0], y, atol=1e-8)


@pytest.mark.parametrize("one", [one for one, _, _ in MAPS.values()], ids=list(MAPS))
def test_any_finite_feature_gives_a_finite_row(one):
    assert np.isfinite(one.inverse(np.array([-1e6, -LIMIT, 0.0, LIMIT, 1e6]))).all()


def test_outside_the_domain_there_is_no_feature():
    for one, x in ((LogShift(15.0), 14.0), (Logit(66.0, 116.0), 120.0), (Probit(-1.0, 1.0), 2.0)):
        assert np.isnan(one.forward(np.array([x]))[0]).all()


def test_the_probit_of_a_uniform_angle_is_a_standard_normal():
    angle = np.random.default_rng(1).uniform(-np.pi, np.pi, 100_000)
    y, logdet = Probit(-np.pi, np.pi).forward(angle)
    assert abs(y.mean()) < 0.015
    assert abs(y.std() - 1) < 0.01
    # A uniform density 1 / 2 pi is the normal density times the derivative, point by point.
    np.testing.assert_allclose(-0.5 * y**2 - 0.5 * np.log(2 * np.pi) + logdet, -np.log(2 * np.pi), atol=1e-12)


def test_columns_have_their_own_map_and_their_log_derivatives_add_up():
    rows = np.random.default_rng(2).uniform(70.0, 110.0, (20, 3))
    maps = (LogShift(15.0), Identity(), Logit(66.0, 116.0))
    features, logdet = Columnwise(maps).forward(rows)
    for i, one in enumerate(maps):
        np.testing.assert_array_equal(features[:, i], one.forward(rows[:, i])[0])
    np.testing.assert_allclose(logdet, sum(one.forward(rows[:, i])[1] for i, one in enumerate(maps)))


def test_a_chain_goes_forth_in_order_and_back_in_reverse():
    rows = np.random.default_rng(3).uniform(20.0, 100.0, (50, 2))
    log, affine = Columnwise((LogShift(15.0),) * 2), Columnwise((Affine(1.0, 2.0),) * 2)
    chain = Chain((log, affine))
    features, logdet = chain.forward(rows)
    np.testing.assert_allclose(features, (np.log(rows - 15.0) - 1.0) / 2.0)
    np.testing.assert_allclose(logdet, -np.log(rows - 15.0).sum(1) - 2 * np.log(2.0))
    np.testing.assert_allclose(chain.inverse(features), rows, rtol=1e-12)


def test_standardised_training_features_have_mean_0_and_deviation_1():
    rows = np.random.default_rng(4).gamma(2.0, 20.0, (1000, 2)) + 15.0
    for features in (
        standardise(rows).forward(rows)[0],
        fitted((Columnwise((LogShift(15.0),) * 2),), rows).forward(rows)[0],
    ):
        np.testing.assert_allclose(features.mean(0), 0.0, atol=1e-12)
        np.testing.assert_allclose(features.std(0), 1.0, atol=1e-12)
