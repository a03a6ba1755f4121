"""p-values under random signs: closed forms, brute force, each method against the exact one, and error rates."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test, wilcoxon

from qinn_bench.statistics import sign_flips
from qinn_bench.statistics.corrections import holm
from qinn_bench.statistics.sign_flips import HALVES, LEAST, sign_flip_p, wilcoxon_p


def brute(whole):
    """Both p-values of whole numbers, all sign flips visited."""
    sums = np.array(list(product((1, -1), repeat=len(whole)))) @ np.array(whole)
    return float(np.mean(sums >= sum(whole))), float(np.mean(sums <= sum(whole)))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=12), st.sampled_from([1.0, 0.1, 0.05, 1 / 7, 1e-30, 1e30]))
def test_differences_in_steps_are_exact_with_all_ties(whole, step):
    assert sign_flip_p(np.array(whole) * step) == brute(whole)


def test_unequal_differences_agree_with_scipy():
    for n in (5, 8):
        d = np.random.default_rng(n).normal(0.4, 1, n)
        for at, side in enumerate(("greater", "less")):
            known = permutation_test((d,), np.mean, permutation_type="samples", alternative=side, n_resamples=np.inf)
            assert sign_flip_p(d)[at] == pytest.approx(known.pvalue, abs=1e-12)


def test_published_and_closed_forms():
    a = np.array([0.8, 0.9] * 6 + [0.7] * 3)
    b = np.array([0.7, 0.8] * 6 + [0.8] * 3)
    assert 2 * sign_flip_p(a - b, a + b)[0] == pytest.approx(0.0352, abs=5e-5), "12 wins of 15"
    assert 2 * sign_flip_p(np.full(10, 0.05))[0] == pytest.approx(0.0020, abs=5e-5)
    assert sign_flip_p(np.zeros(7)) == (1.0, 1.0) == sign_flip_p(np.array([1e-17, 0, 0]), np.ones(3))
    assert sign_flip_p(np.full(5000, 0.1)) == (LEAST, 1.0)


@pytest.mark.parametrize("n", [15, 29, 31, 60, 201, 999, 1001, 20_000])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.97])
def test_wins_and_losses_of_one_size_are_binomial(n, share):
    wins = int(share * n)
    a = np.random.default_rng(n).integers(2, 9, n) / 10
    b = a - np.where(np.arange(n) < wins, 0.1, -0.1)
    above, below = sign_flip_p(a - b, a + b)
    tolerance = 1e-9 if n <= 1000 else 1e-3
    assert above == pytest.approx(max(binom.sf(wins - 1, n, 0.5), LEAST), rel=tolerance)
    assert below == pytest.approx(binom.cdf(wins, n, 0.5), rel=tolerance)


def drawn(law, n, shift, seed=0):
    rng = np.random.default_rng([n, seed])
    noise = {
        "normal": rng.normal,
        "heavy": lambda size: rng.standard_t(1, size),
        "small": lambda size: rng.normal(size=size) ** 7,
    }
    return noise[law](size=n) + shift


LAWS = ("normal", "heavy", "small")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.8])
def test_rounding_to_cells_and_saddlepoints_come_near_the_exact_tail(law, shift):
    """At 24 and 28 differences, fewer than they are used for and so harder, all subsets can be counted."""
    for n, seed in product((24, 28), range(4)):
        d = drawn(law, n, shift, seed)
        exact = np.array([sign_flips._halved(d), sign_flips._halved(-d)])
        tail = sign_flips._tail(d)
        if exact.min() < 1e-6:
            continue
        assert np.array(sign_flips._convolved(d, tail / sign_flips.CELLS)) == pytest.approx(exact, rel=2e-3)
        assert np.array(sign_flips._saddlepoint(d, 0.0)) == pytest.approx(exact, rel=2e-2)


@pytest.mark.parametrize("law", LAWS[:2])
@pytest.mark.parametrize(("n", "shift"), [(210, 0.0), (210, 0.2), (210, 1.0), (400, 0.4), (800, 0.2)])
def test_saddlepoints_agree_with_convolution_far_out(law, n, shift):
    d = np.round(drawn(law, n, shift), 1)
    d = d[d != 0]
    exact, found = sign_flips._convolved(d, 0.1), sign_flips._saddlepoint(d, 0.1)
    assert found == pytest.approx(exact, rel=5e-3)


@pytest.mark.parametrize("law", LAWS)
def test_very_many_in_groups_are_as_one_by_one(law, monkeypatch):
    d = drawn(law, 6000, 0.02)
    grouped = sign_flips._saddlepoint(d, 0.0)
    monkeypatch.setattr(sign_flips, "KEPT", 6000)
    assert grouped == pytest.approx(sign_flips._saddlepoint(d, 0.0), rel=1e-4)


def test_cells_agree_with_whole_numbers():
    """Scores of six digits at sixty data sets: too many cells for the step itself, but not for the test of it."""
    d = np.round(drawn("normal", 60, 0.25), 4)
    step = sign_flips._step(d, np.abs(d))
    assert step == pytest.approx(1e-4, rel=1e-9)
    exact = sign_flips._convolved(d, step)
    assert sign_flips._convolved(d, sign_flips._tail(d) / sign_flips.CELLS) == pytest.approx(exact, rel=2e-3)


def test_methods_meet_where_one_takes_over():
    for n in (HALVES, sign_flips.CELLED):
        d = drawn("normal", n + 1, 0.2)
        both = [sign_flip_p(d[:k])[0] for k in (n - 1, n, n + 1)]
        assert max(both) < 3 * min(both), "no jump where the method changes"


def test_one_huge_difference_hides_nothing_from_the_others():
    for n in (12, 40, 300):
        d = np.concatenate([np.full(n - 1, 0.1), [-2e39]])
        above, below = sign_flip_p(d)
        assert below == pytest.approx(0.5) and above == pytest.approx(0.5 + 0.5**n)


def test_wilcoxon_with_ties_is_exact():
    """The pairs of SciPy issue 17667, and seven more: differences that tie on paper and not in binary numbers."""
    x, y = np.array([0.5, 0.825, 0.375, 0.5]), np.array([0.525, 0.775, 0.325, 0.55])
    assert wilcoxon_p(x - y, x + y) == brute([-1, 3, 3, -3])
    seven = np.array([[0.9, 0.8], [0.7, 0.6], [0.4, 0.3], [0.6, 0.5], [0.3, 0.2], [0.35, 0.65], [0.9, 1.1]])
    a, b = seven.T
    assert rounded_ranks_differ(a - b)
    assert min(1.0, 2 * min(wilcoxon_p(a - b, a + b))) == 2 * min(brute([3, 3, 3, 3, 3, -7, -6]))


def rounded_ranks_differ(d):
    return len(np.unique(np.abs(d))) > len(np.unique(np.round(np.abs(d), 9)))


@pytest.mark.parametrize("n", [9, 20, 45])
def test_wilcoxon_without_ties_agrees_with_scipy(n):
    d = np.random.default_rng(n).normal(0.3, 1, n)
    known = [wilcoxon(d, alternative=side, method="exact").pvalue for side in ("greater", "less")]
    assert wilcoxon_p(d) == pytest.approx(known, rel=1e-9)


def test_p_values_can_stand_among_hundreds():
    """Neighbours of forty rows that are far apart on fifty data sets: 780 pairs, all decided after Holm."""
    rows = np.arange(40)[:, None] + 0.01 * np.random.default_rng(0).normal(size=(40, 50))
    p = [2 * min(sign_flip_p(rows[i] - rows[j])) for i in range(40) for j in range(i)]
    assert max(holm(p)) < 1e-10


@pytest.mark.parametrize("test", [sign_flip_p, wilcoxon_p])
@pytest.mark.parametrize(("n", "law"), [(8, "scores"), (12, "scores"), (40, "scores"), (40, "heavy"), (230, "heavy")])
def test_false_alarms_stay_below_the_level(test, n, law):
    """Two rows that do not differ, with scores rounded to a few steps, so that ties and zeros are common."""
    rng, wrong, times = np.random.default_rng([n, len(law)]), 0, 600
    for _ in range(times):
        d = rng.integers(-3, 4, n) * 0.1 if law == "scores" else rng.standard_t(2, n)
        wrong += test(d)[0] <= 0.05
    assert wrong / times <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / times)


@pytest.mark.slow
@pytest.mark.parametrize("n", [15, 35, 120, 250])
def test_p_values_are_uniform_under_the_hypothesis(n):
    """At every level, not at 5 % alone: counts below 0.1, 1, 5 and 20 % are binomial, within four deviations."""
    rng, times = np.random.default_rng(n), 5000
    p = np.array([sign_flip_p(rng.standard_t(3, n))[0] for _ in range(times)])
    for level in (0.001, 0.01, 0.05, 0.2):
        assert abs(np.mean(p <= level) - level) <= 4 * np.sqrt(level * (1 - level) / times) + 2.0**-n


@pytest.mark.slow
def test_wilcoxon_with_holm_holds_the_family():
    """Five rows, scores of two digits on twenty data sets, two rows ahead: any false verdict among the equal ones."""
    rng, wrong, times = np.random.default_rng(7), 0, 3000
    for _ in range(times):
        rows = np.round(0.5 + 0.05 * rng.normal(size=(5, 20)) + 0.2 * (np.arange(5) < 2)[:, None], 2)
        names = [(i, j) for i in range(5) for j in range(i)]
        p = holm([min(1.0, 2 * min(wilcoxon_p(rows[i] - rows[j], rows[i] + rows[j]))) for i, j in names])
        wrong += any(one <= 0.05 for (i, j), one in zip(names, p, strict=True) if (i < 2) == (j < 2))
    assert wrong / times <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / times)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=16), st.sampled_from([0.01, 0.05, 0.2]))
def test_bounds_are_where_the_p_values_cross_the_level(differences, level):
    d = np.array(differences)
    low, high = sign_flips.sign_flip_bounds(d, level)
    assert low <= high or len(d) < 3
    if not np.isfinite(low):
        assert 0.5 ** len(d) > level
        return
    step = 1e-6 * (1 + np.abs(d).max())
    assert sign_flips.sign_flip_p(d - (low - step))[0] <= level < sign_flips.sign_flip_p(d - (low + step))[0]
    assert sign_flips.sign_flip_p(d - (high + step))[1] <= level < sign_flips.sign_flip_p(d - (high - step))[1]
