"""Published files as data sets: which class is which, what a row is, what is kept of the self-check, and refusals."""

import shutil

import numpy as np
import pytest

from qinn_bench import outside, registry
from qinn_bench.data.jets.images import of_window
from qinn_bench.laws.data_sets import OF_DATA, DataCase
from qinn_bench.laws.law import Spared
from qinn_bench.values import Refused, Use
from tests import test_readers
from tests.test_readers import h5

TWO_CLASSES = {
    "cms_quark_gluon": ("quark", {"pixels": 12}, (1, 12, 12)),
    "cms_electron_photon": ("photon", {"channels": "all", "pixels": 16}, (2, 16, 16)),
    "energyflow_qg": ("quark", {"particles": 8}, (24,)),
    "lhc_olympics": ("background", {"particles": 4}, (12,)),
    "top_tagging": ("qcd", {}, (30,)),
}


@pytest.fixture(autouse=True)
def many_rows(monkeypatch):
    """Files of enough rows to be split."""
    monkeypatch.setattr(test_readers, "N", 100)


def load(**knobs):
    outside.of_options({})
    return registry.make("data", registry.spell_out("data", Use(name="published_jets", knobs=knobs)))


def written(name, folder):
    return test_readers.READERS[name][0](folder)


@pytest.mark.parametrize("layout", TWO_CLASSES)
def test_files_of_two_classes_keep_all_laws(layout, tmp_path):
    first, knobs, shape = TWO_CLASSES[layout]
    path, _, _ = written(layout, tmp_path)
    knobs = {"path": str(path), "layout": layout, **knobs}
    case = DataCase(Use(name="published_jets", knobs=knobs))
    for law in OF_DATA:
        try:
            law.check(case)
        except Spared:
            continue
    data = case.data
    assert data.shape == shape and data.provenance["background"] == first and data.provenance["remarks"] == []
    assert not data.labels.train.any() and 0 < data.labels.test.mean() < 1
    turned = load(**knobs, background=data.provenance["signal"])
    assert turned.provenance["signal"] == first and turned.fingerprint != data.fingerprint
    assert load(**knobs, mixed=True).labels.train.any()


def test_images_are_cropped_and_averaged_as_those_of_our_own(tmp_path):
    path, rows, labels = written("cms_quark_gluon", tmp_path)
    data = load(path=str(path), pixels=12)
    quark = np.flatnonzero(labels == 0)[0]
    fine = rows[quark, 1, 12:112, 12:112].astype(float).repeat(12, 0).repeat(12, 1).reshape(12, 100, 12, 100)
    expected = fine.mean((1, 3)) / fine.mean((1, 3)).max()
    np.testing.assert_allclose(data.train[0, 0], expected, atol=1e-8)
    whole = load(path=str(path), pixels=125, channels="tracks")
    np.testing.assert_allclose(whole.train[0, 0], rows[quark, 0] / rows[quark, 0].max(), atol=1e-8)
    with pytest.raises(Refused, match="images of 4 x 4 were asked for in 5 pixels; 2 to 4 were expected"):
        of_window(np.ones((1, 1, 4, 4)), pixels=5, crop=True)


def test_options_of_a_reader_reach_it_and_its_remarks_are_kept(tmp_path):
    path, _, _ = written("cms_quark_gluon", tmp_path)
    data = load(path=str(path), order="hcal;ecal;tracks", ones="gluon", max_events=90)
    assert len(data.provenance["remarks"]) == 2 and data.provenance["background"] == "quark"
    assert "label 1 may stand for the other class" in data.provenance["remarks"][1]


def test_files_of_one_class_each_are_put_together(tmp_path):
    written("jetnet", tmp_path)
    shutil.copy(tmp_path / "t.hdf5", tmp_path / "q.hdf5")
    data = load(path=str(tmp_path), files="q.hdf5;t.hdf5", layout="jetnet", particles=5)
    assert (data.provenance["background"], data.provenance["signal"]) == ("quark", "top")
    assert len(data.test) == 100 and data.labels.test.mean() == 0.5
    of_class = [{row.tobytes() for row in data.test[data.labels.test == label]} for label in (0, 1)]
    assert of_class[0] == of_class[1]
    test_readers.write_jetclass(tmp_path)
    test_readers.write_jetclass(tmp_path, "ZJetsToNuNu_000.root", "label_QCD")
    named = {"path": str(tmp_path), "files": "ZJetsToNuNu_000.root; TTBar_000.root", "layout": "jetclass"}
    jets = load(**named, particles=4)
    assert jets.provenance["background"] == "QCD" and jets.provenance["signal"] == "t to bqq"
    latent = test_readers.write_latents(tmp_path)[0]
    h5(
        tmp_path / "latentrep_RSGraviton_WW_NA_35.h5",
        latent_space=np.tanh(np.random.default_rng(1).normal(size=(60, 2, 4))),
    )
    both = load(path=str(tmp_path), files=f"{latent.name};latentrep_RSGraviton_WW_NA_35.h5", layout="latents")
    assert both.shape == (8,) and both.labels.test.sum() == 30
    np.testing.assert_array_equal(both.transform.forward(both.test)[0], both.test)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"path": ""}, "needs a file, or a folder and files in it"),
        ({"layout": "atlas"}, "layout is 'atlas'; there are: cms_quark_gluon"),
        ({"files": "../x.h5"}, "files names '../x.h5'; names of files in the folder were expected"),
        ({"ones": "muon"}, "label 1 was said to be 'muon'"),
        ({"layout": "jetnet", "ones": "top"}, "layout jetnet has no ones; cms_quark_gluon, "),
        ({"background": "top"}, "background is 'top' and signal ''; two of the classes in the files were expected: "),
        ({"signal": "quark"}, "background is 'quark' and signal 'quark'"),
        ({"channels": "muons"}, "channels is 'muons'; there are: tracks, ecal, hcal, all"),
        ({"pixels": 126}, "in 126 pixels; 2 to 125 were expected"),
        ({"max_events": 50}, "rows of background; at least 40 are needed"),
        ({"checksum": "0" * 32}, "has the md5"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_sentence(knobs, said, tmp_path):
    path, _, _ = written("cms_quark_gluon", tmp_path)
    with pytest.raises(Refused) as refusal:
        load(**{"path": str(path), **knobs})
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


def test_files_that_do_not_go_together_are_refused(tmp_path):
    written("jetnet", tmp_path)
    h5(tmp_path / "q.hdf5", particle_features=np.zeros((50, 20, 4)), jet_features=np.ones((50, 4)))
    named = {"path": str(tmp_path), "layout": "jetnet"}
    with pytest.raises(Refused, match="rows of one shape were expected"):
        load(**named, files="q.hdf5;t.hdf5")
    with pytest.raises(Refused, match="checksum is of one file, but several were named"):
        load(**named, files="q.hdf5;t.hdf5", checksum="0" * 32)
    with pytest.raises(Refused, match="two of the classes in the files were expected: top"):
        load(**named, files="t.hdf5")
