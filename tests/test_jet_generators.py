"""The generators of jets: the same bits whatever the number of workers, the right partons, N-subjettiness, detector."""

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra [hep]", exc_type=ImportError)
pytest.importorskip("fastjet", reason="needs the extra [hep]", exc_type=ImportError)

import awkward as ak

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.data import sample_files, sample_sources
from qinn_bench.data.generators import (
    detector,
    dijet_latents,
    jet_autoencoder,
    jet_classes,
    jet_finding,
    qg_jets,
    top_jets,
)
from qinn_bench.data.generators.pythia_runs import described
from qinn_bench.values import Refused

pytestmark = pytest.mark.hep
JETS = 20


@pytest.fixture(scope="module", autouse=True)
def short_shards():
    with pytest.MonkeyPatch.context() as patch:
        for module in (qg_jets, top_jets):
            patch.setattr(module, "SHARD", 8)
            patch.setattr(module, "CHUNK", 5)
        yield


def quarks_and_gluons(seed=3, preset="cms", energy=0.0, particles=0, workers=1, events=JETS):
    return qg_jets.generate(events, seed, preset, "fast", energy, particles, workers, lambda done: None)


@pytest.fixture(scope="module")
def sample():
    return quarks_and_gluons()


def test_arrays_are_those_of_the_layout_and_the_provenance_is_believed(sample, tmp_path, monkeypatch):
    arrays, about = sample
    source = sample_sources.SOURCES["qg_jets"]
    layout = source.layout(about)
    assert list(arrays) == list(layout)
    for name, stored in layout.items():
        assert (arrays[name].shape, arrays[name].dtype) == (stored.shape, np.dtype(stored.dtype))
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    sample_files.write(tmp_path, "qg_jets-mine", arrays, about)
    again, told = sample_files.read("qg_jets-mine")
    assert told == about and all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert np.bincount(arrays["labels"]).tolist() == [JETS // 2, JETS // 2]
    assert all(run["shards"] > 1 for run in about["runs"].values())


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(sample):
    known = sample[1]["rows_sha256"]
    assert quarks_and_gluons(workers=2)[1]["rows_sha256"] == known != quarks_and_gluons(seed=4)[1]["rows_sha256"]


def test_the_hardest_constituents_are_the_first_of_all(sample):
    few, about = quarks_and_gluons(particles=5)
    whole = sample[0]
    starts = np.cumsum(whole["counts"].astype(int)) - whole["counts"]
    assert few["counts"].max() == 5 and about["particles"] == 5
    for i, start in enumerate(starts):
        np.testing.assert_array_equal(few["constituents"][5 * i : 5 * i + 5], whole["constituents"][start : start + 5])
    np.testing.assert_array_equal(few["features"], whole["features"])


def test_jets_lie_in_their_window(sample):
    for (arrays, _), low, high, eta in (
        (sample, 80, 200, 2.0),
        (quarks_and_gluons(preset="energyflow", events=4), 500, 550, 2),
    ):
        pt = arrays["features"][:, 0]
        assert pt.min() > low and pt.max() < high and np.abs(arrays["features"][:, 1]).max() < eta


def test_tops_hold_their_quarks_and_are_heavy():
    arrays, about = top_jets.generate(12, 1, "fast", 20, 1, lambda done: None)
    mass = arrays["features"][:, 2]
    assert about["classes"] == ["qcd", "top"] and np.median(mass[6:]) > 140 > np.median(mass[:6])
    assert arrays["counts"].max() <= 20 and "hits" not in arrays


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"preset": "atlas"}, "qg_jets has no preset 'atlas'; there are: cms, energyflow"),
        ({"events": 1}, "asked for 1 jets"),
        ({"events": 0}, "0 events"),
        ({"particles": -1}, "-1 constituents"),
        ({"seed": -1}, "seed -1"),
        ({"energy": float("nan")}, "collisions of nan TeV"),
        ({"energy": 0.5}, "collisions of 0.5 TeV"),
        ({"workers": 0}, "0 workers"),
    ],
    ids=str,
)
def test_an_impossible_request_is_refused(wrong, said):
    with pytest.raises(Refused, match=said):
        quarks_and_gluons(**wrong)


# Pieces, by hand.


def particles_of(rows):
    """An awkward array of one jet of massless particles (pT, eta, phi)."""
    pt, eta, phi = np.array(rows, float).T
    momenta = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "E": pt * np.cosh(eta)}
    return described({name: ak.Array([values]) for name, values in momenta.items()})


def test_subjettiness_is_that_of_axes_that_are_known():
    three = particles_of([(100, 0.0, 0.0), (60, 0.5, 0.0), (40, 0.0, 0.5)])
    assert jet_finding.subjettiness(three, 3, 0.8) == pytest.approx(0, abs=1e-6)
    assert jet_finding.subjettiness(three, 4, 0.8) == pytest.approx(0, abs=0)
    # Two axes: kt joins the pair with the least min(pT)^2 Delta R^2, which are the first and the last.
    joined = np.array([100 + 40 * np.cos(0.5), 40 * np.sin(0.5)])
    phi = np.arctan2(joined[1], joined[0])
    expected = (100 * phi + 40 * (0.5 - phi)) / (0.8 * 200)
    assert jet_finding.subjettiness(three, 2, 0.8) == pytest.approx(expected, abs=1e-6)


def test_soft_drop_takes_off_what_is_soft_and_keeps_two_prongs():
    soft = particles_of([(100, 0.0, 0.0), (2, 0.4, 0.0)])
    prongs = particles_of([(100, 0.0, 0.0), (60, 0.4, 0.0)])
    mass = np.sqrt(2 * 100 * 60 * (np.cosh(0.4) - 1))
    assert jet_finding.soft_drop_mass(soft, 0.5) == pytest.approx(0, abs=1e-3)
    assert jet_finding.soft_drop_mass(prongs, 0.5) == pytest.approx(mass, rel=1e-6)


def test_partons_give_jets_their_flavour():
    jets = particles_of([(100, 0.0, 0.0), (100, 0.0, 2.0), (100, 1.0, 0.0)])[0]
    one = particles_of([(90, 0.1, 0.1), (90, 0.2, 2.0)])
    hard = ak.with_field(ak.concatenate([one, one, one]), ak.Array([[21, 2], [21, 2], [21, 2]]), "id")
    assert qg_jets.gluons(jets, hard, 0.5).tolist() == [True, False, False]
    assert qg_jets.light_quarks(jets, hard, 0.5).tolist() == [False, True, False]
    heavy = ak.with_field(hard, ak.Array([[5, -4]] * 3), "id")
    assert not (qg_jets.light_quarks(jets, heavy, 0.5) | qg_jets.gluons(jets, heavy, 0.5)).any()


def test_the_detector_turns_charges_and_loses_the_soft_ones():
    n = 4000
    kinds = np.repeat([0, 1, 2, 3, 4], n).astype(np.uint8)
    charges = np.repeat([0, 1, 1, -1, 0], n).astype(np.int8)
    pt = np.full(5 * n, 10.0)
    left = detector.hits(pt, np.zeros(5 * n), kinds, charges, np.random.default_rng(0)).astype(float)
    photons, electrons, muons, charged, neutral = left.reshape(5, n, 3)
    angle = np.arcsin(0.3 * 3.8 * 1.29 / 2 / 10)
    assert not photons[:, 0].any() and not neutral[:, 0].any() and not muons.any()
    assert charged[0, 0] == pytest.approx(angle, abs=2e-3) and electrons[0, 0] == pytest.approx(-angle, abs=2e-3)
    assert photons[:, 1].mean() == pytest.approx(10, rel=0.01) and not photons[:, 2].any()
    assert photons[:, 1].std() == pytest.approx(10 * np.hypot(0.03 / np.sqrt(10), 0.005), rel=0.1)
    fraction = 0.45 * 0.02 + 0.55 * 1.2 / 2.8
    assert charged[:, 1].mean() == pytest.approx(10 * fraction, rel=0.1)
    assert charged[:, 2].mean() == pytest.approx(10 * (1 - fraction), rel=0.1)
    soft = detector.hits(
        np.full(50, 0.7), np.zeros(50), kinds[-n - 50 : -n], charges[-n - 50 : -n], np.random.default_rng(1)
    )
    assert not soft.any()
    assert (left * 1024 == np.round(left * 1024)).all()


def test_places_count_from_zero_in_each_jet():
    assert jet_classes.places(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]


def test_a_sample_is_made_from_the_command_line_and_is_a_data_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(top_jets, "SHARD", 80)
    monkeypatch.setattr(top_jets, "CHUNK", 40)
    command = ["data", "make", "top_jets", "--events", "90", "--quality", "fast", "--particles", "6", "-j", "1"]
    assert main(command) == 0
    name = capsys.readouterr().out.strip()
    assert name.startswith("top_jets-") and main(["data", "verify", name]) == 0
    data = registry.make("data", registry.parse_use(f"top_jets[sample={name},particles=6]"))
    assert data.dim == 18 and len(data.test) == 46
    with pytest.raises(Refused, match="particles is 7; the sample has 1 to 6 of a jet"):
        registry.make("data", registry.parse_use(f"top_jets[sample={name},particles=7]"))
    assert main(command) == 0
    assert capsys.readouterr().out.split()[-1] == name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["qg_jets", "--cuts", "lhc"], "data make qg_jets has no --cuts; there are: --events, --seed, --preset"),
        (
            ["zjets", "--preset", "cms"],
            "data make zjets has no --preset; there are: --events, --seed, --quality, --cuts",
        ),
        (["top_jets", "--quality", "best"], "top_jets has no quality 'best'; there are: full, fast"),
        (["qg_jets", "--events", "100000000000"], "a sample has at most 10000000"),
    ],
)
def test_a_command_that_does_not_fit_is_one_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    assert main(["data", "make", *words, "-j", "1"]) == 2
    assert said in " ".join(capsys.readouterr().err.split()) and not list(tmp_path.iterdir())


# Latents of dijets.


@pytest.fixture(scope="module")
def dijets():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SHARD", 12), ("CHUNK", 6), ("FEWEST_TRAINED", 8)):
            patch.setattr(dijet_latents, name, value)
        patch.setattr(jet_autoencoder, "EPOCHS", 1)
        yield dijet_latents.generate(16, 3, "fast", 1, lambda done: None)


def test_dijets_are_half_qcd_and_their_latents_lie_where_a_tanh_ends(dijets):
    arrays, about = dijets
    assert np.bincount(arrays["labels"]).tolist() == [8, 4, 4]
    layout = sample_sources.SOURCES["dijet_latents"].layout(about)
    assert {name: (one.shape, str(one.dtype)) for name, one in arrays.items()} == {
        name: (one.shape, one.dtype) for name, one in layout.items()
    }
    assert all(np.abs(arrays[f"latents{n}"]).max() <= 1 for n in sample_sources.LATENTS)
    assert sample_sources.SOURCES["dijet_latents"].is_one(about, 100)
    assert about["median_masses"]["narrow"]["pair"] > 2500 and about["median_masses"]["qcd"]["pair"] > 1100


def test_what_dijets_cannot_be_made_of_is_refused():
    for events, quality, words in ((3, "fast", "at least 4"), (16, "slow", "there are: full, fast")):
        with pytest.raises(Refused, match=words):
            dijet_latents.generate(events, 3, quality, 1, lambda done: None)
