"""Numbers that no single row can ruin: clipped distances, outliers, the worst ten rows; closed forms and slow twins."""

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, wasserstein_distance

from qinn_bench.metrics import likelihood, outside, wasserstein
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._columns import with_outliers
from qinn_bench.values import Estimate

N = 40_000


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 1.0), (0.0, 1.5), (-2.0, 0.5), (40.0, 1.0)])
def test_the_clipped_distance_of_two_normals_is_the_integral_between_the_ends(shift, scale):
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(size=N), shift + scale * rng.normal(size=N)
    ends = norm.ppf([wasserstein.TAIL, 1 - wasserstein.TAIL])
    x = np.linspace(*ends, 20_001)
    expected = np.trapezoid(np.abs(norm.cdf(x) - norm.cdf(x, shift, scale)), x)
    sides = wasserstein.clipped(truth, generated)
    assert wasserstein_distance(*sides) == pytest.approx(expected, abs=0.02, rel=0.06)
    assert expected <= ends[1] - ends[0], "it is bounded, however far the shift"


def evidence(generated, truth=None, **more):
    rng = np.random.default_rng(5)
    return synthetic.evidence(synthetic.rows(len(generated), rng) if truth is None else truth, generated, **more)


def slow_clipped_w1(given):
    """Row by row and value by value."""
    support, found = given.data.support, {}
    kept = [row for row in given.generated if not np.isfinite(row).all() or support(row[None])[0]]
    for at, name in enumerate(("mass", "x", "t")):
        truth = sorted(given.truth[:, at])
        low, middle, high = np.quantile(truth, [0.001, 0.5, 0.999])
        worst = high if high - middle >= middle - low else low
        inside = [min(max(value, low), high) for value in truth]
        drawn = [worst if np.isnan(row[at]) else min(max(row[at], low), high) for row in kept]
        found[f"clipped_w1_{name}"] = wasserstein_distance(inside, drawn) / np.std(inside)
    return found | {"clipped_w1_mean": np.mean(list(found.values()))}


def test_the_clipped_distance_has_its_slow_twin():
    rng = np.random.default_rng(2)
    rows = synthetic.rows(400, rng, shift=0.3)
    rows[:9, 1] = [np.nan, np.inf, -np.inf, 1e300, -1e30, 50.0, np.nan, 3.0, 4.0]
    rows[20:30, 0] = 500.0
    given = evidence(rows)
    found = wasserstein.clipped_w1(given)
    assert {name: column.value for name, column in found.items()} == pytest.approx(slow_clipped_w1(given))


@pytest.mark.parametrize("name", ["clipped_w1", "clipped_swd", "mmd", "sep", "c2st"])
@pytest.mark.parametrize("far", [1e6, 1e60, np.inf, -np.inf, np.nan])
def test_one_far_row_moves_no_number_much(name, far):
    rng = np.random.default_rng(3)
    rows, spoiled = (synthetic.rows(500, np.random.default_rng(3)) for _ in range(2))
    spoiled[7, 1] = far
    metric = all_metrics()[name].compute
    truth = synthetic.rows(500, rng)
    before, after = (metric(evidence(some, truth)) for some in (rows, spoiled))
    for column, one in after.items():
        assert one.value is not None, column
        assert abs(one.value - before[column].value) < 0.1, column


def test_the_raw_distance_is_what_one_far_row_makes_it():
    rows = synthetic.rows(500, np.random.default_rng(3))
    rows[7, 1] = 1e60
    assert wasserstein.w1(evidence(rows))["w1_x"].value > 1e57
    assert wasserstein.clipped_w1(evidence(rows))["clipped_w1_x"].value < 0.2


def test_the_clipped_distance_of_a_heavy_tail_repeats_itself_between_samples():
    rng = np.random.default_rng(4)
    truth = synthetic.rows(2000, rng)
    found = {"w1_x": [], "clipped_w1_x": []}
    for _ in range(12):
        rows = synthetic.rows(2000, rng)
        rows[:, 1] = rng.standard_cauchy(2000) ** 3
        given = evidence(rows, truth)
        found["w1_x"].append(wasserstein.w1(given)["w1_x"].value)
        found["clipped_w1_x"].append(wasserstein.clipped_w1(given)["clipped_w1_x"].value)
    spread = {name: np.std(values) / np.mean(values) for name, values in found.items()}
    assert spread["clipped_w1_x"] < 0.1 < 1 < spread["w1_x"]


def test_too_few_selected_rows_leave_no_number():
    rows = synthetic.rows(100, np.random.default_rng(6))
    rows[15:, 0] = 0.0
    for compute in (wasserstein.clipped_w1, wasserstein.clipped_swd):
        for column in compute(evidence(rows)).values():
            assert column.value is None and "only 15 of 100 generated rows lie in the selection" in column.note


# The share of rows outside.


def test_each_way_to_be_outside_counts_once():
    rng = np.random.default_rng(7)
    truth, rows = synthetic.rows(300, rng), synthetic.rows(300, rng)
    rows[0] = np.nan
    rows[1, 1] = np.inf
    rows[2, 0] = 200.0  # outside of the selection
    rows[3, 1] = 100.0  # beyond twice the range
    rows[4] = [500.0, 100.0, 1.0]
    rows[5, 2] = 1e-300  # a feature far beyond: the logarithm
    low, high = truth[:, 1].min(), truth[:, 1].max()
    rows[6, 1] = high + 0.49 * (high - low)
    rows[7, 1] = low - 0.51 * (high - low)
    column = outside.out(evidence(rows, truth))["out"]
    assert column.value == pytest.approx(7 / 300)
    assert column.error == pytest.approx(np.sqrt(7 * 293 / 300**3))


def test_true_rows_are_hardly_ever_outside_and_the_error_is_not_zero():
    rng = np.random.default_rng(8)
    column = outside.out(evidence(synthetic.rows(1000, rng), synthetic.rows(1000, rng)))["out"]
    assert column.value <= 0.005 and 0 < column.error < 0.01
    none = outside.out(evidence(np.full((50, 3), np.nan), synthetic.rows(50, rng)))["out"]
    assert none.value == 1.0 and binom.cdf(49, 50, 1 - none.error) == pytest.approx(1 - 0.1587, abs=0.01)


# Rows that are no numbers.


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([1e-200, 1e-3, 1.0, 1e9, 1e200]), st.floats(-3, 3))
def test_a_value_that_is_no_number_lies_beyond_all_true_ones(seed, scale, offset):
    rng = np.random.default_rng(seed)
    truth, generated = scale * (rng.normal(size=(30, 2)) + offset), scale * rng.normal(size=(30, 2))
    generated[3], generated[4, 1], generated[5, 0] = np.nan, np.inf, -np.inf
    [(same, placed)], note = with_outliers((truth, generated))
    assert same is truth and np.isfinite(placed).all() and note.startswith("3 of 30 generated rows are not finite")
    assert (placed[3] > truth.max(0)).all() and placed[4, 1] > truth[:, 1].max() and placed[5, 0] < truth[:, 0].min()
    kept = np.isfinite(generated)
    assert (placed[kept] == generated[kept]).all()
    assert with_outliers((truth, np.abs(truth)))[1] == ""


def test_a_note_counts_the_rows_that_are_no_numbers():
    rows = synthetic.rows(300, np.random.default_rng(9))
    rows[[4, 5], 0] = np.nan
    for name in ("mmd", "sep", "chi2", "c2st", "shorth", "peak"):
        for column in all_metrics()[name].compute(evidence(rows)).values():
            assert "2 of 300 generated rows are not finite and count as outliers" in column.note, name


def test_more_rows_that_are_no_numbers_are_worse():
    rng = np.random.default_rng(10)
    truth, base = synthetic.rows(400, rng), synthetic.rows(400, rng)
    for name, column in (("clipped_w1", "clipped_w1_mean"), ("clipped_swd", "clipped_swd"), ("out", "out")):
        seen = []
        for lost in (0, 4, 40, 200, 400):
            rows = base.copy()
            rows[:lost] = np.nan
            seen.append(all_metrics()[name].compute(evidence(rows, truth))[column].value)
        assert seen == sorted(seen) and seen[-1] > 3 * seen[0], name


# The worst rows of a likelihood.


def worst(losses):
    given = evidence(synthetic.rows(len(losses), np.random.default_rng(0)), log_prob=-np.asarray(losses))
    return likelihood.nll_worst10(given)["nll_worst10"]


def test_the_worst_ten_rows_have_their_slow_twin_and_mind_no_unit():
    losses = np.random.default_rng(11).standard_t(2, size=500)
    expected = sum(sorted(losses)[-10:]) / 500 - 10 * np.median(losses) / 500
    assert worst(losses).value == pytest.approx(expected)
    assert worst(losses + 1e3).value == pytest.approx(expected)
    assert worst(losses).error > 0 and worst(losses).better == "none"


def test_of_a_normal_the_worst_ten_rows_are_its_largest_order_statistics():
    losses = np.random.default_rng(12).normal(size=40_000)
    order = 10 * 3.51 / 40_000  # about the mean of the ten largest of 40 000
    assert worst(losses).value == pytest.approx(order, rel=0.1)


def test_one_row_can_carry_a_likelihood_and_is_told():
    losses = np.zeros(1000)
    losses[3] = 5e5
    assert worst(losses).value == pytest.approx(500.0)
    assert worst([1.0] * 10).value is None and "at least 20" in worst([1.0] * 10).note
    assert "not finite" in worst([np.inf] + [1.0] * 40).note
    assert isinstance(worst([1.0] * 40), Estimate)
