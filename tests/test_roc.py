"""Metrics of scores and of reconstructions: brute force, closed forms, coverage, and what has no number."""

from dataclasses import replace

import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.dataset import Evidence, Parts
from qinn_bench.metrics.reconstruction import mse
from qinn_bench.metrics.roc import roc_auc

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
    found = roc_auc(evidence(scores, labels))["roc_auc"]
    signal, background = scores[labels == 1], scores[labels == 0]
    if min(len(signal), len(background)) < 2:
        assert found.value is None and "at least 2" in found.note
        return
    pairs = [(a > b) + (a == b) / 2 for a in signal for b in background]
    assert found.value == pytest.approx(np.mean(pairs)) and found.error > 0 and found.better == "higher"
    assert roc_auc(evidence(np.exp(scores), labels))["roc_auc"].value == pytest.approx(found.value)
    assert roc_auc(evidence(-scores, labels))["roc_auc"].value == pytest.approx(1 - found.value)


def test_its_error_covers():
    """Two normals one apart have the area Phi(1 / sqrt 2) = 0.7602."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        labels = np.repeat([0.0, 1.0], [120, 80])
        found = roc_auc(evidence(rng.normal(size=N) + labels, labels))["roc_auc"]
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


def test_the_error_of_background_alone_counts():
    labels = np.arange(20) % 2.0
    rebuilt = np.where(labels[:, None] == 1, 9.0, 0.5) * np.ones((20, 2))
    found = mse(evidence(labels=labels, rebuilt=rebuilt))["mse"]
    assert (found.value, found.error, found.n) == (0.25 / 4, 0, 10), "features of the toy are rows divided by 2"
    assert mse(evidence(labels=np.ones(20), rebuilt=rebuilt))["mse"].value is None
    assert "no reconstructions" in mse(evidence())["mse"].note


def test_without_labels_all_rows_count():
    rng = np.random.default_rng(0)
    data = zoo.toy(2)
    miss = rng.normal(size=(50, 2))
    found = mse(replace(evidence(rebuilt=miss), reconstructions=data.test[:50] + miss))["mse"]
    assert found.value == pytest.approx(np.square(miss / 2).mean())
    assert found.error == pytest.approx(np.square(miss / 2).mean(1).std(ddof=1) / 50**0.5)
