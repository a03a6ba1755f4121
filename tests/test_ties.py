"""Values that are equal on paper: ranks, zero differences, order-free means, against exact decimal arithmetic."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from qinn_bench.metrics import mmd
from qinn_bench.statistics import ties
from qinn_bench.statistics.estimates import permutation_p

DECIMALS = st.integers(-2000, 2000)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(DECIMALS, DECIMALS), min_size=1, max_size=30), st.integers(0, 9), st.sampled_from([0, 7, 10**6])
)
def test_differences_of_decimals_rank_as_on_paper(pairs, digits, offset):
    exact = [a - b for a, b in pairs]
    first, second = (
        np.array([float(Decimal(x).scaleb(-digits) + offset) for x in side]) for side in zip(*pairs, strict=True)
    )
    if offset and digits > 4:
        return
    found = ties.ranks(first - second, np.abs(first) + np.abs(second))
    assert found.tolist() == rankdata(exact).tolist()
    snapped = ties.snapped(first - second, np.abs(first) + np.abs(second))
    assert ((snapped == 0) == (np.array(exact) == 0)).all()


def test_the_public_example_of_ranks():
    """SciPy issue 17667: the sizes of these differences have the ranks 1, 3, 3, 3."""
    x, y = np.array([0.5, 0.825, 0.375, 0.5]), np.array([0.525, 0.775, 0.325, 0.55])
    assert rankdata(abs(x - y)).tolist() != [1, 3, 3, 3], "so that rounding matters here"
    assert ties.ranks(abs(x - y), x + y).tolist() == [1, 3, 3, 3]


def test_each_line_is_ranked_by_itself_and_each_value_on_its_own_scale():
    block = np.array([[0.1 + 0.2, 0.3, 5.0], [1e-20, 2e-20, 2e39], [0.0, -0.0, -1.0]])
    assert ties.ranks(block).tolist() == [[1.5, 1.5, 3], [1, 2, 3], [2.5, 2.5, 1]]


def test_a_mean_of_seeds_in_any_order_is_one_number():
    orders = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]]
    assert len({ties.mean(np.array(one)) for one in orders}) == 1
    assert len({ties.deviation(np.array(one)) for one in orders}) == 1
    values = np.array([1e16, 1.0, -1e16, 0.1])
    assert ties.mean(values) == float(sum(map(Fraction, values.tolist())) / 4)


@pytest.mark.parametrize("unit", [1e-150, 1e-3, 1.0, 1e99])
def test_a_deviation_neither_overflows_nor_vanishes(unit):
    values = np.array([1.0, 2.0, 4.0])
    assert ties.deviation(values * unit) == pytest.approx(np.std(values, ddof=1) * unit)


def test_constant_is_up_to_rounding():
    assert ties.constant(np.full(4, 0.1) * (1 + 1e-15 * np.arange(4))) and ties.deviation(np.full(5, 0.1)) == 0
    assert not ties.constant(np.array([1.0, 1.0 + 1e-9])) and ties.constant(np.zeros(0))


def test_values_equal_to_one_on_paper_are_made_equal_to_it():
    found = ties.tied_to(np.array([0.1 + 0.2, 0.3 - 1e-9, 1e-15]), 0.3, 1.0)
    assert found.tolist() == [0.3, 0.3 - 1e-9, 1e-15] and ties.tied_to(np.array([1e-15]), 0.0, 1.0)[0] == 0.0


def test_permutations_that_repeat_the_observed_value_count():
    """Rows of two values only: most relabellings give the same MMD on paper, by sums in another order."""
    truth, generated = (np.array(one, dtype=float)[:, None] for one in ([0, 0, 1, 1, 0, 1], [1, 1, 0, 1, 1, 0]))
    found = mmd.discrepancy(truth, generated, lambda d2: np.exp(-d2 / 3) / 3, np.random.default_rng(0), 400)
    apart = np.abs(found.null - found.value)
    assert ((apart == 0) | (apart > 1e-9)).all() and np.sum(apart == 0) > 50
    same = mmd.discrepancy(truth, truth, lambda d2: np.full_like(d2, 0.1), np.random.default_rng(0), 50)
    assert permutation_p(same.value, same.null) == 1.0
