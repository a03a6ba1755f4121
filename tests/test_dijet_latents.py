"""Latents of dijets: the sample that ships, published files by their folder, and the autoencoder that makes them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from qinn_bench import registry
from qinn_bench.data import sample_files, sample_sources
from qinn_bench.data.generators import jet_autoencoder
from qinn_bench.data.sets.collider import dijet_latents
from qinn_bench.values import Refused


def loaded(text: str):
    return registry.make("data", registry.spell_out("data", registry.parse_use(text)))


def test_the_sample_that_ships_says_what_made_it():
    arrays, about = sample_files.read(sample_sources.SOURCES["dijet_latents"].bundled)
    counts = np.bincount(arrays["labels"])
    assert counts[0] == counts[1:].sum() == about["events"] // 2 and counts[1] == counts[2]
    assert about["classes"] == ["qcd", "narrow", "broad"] and "Chamfer" in about["autoencoder"]
    assert {"pythia8mc", "fastjet", "torch"} <= about["versions"].keys()
    for n in sample_sources.LATENTS:
        latents = arrays[f"latents{n}"].astype(float)
        # No latent is a constant, nor one that a tanh has flattened.
        assert (
            np.abs(latents).max() <= 1
            and (latents.std(axis=0) > 0.03).all()
            and (np.abs(latents) > 0.999).mean() < 0.01
        )
        assert about["losses"][str(n)]["held_out"] < about["losses"][str(n)]["held_out_before"] / 2


@pytest.mark.parametrize("signal", dijet_latents.SIGNALS)
@pytest.mark.parametrize("latents", sample_sources.LATENTS)
def test_background_alone_is_trained_on_and_models_see_latents_as_they_are(signal, latents):
    data = loaded(f"dijet_latents[signal={signal},latents={latents}]")
    assert data.train.shape[1] == 2 * latents and data.provenance["signal"] == signal
    assert not data.labels.train.any() and not data.labels.valid.any() and 0 < data.labels.test.mean() < 1
    assert np.array_equal(data.transform.forward(data.test)[0], data.test)


def test_both_signals_share_their_background():
    narrow, broad = (loaded(f"dijet_latents[signal={signal}]") for signal in dijet_latents.SIGNALS)
    assert np.array_equal(narrow.train, broad.train)
    assert not np.array_equal(narrow.test[narrow.labels.test == 1], broad.test[broad.labels.test == 1])


@pytest.fixture
def published(tmp_path):
    """A folder of files in the published format: 40, 20 and 20 rows of two jets of four latents."""
    rng = np.random.default_rng(0)
    names = (dijet_latents.TRAINING, dijet_latents.TESTING, *dijet_latents.FILES.values())
    rows = {name: rng.uniform(-1, 1, (40 if name == dijet_latents.TRAINING else 20, 2, 4)) for name in names}
    for name, values in rows.items():
        with h5py.File(tmp_path / name, "w") as file:
            file["latent_space"] = values
    return tmp_path, rows


def test_published_files_keep_their_split(published):
    folder, rows = published
    data = dijet_latents.load(path=str(folder), latents=4, signal="broad")
    assert np.allclose(np.concatenate([data.train, data.valid]), rows[dijet_latents.TRAINING].reshape(40, 8))
    assert (len(data.train), len(data.valid), len(data.test)) == (30, 10, 40)
    signal = data.test[data.labels.test == 1]
    assert sorted(signal[:, 0]) == sorted(rows[dijet_latents.FILES["broad"]][:, 0, 0])
    assert "published files" in data.provenance["description"]
    assert len(dijet_latents.load(path=str(folder), latents=4, max_events=12).test) == 24


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"signal": "wide"}, "there are: narrow, broad"),
        ({"latents": 6}, "latents is 6; there are: 4, 8"),
        ({"max_events": -1}, "0 \\(all\\) or a positive number"),
        ({"sample": "qg_jets-bundled"}, "is one of qg_jets"),
        ({"path": "nowhere"}, "latentrep_QCD_sig.h5"),
    ],
)
def test_what_there_is_not_is_refused(knobs, words):
    with pytest.raises(Refused, match=words):
        dijet_latents.load(**knobs)


def test_files_of_other_latents_or_for_labels_are_refused(published):
    with pytest.raises(Refused, match="has 4 latents of a jet; latents=8"):
        dijet_latents.load(path=str(published[0]), latents=8)
    with pytest.raises(Refused, match="signal in its test rows alone"):
        dijet_latents.load(path=str(published[0]), latents=4, mixed=True)


def test_the_autoencoder_has_the_published_numbers_of_parameters():
    counts = {n: sum(p.numel() for p in jet_autoencoder.JetAutoencoder(n).parameters()) for n in (4, 6, 8, 16)}
    assert counts == {4: 162_197, 6: 241_867, 8: 322_689, 16: 657_497}


def test_the_chamfer_distance_is_that_of_an_obvious_loop():
    made, jets = torch.randn(2, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    for a, b, found in zip(made, jets, jet_autoencoder.chamfer(made, jets), strict=True):
        there = np.mean([min(float((p - q).square().sum()) for q in b) for p in a])
        back = np.mean([min(float((p - q).square().sum()) for q in a) for p in b])
        assert float(found) == pytest.approx(there + back, rel=1e-5)
    assert jet_autoencoder.chamfer(jets, jets.flip(1)).abs().max() < 1e-5


def test_a_training_follows_from_its_names_and_leaves_the_streams_of_others_alone():
    jets = np.random.default_rng(1).normal(size=(12, 100, 3))
    torch.manual_seed(7)
    first = jet_autoencoder.train(jets, 4, ("a",), epochs=2).latents(jets)
    after = torch.rand(1)
    again, other = (jet_autoencoder.train(jets, 4, (name,), epochs=2).latents(jets) for name in ("a", "b"))
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), after)
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert np.abs(first).max() <= 1
