"""The number of modes of a sample: against a slow twin, with its error rate and power."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import ks_2samp, kstest

from qinn_bench.statistics.dips import dip
from qinn_bench.statistics.modes import at_least_modes, count_modes, dip_test
from qinn_bench.statistics.taut_strings import distance
from qinn_bench.values import Refused


def slow_dip(values):
    """The nearest distribution function that is convex before one value and concave after it, by linear programs."""
    x, counts = np.unique(np.asarray(values, float), return_counts=True)
    up = np.cumsum(counts) / counts.sum()
    down = up - counts / counts.sum()
    return min(nearest(x, down, up, mode) for mode in range(len(x)))


def nearest(x, down, up, mode):
    # Unknown: the function at the values up to the mode, and at those from the mode on; the distance.
    left, right = list(range(mode + 1)), list(range(mode, len(x)))
    size = len(left) + len(right) + 1
    sides, limits = [], []

    def below(limit, **terms):
        row = np.zeros(size)
        for place, factor in terms.items():
            row[int(place[1:])] = factor
        sides.append(row)
        limits.append(limit)

    last = size - 1
    for column, point in enumerate([*left, *right]):
        for height in (
            {"left": (down,), "right": (up,)}["left" if column < len(left) else "right"]
            if point == mode
            else (down, up)
        ):
            below(height[point], **{f"_{column}": 1, f"_{last}": -1})
            below(-height[point], **{f"_{column}": -1, f"_{last}": -1})
    below(0.0, **{f"_{mode}": 1, f"_{mode + 1}": -1})
    for start, points, sign in ((0, left, 1), (len(left), right, -1)):
        for i in range(len(points) - 2):
            near, far = x[points[i + 1]] - x[points[i]], x[points[i + 2]] - x[points[i + 1]]
            below(
                0.0,
                **{
                    f"_{start + i}": -sign / near,
                    f"_{start + i + 1}": sign * (1 / near + 1 / far),
                    f"_{start + i + 2}": -sign / far,
                },
            )
        for i in range(len(points) - 1):
            below(0.0, **{f"_{start + i}": 1, f"_{start + i + 1}": -1})
    cost = np.zeros(size)
    cost[last] = 1
    return linprog(cost, A_ub=np.array(sides), b_ub=limits, bounds=[(None, None)] * size).fun


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=4, max_size=12), st.booleans())
def test_dip_is_the_distance_to_the_nearest_function_with_one_mode(values, continuous):
    x = np.array(values, float)
    if continuous:
        x = x + np.random.default_rng(len(values)).random(len(x))
    assert dip(x) == pytest.approx(max(slow_dip(x), 0.5 / len(x)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 60), st.integers(0, 10**6))
def test_distance_to_one_mode_is_the_dip(size, seed):
    x = np.random.default_rng(seed).standard_cauchy(size)
    assert distance(x, 1) == pytest.approx(dip(x), abs=1e-6)


def shapes(rng, n):
    """Densities with one mode: flat, cut off, bell-shaped, with heavy tails and with a step."""
    return {
        "uniform": rng.random(n),
        "normal": rng.normal(size=n),
        "exponential": rng.exponential(size=n),
        "Student's t with 2 degrees of freedom": rng.standard_t(2, size=n),
        "two uniform ones on each other": np.where(rng.random(n) < 0.5, rng.random(n), 3 * rng.random(n)),
    }


def test_a_mode_too_many_is_shown_in_at_most_5_percent_of_samples():
    rng = np.random.default_rng(3)
    n, draws = 300, 400
    null = np.sort([dip(rng.random(n)) for _ in range(2000)])
    largest = null[int(0.95 * len(null))]
    # The dip test draws its null anew each time; here all samples are held to one.
    dips = np.array([[dip(values) > largest for values in shapes(rng, n).values()] for _ in range(draws)])
    assert (dips.mean(0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)).all()
    for separate in (np.array([0.0, 4.0]), np.array([0.0, 20.0])):
        wrong = [
            at_least_modes(values + rng.choice(separate * spread, n), 3, rng)[0]
            for _ in range(20)
            for values, spread in ((values, np.quantile(np.abs(values), 0.9)) for values in shapes(rng, n).values())
        ]
        assert np.mean(wrong) < 0.05


def test_dip_test_of_uniform_values_has_a_uniform_p_value():
    rng = np.random.default_rng(5)
    p = np.array([dip_test(rng.random(60), rng, replicates=99)[1] for _ in range(150)])
    assert kstest(p, "uniform").pvalue > 1e-3


def test_large_samples_are_held_to_the_null_of_1000_values():
    rng = np.random.default_rng(6)
    small, large = (np.sqrt(n) * np.array([dip(rng.random(n)) for _ in range(300)]) for n in (1000, 8000))
    assert ks_2samp(small, large).pvalue > 1e-3


@pytest.mark.slow
def test_modes_that_are_there_are_shown():
    rng = np.random.default_rng(7)
    n = 900
    shown = [dip_test(rng.normal(size=n) + rng.choice([0, 5], n, p=[0.7, 0.3]), rng, 99)[1] <= 0.05 for _ in range(20)]
    assert np.mean(shown) >= 0.95
    many = [count_modes(rng.normal(size=n) + 7 * rng.integers(0, modes, n), rng)[0] for modes in (1, 2, 3, 4)]
    assert many == [1, 2, 3, 4]


@pytest.mark.parametrize(("values", "modes"), [(np.zeros(9), 2), (np.array([np.nan] * 20), 2), (np.zeros(20), 0)])
def test_a_sample_that_has_no_modes_to_speak_of_is_refused(values, modes):
    with pytest.raises(Refused):
        at_least_modes(values, modes, np.random.default_rng(0))
