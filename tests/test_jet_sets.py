"""Jets of the samples that ship: the physics of quarks, gluons and tops, images, forms, classes and what is refused."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qinn_bench import registry
from qinn_bench.data import sample_files, sample_sources
from qinn_bench.data.jets import arrays as jet_arrays
from qinn_bench.data.jets import images as jet_images
from qinn_bench.data.jets.arrays import Jets, hardest
from qinn_bench.data.jets.images import PITCH, area_weights, images
from qinn_bench.data.resplit import resplit
from qinn_bench.values import Refused

FEW = "max_events=1200"


@cache
def loaded(text):
    return registry.make("data", registry.spell_out("data", registry.parse_use(text)))


@cache
def sample(source):
    return jet_arrays.bundled(source)


def made(constituents, *, kinds=None, hits=None):
    """One jet of these constituents (pT, eta, phi), photons unless it is said, that leave nothing unless it is said."""
    constituents = np.array(constituents, np.float64)
    n = len(constituents)
    return Jets(
        features=np.ones((1, 12), np.float32),
        labels=np.zeros(1, np.uint8),
        counts=np.array([n]),
        constituents=constituents,
        kinds=np.zeros(n, np.uint8) if kinds is None else np.array(kinds, np.uint8),
        hits=np.zeros((n, 3)) if hits is None else np.array(hits, np.float64),
    )


# What ships.


@pytest.mark.parametrize(("source", "classes"), [("qg_jets", ["quark", "gluon"]), ("top_jets", ["qcd", "top"])])
def test_a_sample_ships_with_ten_thousand_jets_of_each_class_and_all_that_made_it(source, classes):
    arrays, about = sample_files.read(sample_sources.SOURCES[source].bundled)
    assert np.bincount(arrays["labels"]).tolist() == [10_000, 10_000]
    assert about["classes"] == classes and about["quality"] == "full"
    assert all(len(run["commands"]) > 10 and run["sigma_pb"] > 0 for run in about["runs"].values())
    assert {"pythia8mc", "fastjet", "numpy"} <= about["versions"].keys()
    assert arrays["counts"].sum() == len(arrays["constituents"]) == len(arrays["kinds"])
    pt, owner = arrays["constituents"][:, 0], np.repeat(np.arange(20_000), arrays["counts"])
    assert ((np.diff(pt) <= 0) | (np.diff(owner) > 0)).all()


def auc_of_column(source, name):
    jets = sample(source)
    return roc_auc_score(jets.labels, jets.column(name))


def test_quarks_and_gluons_are_told_apart_by_single_numbers_as_far_as_is_known():
    jets = sample("qg_jets")
    assert auc_of_column("qg_jets", "multiplicity") == pytest.approx(0.81, abs=0.03)
    assert auc_of_column("qg_jets", "charged") == pytest.approx(0.79, abs=0.03)
    assert auc_of_column("qg_jets", "width") == pytest.approx(0.77, abs=0.03)
    assert 1 - auc_of_column("qg_jets", "ptd") == pytest.approx(0.805, abs=0.03)
    assert auc_of_column("qg_jets", "jet_mass") == pytest.approx(0.73, abs=0.03)
    means = [jets.column("multiplicity")[jets.labels == label].mean() for label in (0, 1)]
    assert means == pytest.approx([22.5, 32.6], abs=1.0)
    pt = jets.column("jet_pt")
    assert pt.min() > 80 and pt.max() < 200 and np.abs(jets.column("jet_eta")).max() < 2.0


def test_tops_have_the_masses_and_prongs_of_tops():
    jets = sample("top_jets")
    mass, soft = jets.column("jet_mass"), jets.column("sd_mass")
    top = jets.labels == 1
    assert np.median(mass[top]) == pytest.approx(178, abs=6) and np.median(soft[top]) == pytest.approx(172, abs=6)
    assert np.median(soft[~top]) < 50
    assert (soft <= mass + 1e-2).mean() > 0.999
    tau = [jets.column(f"tau{n}") for n in (1, 2, 3, 4)]
    assert all((after <= before * 1.5 + 1e-6).mean() > 0.99 for before, after in pairwise(tau))
    tau32 = np.divide(tau[2], tau[1], out=np.zeros(len(top)), where=tau[1] > 0)
    assert roc_auc_score(~top, tau32) > 0.8


def test_a_quark_detector_image_is_worth_what_is_known():
    data = loaded("qg_jets[mixed=true,max_events=8000]")
    x, y = (np.sqrt(rows).reshape(len(rows), -1) for rows in (data.train, data.test)), data.labels
    train, test = x
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200)).fit(train, y.train)
    assert roc_auc_score(y.test, model.decision_function(test)) == pytest.approx(0.77, abs=0.03)


@pytest.mark.parametrize(("background", "auc", "within"), [("quark", 0.72, 0.03), ("gluon", 0.28, 0.04)])
def test_a_linear_autoencoder_is_biased_towards_complexity(background, auc, within):
    data = loaded(f"qg_jets[background={background},max_events=8000]")
    train, test = (np.sqrt(rows).reshape(len(rows), -1) for rows in (data.train, data.test))
    pca = PCA(8, random_state=0).fit(train)
    score = np.square(test - pca.inverse_transform(pca.transform(test))).sum(1)
    assert roc_auc_score(data.labels.test, score) == pytest.approx(auc, abs=within)


@pytest.mark.slow
def test_boosted_trees_reach_what_is_known():
    data = loaded("qg_jets[form=features,mixed=true]")
    model = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, max_depth=4).fit(
        data.train, data.labels.train
    )
    assert roc_auc_score(data.labels.test, model.predict_proba(data.test)[:, 1]) == pytest.approx(0.83, abs=0.03)


# Images against an obvious loop.


def slow_image(jets, pixels, channel):
    """The same for one jet, particle by particle and pixel by pixel."""
    full = np.zeros((125, 125))
    for (pt, eta, phi), kind, (turn, ecal, hcal) in zip(jets.constituents, jets.kinds, jets.hits, strict=True):
        i, j = (int(np.floor(float(x) / PITCH + 62.5)) for x in (eta, phi if channel == "tracks" else phi + turn))
        cells = []
        if channel == "tracks" and kind in (1, 2, 3):
            cells = [(i, j, float(pt))]
        if channel == "hcal":
            cells = [(5 * (i // 5) + a, 5 * (j // 5) + b, float(hcal)) for a in range(5) for b in range(5)]
        if channel == "ecal":
            share = {0: 208 / 256, 1: 10 / 256, 2: 2 / 256}
            cells = [(i + a, j + b, share[abs(a) + abs(b)] * float(ecal)) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        for a, b, energy in cells:
            if 0 <= a < 125 and 0 <= b < 125:
                full[a, b] += energy
    if channel == "ecal":
        full[full < 0.05] = 0
    if pixels != 125:
        fine = full[12:112, 12:112].repeat(pixels, 0).repeat(pixels, 1)
        full = fine.reshape(pixels, 100, pixels, 100).mean((1, 3))
    return full / (full.max() or 1)


@pytest.mark.parametrize("pixels", jet_images.PIXELS)
@pytest.mark.parametrize("channel", jet_images.CHANNELS)
def test_images_are_those_of_an_obvious_loop(pixels, channel):
    jets = sample("qg_jets")
    some = [jets.slice(i, i + 1) for i in (0, 7, len(jets.counts) - 1)]
    fast = images(jets.slice(0, 8), pixels, (channel,))
    for i, one in zip((0, 7), some, strict=False):
        np.testing.assert_allclose(fast[i, 0], slow_image(one, pixels, channel), atol=1e-12)
    np.testing.assert_allclose(
        images(some[2], pixels, (channel,))[0, 0], slow_image(some[2], pixels, channel), atol=1e-12
    )


def test_images_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch):
    jets = sample("qg_jets").first(50)
    whole = images(jets, 12, jet_images.CHANNELS)
    monkeypatch.setattr(jet_images, "CHUNK", 7)
    assert np.array_equal(images(jets, 12, jet_images.CHANNELS), whole)


def test_sums_of_pixels_are_exact_so_that_every_processor_has_the_same_images():
    jets = sample("qg_jets").first(40)
    order = np.random.default_rng(0).permutation(len(jets.constituents))
    order = order[np.argsort(jets.owner[order], kind="stable")]
    mixed = Jets(jets.features, jets.labels, jets.counts, jets.constituents[order], jets.kinds[order], jets.hits[order])
    for pixels in (12, 20, 40):
        assert np.array_equal(images(jets, pixels, jet_images.CHANNELS), images(mixed, pixels, jet_images.CHANNELS))


@pytest.mark.parametrize("pixels", [1, 2, 7, 12, 20, 40, 100])
def test_areas_are_shared_whole(pixels):
    weights = area_weights(100, pixels)
    assert (weights.sum(0) == pixels).all() and (weights.sum(1) == 100).all()


def test_what_leaves_nothing_is_an_empty_image_and_what_lies_outside_is_left_out():
    assert not images(made([(5.0, 0.0, 0.0)]), 12, jet_images.CHANNELS).any()
    far = made([(5.0, 1.2, 0.0)], kinds=[3], hits=[(0, 1, 1)])
    assert not images(far, 125, jet_images.CHANNELS).any()
    turned = images(made([(5.0, 0.0, 0.0)], hits=[(0.5, 4.0, 0.0)]), 125, ("ecal",))[0, 0]
    assert np.unravel_index(turned.argmax(), turned.shape) == (62, 62 + 29)
    assert np.count_nonzero(turned) == 5  # 2 of 256 of 4 GeV are below the threshold, 10 of 256 are not.


# Forms and classes.


def test_constituents_are_those_of_the_sample():
    jets, data = sample("qg_jets"), loaded(f"qg_jets[form=constituents,particles=30,{FEW}]")
    row, n = data.train[0].reshape(30, 3), int(jets.counts[0])
    pt = jets.constituents[:n, 0].astype(float) / jets.column("jet_pt")[0]
    np.testing.assert_array_equal(row[: min(n, 30), 0], pt[:30])
    np.testing.assert_array_equal(row[: min(n, 30), 1:], jets.constituents[: min(n, 30), 1:])
    assert not row[n:].any()
    assert [column.name for column in data.columns][:4] == ["pt_1", "eta_1", "phi_1", "pt_2"]


def test_the_mass_of_all_constituents_is_nearly_that_of_the_jet():
    few = sample("qg_jets").of_class(0, 200)
    data = loaded(f"qg_jets[form=constituents,particles=30,{FEW}]")
    mass = data.observables(hardest(few, int(few.counts.max())).reshape(200, -1))["mass"] * few.column("jet_pt")
    # Constituents are taken without their own masses here.
    assert 0.7 < np.median(mass / np.maximum(few.column("jet_mass"), 1.0)) <= 1.0
    by_hand = [
        sum(
            np.array([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]) for pt, eta, phi in row
        )
        for row in hardest(few, 30).tolist()
    ]
    square = [e**2 - x**2 - y**2 - z**2 for e, x, y, z in by_hand]
    found = data.observables(hardest(few, 30).reshape(200, -1))["mass"]
    np.testing.assert_allclose(found, np.sqrt(np.maximum(square, 0)), atol=1e-7)


def test_features_are_named_as_in_the_literature():
    names = [column.name for column in loaded(f"top_jets[form=features,{FEW}]").columns]
    assert names == ["jet_pt", "jet_mass", "multiplicity", "tau32", "sd_mass", "width", "ptd"]


@pytest.mark.parametrize("text", ["qg_jets", "qg_jets[form=features]", "top_jets", "digits"])
@pytest.mark.parametrize("other", [False, True])
def test_background_trains_and_both_classes_are_tested(text, other):
    name, _, rest = text.rstrip("]").partition("[")
    turned = {"qg_jets": "gluon", "top_jets": "top", "digits": "3"}[name]
    parts = [rest, f"background={turned}" * other, FEW * (name != "digits")]
    plain = ",".join(filter(None, parts))
    data, mixed = loaded(f"{name}[{plain}]"), loaded(f"{name}[{plain + ',' * bool(plain)}mixed=true]")
    assert not data.labels.train.any() and not data.labels.valid.any() and 0 < data.labels.test.mean() < 1
    assert np.array_equal(data.test, mixed.test) and np.array_equal(data.labels.test, mixed.labels.test)
    assert 0 < mixed.labels.train.mean() < 1 and 0 < mixed.labels.valid.mean() < 1
    own = {row.tobytes() for row in mixed.train[mixed.labels.train == 0]}
    assert {row.tobytes() for row in data.train} == own
    assert len({data.content, mixed.content}) == 2
    again = resplit(data, 3)
    assert not again.labels.train.any() and again.labels.test.sum() == data.labels.test.sum()


def test_the_directions_are_each_other_with_the_labels_turned():
    one, two = (loaded(f"qg_jets[background={kind},form=features,{FEW}]") for kind in ("quark", "gluon"))
    for label in (0, 1):
        rows = {row.tobytes() for row in one.test[one.labels.test == label]}
        assert rows == {row.tobytes() for row in two.test[two.labels.test == 1 - label]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("qg_jets[background=top]", "background is 'top'; there are: quark, gluon"),
        ("qg_jets[form=pixels]", "form is 'pixels'; there are: images, constituents, features"),
        ("qg_jets[pixels=13]", "pixels is 13; there are: 12, 20, 40, 125"),
        ("qg_jets[channels=muons]", "channels is 'muons'; there are: tracks, ecal, hcal, all"),
        ("qg_jets[form=constituents,particles=0]", "particles is 0; the sample has 1 to"),
        ("qg_jets[pixels=125,channels=all]", "20000 images of 3 x 125 x 125 do not fit into 1 GiB; max_events of"),
        ("qg_jets[max_events=-1]", "max_events is -1"),
        ("qg_jets[max_events=20]", "10 rows of background; at least 40 are needed"),
        ("qg_jets[sample=bundled2]", "no sample is called 'bundled2'"),
        ("qg_jets[sample=top_jets-bundled]", "sample 'top_jets-bundled' is one of top_jets"),
        ("zjets[sample=qg_jets-bundled]", "sample 'qg_jets-bundled' is one of qg_jets"),
        ("top_jets[background=quark]", "background is 'quark'; there are: qcd, top"),
        ("top_jets[form=images]", "form is 'images'; there are: constituents, features"),
        ("top_jets[particles=21]", "particles is 21; the sample has 1 to 20"),
    ],
)
def test_impossible_knobs_are_refused(text, said):
    with pytest.raises(Refused) as refusal:
        loaded(text)
    assert said in str(refusal.value)


@pytest.fixture
def few_constituents(tmp_path, monkeypatch):
    """A sample of the five hardest constituents of some jets, in a cache of its own."""
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    arrays, about = sample_files.read("qg_jets-bundled")
    starts = np.cumsum(arrays["counts"].astype(int)) - arrays["counts"]
    chosen = np.flatnonzero(arrays["counts"] >= 5)[:: len(arrays["counts"]) // 200]
    inside = (starts[chosen][:, None] + np.arange(5)).ravel()
    per_jet = {"features", "labels"}
    small = {name: values[chosen if name in per_jet else inside] for name, values in arrays.items() if name != "counts"}
    small["counts"] = np.full(len(chosen), 5, np.uint16)
    small = {name: small[name] for name in arrays}
    about |= {"events": len(chosen), "constituents": len(inside), "particles": 5}
    about["rows_sha256"] = sample_files.arrays_hash(small)
    sample_files.write(tmp_path, "qg_jets-few", small, about)
    return tmp_path


def test_a_sample_without_all_constituents_makes_no_images(few_constituents):
    data = registry.make("data", registry.parse_use("qg_jets[sample=qg_jets-few,form=constituents,particles=5]"))
    assert data.dim == 15 and (data.train > -1).all()
    with pytest.raises(Refused, match="has the 5 hardest constituents of a jet alone, and an image is of all"):
        registry.make("data", registry.parse_use("qg_jets[sample=qg_jets-few]"))


@pytest.mark.parametrize("damage", ["truncated", "counts", "hash", "provenance"])
def test_a_damaged_sample_is_one_sentence(few_constituents, damage, capsys):
    rows, text = few_constituents / "qg_jets-few.npz", few_constituents / "qg_jets-few.json"
    arrays, about = sample_files.read("qg_jets-few")
    if damage == "truncated":
        rows.write_bytes(rows.read_bytes()[:-500])
    elif damage == "counts":
        arrays["counts"][0] += 1
        about["rows_sha256"] = sample_files.arrays_hash(arrays)
        sample_files.write(few_constituents, "qg_jets-few", arrays, about)
    elif damage == "hash":
        sample_files.write(few_constituents, "qg_jets-few", arrays, about | {"rows_sha256": "0"})
    else:
        text.write_text(text.read_text().replace('"preset": "cms"', '"preset": "atlas"'))
    with pytest.raises(Refused) as refusal:
        registry.make("data", registry.parse_use("qg_jets[sample=qg_jets-few,form=features]"))
    assert "\n" not in str(refusal.value) and ("qg_jets-few" in str(refusal.value) or damage == "counts")


def test_jets_of_a_class_need_not_lie_together():
    jets = sample("top_jets")
    last = len(jets.counts) - 1
    parts = [jets.slice(i, i + 1) for i in (last - 1, 0, last, 1)]
    joined = Jets(*(np.concatenate([getattr(one, name) for one in parts]) for name in Jets.__dataclass_fields__))
    chosen = joined.of_class(1)
    assert chosen.counts.tolist() == [int(parts[0].counts[0]), int(parts[2].counts[0])]
    np.testing.assert_array_equal(chosen.constituents, np.concatenate([parts[0].constituents, parts[2].constituents]))
