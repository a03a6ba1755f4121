"""Areas under ROC curves, points on them and paired differences: brute force, closed forms, coverage."""

from dataclasses import replace

import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from qinn_bench.dataset import Evidence, Parts
from qinn_bench.metrics.roc import auc, background_rejection, roc_auc, signal_efficiency, significance_improvement
from qinn_bench.statistics import paired
from qinn_bench.statistics.roc_curves import LabelledScores, curve_of, placements, row_values

N = 200


def evidence(scores=None, labels=None, rebuilt=None):
    data = zoo.toy(2)
    if labels is not None:
        n = len(labels)
        data = replace(data, test=np.zeros((n, 2)), labels=Parts(np.zeros(len(data.train)), np.zeros(100), labels))
    truth = data.test if rebuilt is None else data.test[: len(rebuilt)]
    return Evidence(data, truth, truth[:0], None, None, np.random.default_rng(0), True, scores, rebuilt)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=4, max_size=40))
def test_the_area_counts_pairs(rows):
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = roc_auc(replace(evidence(scores, labels), errors=False))["roc_auc"]
    signal, background = scores[labels == 1], scores[labels == 0]
    if min(len(signal), len(background)) < 2:
        assert found.value is None and "at least 2" in found.note
        return
    pairs = [(a > b) + (a == b) / 2 for a in signal for b in background]
    assert found.value == pytest.approx(np.mean(pairs)) and found.error > 0 and found.better == "higher"
    assert auc(np.exp(signal), np.exp(background)).value == pytest.approx(found.value)
    assert auc(-signal, -background).value == pytest.approx(1 - found.value)
    assert curve_of(signal, background).area == pytest.approx(found.value), "ties count half below the curve too"
    assert row_values(scores, labels).mean() == pytest.approx(found.value)


def test_its_error_covers():
    """Two normals one apart have the area Phi(1 / sqrt 2) = 0.7602."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        labels = np.repeat([0.0, 1.0], [120, 80])
        scores = rng.normal(size=N) + labels
        found = auc(scores[labels == 1], scores[labels == 0])
        inside += abs(found.value - 0.7602499) < 1.96 * found.error
    assert 0.92 < inside / 400 < 0.98


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.zeros(4), None, "no labels"),
        (None, np.array([0.0, 1, 0, 1]), "no scores"),
        (np.array([0, np.nan, np.inf, 1]), np.array([0.0, 1, 0, 1]), "2 of 4 scores are not finite"),
        (np.zeros(4), np.zeros(4), "at least 2"),
    ],
)
def test_what_has_no_area_says_why(scores, labels, says):
    found = roc_auc(evidence(scores, labels))["roc_auc"]
    assert found.value is None and says in found.note


def binormal(rng, n, m, apart):
    """Evidence of two normals of width 1 that are so far apart."""
    labels = np.repeat([1.0, 0.0], [n, m])
    return evidence(rng.normal(size=n + m) + apart * labels, labels)


@pytest.mark.parametrize("apart", [0.5, 2.0])
def test_points_on_the_curve_have_their_closed_form(apart):
    """A share b of background passes where its quantile is; of signal then passes Phi(apart - that quantile)."""
    found = signal_efficiency(binormal(np.random.default_rng(2), 8_000, 12_000, apart))
    for name, share in (("10_percent", 0.1), ("1_percent", 0.01), ("1_permille", 0.001)):
        one = found[f"signal_efficiency_at_{name}"]
        assert one.value == pytest.approx(norm.cdf(apart - norm.isf(share)), abs=4 * one.error)
    found = background_rejection(binormal(np.random.default_rng(3), 8_000, 12_000, apart))
    for name, share in (("30_percent", 0.3), ("50_percent", 0.5)):
        one = found[f"background_rejection_at_{name}"]
        assert one.value == pytest.approx(1 / norm.sf(apart + norm.isf(share)), abs=4 * one.error)
    found = significance_improvement(binormal(np.random.default_rng(4), 8_000, 12_000, apart))
    cuts = np.linspace(-3, norm.isf(25 / 12_000), 1000)
    best = np.max(norm.sf(cuts - apart) / np.sqrt(norm.sf(cuts)))
    one = found["significance_improvement"]
    assert one.value == pytest.approx(best, abs=4 * one.error)


def test_errors_of_points_cover():
    rng, true = np.random.default_rng(5), norm.cdf(1 - norm.isf(0.1))
    inside = []
    for _ in range(150):
        signal, background = rng.normal(1, 1, 300), rng.normal(size=400)
        scores = LabelledScores(signal, background)
        error = np.std([curve.signal_at(0.1) for curve in scores.resampled(60, rng)], ddof=1)
        inside.append(abs(scores.curve().signal_at(0.1) - true) < 1.96 * error)
    assert 0.88 < np.mean(inside) < 0.99


def test_the_bootstrap_interval_agrees_with_the_error():
    found = roc_auc(binormal(np.random.default_rng(6), 400, 500, 1.0))
    one, low, high = (found[name] for name in ("roc_auc", "roc_auc_low", "roc_auc_high"))
    assert low.value < one.value < high.value and low.better == "none"
    assert (high.value - low.value) / 2 == pytest.approx(1.96 * one.error, rel=0.15)


def test_where_no_background_passes_the_bound_is_told():
    labels = np.repeat([1.0, 0.0], 50)
    found = background_rejection(evidence(labels, labels))["background_rejection_at_50_percent"]
    assert found.value is None and "above 17.2 at 95 %" in found.note
    few = signal_efficiency(evidence(labels, labels))["signal_efficiency_at_1_permille"]
    assert few.value == 1 and "0.05 background rows" in few.note
    some = evidence(labels[40:60], labels[40:60])
    assert "at least 25" in significance_improvement(some)["significance_improvement"].note


def test_differences_have_the_error_of_delongs_covariance():
    rng = np.random.default_rng(7)
    labels = np.repeat([1.0, 0.0], [60, 90])
    common = rng.normal(size=150) + labels
    one, two = (common + rng.normal(size=150) for _ in range(2))
    apart = row_values(one, labels) - row_values(two, labels)
    sides = [placements(scores[labels == 1], scores[labels == 0]) for scores in (one, two)]
    covariances = [np.cov(sides[0][of], sides[1][of]) for of in (0, 1)]
    variance = sum((c[0, 0] + c[1, 1] - 2 * c[0, 1]) / n for c, n in zip(covariances, (60, 90), strict=True))
    assert apart.std() / 150**0.5 == pytest.approx(variance**0.5, rel=0.02)


@pytest.mark.parametrize("deterministic", [True, False])
def test_scores_that_are_equally_good_are_seldom_told_apart(deterministic):
    """Two noisy copies of one score on shared test rows; seeds repeat them or add noise of their own."""
    rng, labels = np.random.default_rng(8), np.repeat([1.0, 0.0], [150, 150])
    outcomes = []
    for _ in range(60 if deterministic else 40):
        common = rng.normal(size=300) + labels
        fixed = [common + rng.normal(size=300) for _ in range(2)]
        noise = 0.0 if deterministic else 0.3
        rows = np.array([[row_values(one + noise * rng.normal(size=300), labels) for _ in range(6)] for one in fixed])
        outcomes.append(paired.compare(*rows.mean(2), better="higher", rows=tuple(rows), rng=rng).outcome)
    errors = sum(outcome in ("better", "worse") for outcome in outcomes)
    assert errors / len(outcomes) < 0.1 + 3 * (0.09 / len(outcomes)) ** 0.5
