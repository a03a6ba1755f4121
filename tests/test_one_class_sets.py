"""Digits, MNIST and the events of arXiv:2112.04958 as background and signal: what is which, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from qinn_bench import outside, registry
from qinn_bench.cli.main import main
from qinn_bench.data.pixel_images import shrunk
from qinn_bench.laws.data_sets import OF_DATA, DataCase
from qinn_bench.laws.law import Spared
from qinn_bench.values import Refused, Use
from tests.test_readers import mnist

EVENTS = Path(__file__).parents[2] / "shared" / "data"


def load(name, **knobs):
    return registry.make("data", registry.spell_out("data", Use(name=name, knobs=knobs)))


@pytest.fixture
def published():
    """The folder of the two published tables, which are not part of this project."""
    if not (EVENTS / "qae_background.csv").is_file():
        pytest.skip("the tables of arXiv:2112.04958 are not beside this project")
    return str(EVENTS)


@pytest.fixture
def folder(tmp_path):
    mnist(tmp_path, n=2000)
    return str(tmp_path)


def keeps_all_laws(name, **knobs):
    case = DataCase(Use(name=name, knobs=knobs))
    for law in OF_DATA:
        try:
            law.check(case)
        except Spared:
            continue


# Digits.


def pca_auc(data, k):
    train, test = (rows.reshape(len(rows), -1) for rows in (data.train, data.test))
    pca = PCA(k, random_state=0).fit(train)
    return roc_auc_score(data.labels.test, np.square(test - pca.inverse_transform(pca.transform(test))).sum(1))


def test_digits_are_told_apart_as_well_as_is_known():
    assert np.mean([pca_auc(load("digits", background=d), 8) for d in range(10)]) == pytest.approx(0.995, abs=0.01)
    assert pca_auc(load("digits", background=8), 8) == pytest.approx(0.976, abs=0.025)


def test_counting_pixels_is_biased_towards_complexity():
    def count(**digits):
        data = load("digits", **digits)
        return roc_auc_score(data.labels.test, data.observables(data.test)["lit"])

    assert count(background=0, signal=1) + count(background=1, signal=0) == pytest.approx(1.0, abs=0.1)
    assert count(background=1, signal=0) > 0.8


def test_background_and_signal_are_the_digits_that_were_asked_for():
    pair, all_others = load("digits", background=3, signal=8), load("digits", background=38)
    assert len(pair.train) == 92 and pair.shape == (1, 8, 8) and pair.train.max() == 1.0
    assert len(all_others.train) == 178 and all_others.provenance["signal"] == [0, 1, 2, 4, 5, 6, 7, 9]
    rows = {row.tobytes() for row in pair.test[pair.labels.test == 1]}
    eights = load("digits", background=8, signal=3)
    assert rows == {row.tobytes() for row in eights.test[eights.labels.test == 0]}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"background": 3, "signal": 3}, "background is 3 and signal 3; digits that differ"),
        ({"background": 33}, "background is 33"),
        ({"background": -1}, "background is -1"),
        ({"background": 9876543210}, "signal -1"),
        ({"background": 12, "signal": 23}, "background is 12 and signal 23"),
    ],
)
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_impossible_digits_are_refused(name, knobs, said):
    with pytest.raises(Refused, match=said):
        registry.make("data", Use(name=name, knobs=knobs))


# MNIST.


def test_mnist_keeps_all_laws_and_the_published_division(folder):
    keeps_all_laws("mnist", path=folder, background=38, pixels=14)
    data = load("mnist", path=folder)
    assert data.shape == (1, 28, 28) and [len(part) for part in data.labels] == [175, 25, 2000]
    assert not data.labels.train.any() and data.labels.test.mean() == 0.9
    assert load("mnist", path=folder, mixed=True).labels.train.mean() == pytest.approx(0.9, abs=0.01)


def test_packed_files_have_to_be_the_published_ones(tmp_path):
    mnist(tmp_path, n=1000, packed=True)
    with pytest.raises(Refused, match="read it without the check"):
        load("mnist", path=str(tmp_path))
    assert len(load("mnist", path=str(tmp_path), check=False).test) == 1000


@pytest.mark.parametrize("pixels", [2, 7, 12, 28])
def test_smaller_images_are_means_over_areas(pixels):
    images = np.random.default_rng(0).random((2, 28, 28))
    by_hand = images.repeat(pixels, 1).repeat(pixels, 2).reshape(2, pixels, 28, pixels, 28).mean((2, 4))
    np.testing.assert_allclose(shrunk(images, pixels)[:, 0], by_hand, atol=1e-12)


def test_mnist_without_its_files_is_one_sentence(tmp_path, folder, capsys):
    with pytest.raises(Refused, match=r"data 'mnist' needs the folder of its files in IDX: mnist\[path=FOLDER\]"):
        load("mnist")
    with pytest.raises(Refused, match="there is no file 'train-images"):
        load("mnist", path=str(tmp_path / "nowhere"))
    for pixels in (1, 29):
        with pytest.raises(Refused, match=f"pixels is {pixels}"):
            load("mnist", path=folder, pixels=pixels)
    assert main(["data", "info", "mnist"]) == 2
    assert "needs the folder" in " ".join(capsys.readouterr().err.split())


# The events of arXiv:2112.04958.


def test_published_events_are_split_as_published(published):
    keeps_all_laws("qae_events", path=published)
    data = load("qae_events", path=published)
    assert [len(part) for part in data.labels] == [30_000, 5_000, 24_453] and data.labels.test.sum() == 9_453
    assert [column.name for column in data.columns] == ["MET", "b1pt", "lep1pt", "lep2pt"]
    angles = data.transform.forward(data.test)[0]
    np.testing.assert_allclose(angles, data.test * np.pi / [1000, 1000, 1000, 900])
    assert angles.min() >= 0 and angles.max() <= np.pi
    more = load("qae_events", path=published, features=7, train_rows=1000)
    assert more.dim == 7 and len(more.train) == 1000
    np.testing.assert_array_equal(more.train[:, [0, 1, 3, 4]], data.train[:1000])


def test_events_by_their_published_names_are_the_same(published, tmp_path):
    names = {"qae_background.csv": "sample_bg_morestat.csv", "qae_signal_mH2500.csv": "sample_mH2500_morestat.csv"}
    for ours, theirs in names.items():
        shutil.copy(EVENTS / ours, tmp_path / theirs)
    one = load("qae_events", path=published)
    outside.of_options({})
    assert load("qae_events", path=str(tmp_path)).content == one.content


def small_events(folder, *, columns="lep1pt,lep2pt,theta_ll,b1pt,b2pt,theta_bb,MET", n=20_200, signal=150):
    rng = np.random.default_rng(0)
    for name, rows in (("qae_background.csv", n), ("qae_signal_mH2500.csv", signal)):
        lines = rng.uniform(1, 3, (rows, len(columns.split(","))))
        np.savetxt(folder / name, lines, delimiter=",", header=columns, comments="", fmt="%.5f")
    return str(folder)


def test_events_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"needs the folder of its two tables: qae_events\[path=FOLDER\]"):
        load("qae_events")
    with pytest.raises(Refused, match=r"there is no table 'qae_background\.csv'"):
        load("qae_events", path=str(tmp_path))
    path = small_events(tmp_path)
    keeps_all_laws("qae_events", path=path, train_rows=150)
    assert len(load("qae_events", path=path, train_rows=150).train) == 150
    for knobs, said in (
        ({}, "has 20200 events of background and 150 of signal, of which 30000 train"),
        ({"train_rows": 10}, "of which 10 train"),
        ({"features": 5}, "features is 5; there are: 4, 7"),
    ):
        with pytest.raises(Refused, match=said):
            load("qae_events", path=path, **knobs)
    small_events(tmp_path, columns="lep1pt,lep2pt,b1pt")
    with pytest.raises(
        Refused, match=r"qae_background\.csv has no column of numbers 'MET'; there are: lep1pt, lep2pt, b1pt"
    ):
        load("qae_events", path=path, train_rows=150)
