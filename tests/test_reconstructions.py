"""Metrics of reconstructions and what scores go with: closed forms, slow twins, and what has no number."""

from dataclasses import replace

import numpy as np
import pytest
import zoo
from scipy.optimize import linprog

from qinn_bench.dataset import Evidence, Parts
from qinn_bench.laws.metrics import of_images
from qinn_bench.metrics import _truth_rows, energy_movers
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics.energy_movers import emd
from qinn_bench.metrics.reconstruction import collapse, mse, pixel_error, ssim
from qinn_bench.metrics.score_correlation import score_correlation, score_distance_correlation
from qinn_bench.statistics.dependence import distance_correlation


def evidence(labels=None, rebuilt=None):
    data = zoo.toy(2)
    if labels is not None:
        n = len(labels)
        data = replace(data, test=np.zeros((n, 2)), labels=Parts(np.zeros(len(data.train)), np.zeros(100), labels))
    truth = data.test if rebuilt is None else data.test[: len(rebuilt)]
    return Evidence(data, truth, truth[:0], None, None, np.random.default_rng(0), True, None, rebuilt)


def with_images(true, made):
    """Evidence of images ``(n, height, width)``, all of them background."""
    given = of_images()
    true, made = (np.asarray(side, dtype=float)[:, None] for side in (true, made))
    labels = Parts(*[np.zeros(len(true))] * 3)
    data = replace(given.data, train=true, valid=true, test=true, labels=labels)
    return replace(given, data=data, truth=true, reconstructions=made, scores=np.zeros(len(true)))


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


def test_equal_images_are_alike_and_an_even_grey_keeps_nothing():
    given = of_images()
    same = replace(given, reconstructions=given.truth)
    grey = replace(given, reconstructions=np.full_like(given.truth, 0.3))
    assert pixel_error(same)["pixel_error"].value == 0 and collapse(same)["collapse"].value == 1
    assert collapse(grey)["collapse"].value == 0
    background = given.truth[given.labels == 0]
    assert pixel_error(grey)["pixel_error"].value == pytest.approx(np.abs(background - 0.3).mean())
    pytest.importorskip("skimage")
    assert ssim(same)["ssim"].value == pytest.approx(1) and ssim(grey)["ssim"].value < 0.5


def one_pixel(row, column, energy=1.0, side=6):
    image = np.zeros((side, side))
    image[row, column] = energy
    return image


def test_energy_that_is_moved_or_lost_costs_what_it_should():
    pytest.importorskip("ot")
    true, n = one_pixel(1, 1), 3
    for made, pixels, moved in (
        (one_pixel(1, 1), 0, 0),
        (one_pixel(1, 3), 2 / 0.4, 2 * 0.8 / 6),
        (one_pixel(1, 1, 0.25), 0.75, 0),
        (one_pixel(4, 5), 5 / 0.4, 5 * 0.8 / 6),
        (np.zeros((6, 6)), 1, None),
    ):
        found = emd(with_images([true] * n, [made] * n))
        assert found["emd_pixels"].value == pytest.approx(pixels)
        assert found["emd_physical"].value == (None if moved is None else pytest.approx(moved))
    unknown = with_images([true] * n, [true] * n)
    assert emd(replace(unknown, data=replace(unknown.data, extent=None)))["emd_physical"].value is None


def test_the_distance_is_that_of_a_linear_programme():
    ot = pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0), indexing="ij"), -1).reshape(-1, 2)
    cost = np.linalg.norm(places[:, None] - places, axis=2) / energy_movers.RADIUS
    for _ in range(10):
        a, b = rng.random(9) * (rng.random(9) > 0.3), rng.random(9) + 0.01
        lines = np.vstack([np.kron(np.eye(9), np.ones(9)), np.kron(np.ones(9), np.eye(9))])
        total = min(a.sum(), b.sum())
        slow = linprog(cost.ravel(), lines, np.concatenate([a, b]), np.ones((1, 81)), [total])
        expected = slow.fun + abs(a.sum() - b.sum())
        assert energy_movers._energy_distance(ot, a, b, places) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["mse", "pixel_error", "ssim", "emd"])
def test_other_draws_of_true_rows_are_taken_at_once(name):
    """The means by weights are those of the metric taken anew on every draw."""
    pytest.importorskip("ot")
    pytest.importorskip("skimage")
    given, metric = of_images(), all_metrics()[name]
    values = {column: one.value for column, one in metric.compute(given).items()}
    rows = _truth_rows.picks(given.data.content, len(given.truth))
    at_once = _truth_rows.WEIGHTED[name](given, _truth_rows.counts(rows))
    for column in values:
        one = replace(given, truth=given.truth[rows[0]], reconstructions=given.reconstructions[rows[0]])
        labels = given.data.labels._replace(test=given.labels[rows[0]])
        one = replace(one, data=replace(given.data, test=given.data.test[rows[0]], labels=labels))
        assert at_once[column][0] == pytest.approx(metric.compute(one)[column].value)


def test_without_the_extra_the_column_says_what_to_install(monkeypatch):
    monkeypatch.setattr(energy_movers, "library", lambda module, package: f"{package} is not installed")
    assert "POT is not installed" in emd(of_images())["emd_pixels"].note


def test_distance_correlations_are_unbiased_and_see_what_ranks_do_not():
    rng = np.random.default_rng(1)
    alone = [distance_correlation(*rng.normal(size=(2, 60))) for _ in range(200)]
    assert abs(np.mean(alone)) < 4 * np.std(alone) / 200**0.5
    x = rng.normal(size=400)
    assert distance_correlation(x, x**2) > 0.1 and abs(np.corrcoef(x, x**2)[0, 1]) < 0.35
    r = 0.6
    y = r * x + (1 - r**2) ** 0.5 * rng.normal(size=400)
    # Szekely, Rizzo and Bakirov, Ann. Statist. 35, 2769 (2007), theorem 7, for two normals of correlation r.
    normal = r * np.arcsin(r) + (1 - r**2) ** 0.5 - r * np.arcsin(r / 2) - (4 - r**2) ** 0.5 + 1
    assert distance_correlation(x, y) == pytest.approx(normal / (1 + np.pi / 3 - 3**0.5), abs=0.08)


def test_scores_of_background_are_held_against_occupancy():
    given = of_images()
    occupancy = (given.data.test != 0).reshape(len(given.data.test), -1).mean(1)
    scores = np.where(given.labels == 0, np.exp(occupancy), -occupancy)
    found = score_correlation(replace(given, scores=scores))["score_correlation_occupancy"]
    assert found.value == pytest.approx(1) and found.n == 30
    flat = score_correlation(replace(given, scores=np.zeros(len(scores))))["score_correlation_occupancy"]
    assert flat.value is None and "all the same" in flat.note
    assert score_distance_correlation(replace(given, scores=scores))["score_distance_correlation_occupancy"].value > 0.9


def test_the_error_of_a_rank_correlation_covers():
    """Row i has as many pixels that are not zero as the rank of its number says."""
    rng, inside, r = np.random.default_rng(3), [], 0.5
    true = 6 / np.pi * np.arcsin(r / 2)
    for _ in range(200):
        x = rng.normal(size=100)
        y = r * x + (1 - r**2) ** 0.5 * rng.normal(size=100)
        images = (np.arange(100).reshape(10, 10) <= np.argsort(np.argsort(x))[:, None, None]).astype(float)
        found = score_correlation(replace(with_images(images, images), scores=y))["score_correlation_occupancy"]
        inside.append(abs(found.value - true) < 1.96 * found.error)
    assert 0.9 < np.mean(inside) < 0.99
