"""Every data set keeps the laws of data sets; exact densities of toys, and the physics of the sample."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.data import kinematics, sample_files, sample_sources
from qinn_bench.data.assemble import assemble
from qinn_bench.data.bits import SpreadBits
from qinn_bench.data.sets.collider import toy_zj, zjets
from qinn_bench.data.sets.toys import bwexp, gmm8, moons, rings3
from qinn_bench.data.transforms import AsTheyAre, Columnwise, LogShift
from qinn_bench.dataset import Column, Dataset
from qinn_bench.laws.data_sets import OF_DATA, DataCase, numeric_log_jacobian
from qinn_bench.laws.law import Spared
from qinn_bench.metrics.resonance import fit
from qinn_bench.values import Refused, Use
from tests.data_at_hand import AT_HAND, small

VARIANTS = [
    "zjets[features=9]",
    "zjets[coordinates=mass]",
    "zjets[features=9,coordinates=mass]",
    "toy_zj[coordinates=mass]",
    "table[log=pt,features=arcsinh]",
    "table[columns=mass;pt]",
    "qg_jets[max_events=400,background=gluon]",
    "qg_jets[max_events=400,pixels=20,channels=all,mixed=true]",
    "qg_jets[max_events=400,form=constituents,particles=8]",
    "qg_jets[max_events=400,form=features]",
    "top_jets[max_events=400,form=features,background=top]",
    "digits[background=38,signal=5,mixed=true]",
    "digit_bits[pixels=8]",
    "layer_bits[events=400,bits=2]",
    "tree_spins[events=400,bits=100]",
    "photon_showers[events=400,energies=256;4096;65536]",
    "photon_showers[events=400,energies=1000..1000000,form=pixels,pixels=8]",
    "photon_showers[events=400,form=pixels,pixels=25,coordinates=log]",
    "photon_showers[events=400,form=image,pixels=12]",
    "photon_showers[events=400,form=voxels]",
    "pion_showers[events=400,form=pixels,pixels=12]",
    "pion_showers[events=400,form=voxels,coordinates=shares]",
]
EVERY = [*(str(small(name)) for name in AT_HAND), *VARIANTS]
BUNDLED = [source.bundled for source in sample_sources.SOURCES.values()]
TOYS = ["bwexp", "gmm8", "moons", "rings3", "toy_zj"]


@cache
def loaded(text: str) -> Dataset:
    return registry.make("data", registry.spell_out("data", registry.parse_use(text)))


@pytest.fixture(params=EVERY)
def data(request):
    return loaded(request.param)


def sample_of(name):
    arrays, provenance = sample_files.read(name)
    return arrays["rows"], provenance


def all_rows(data):
    return np.concatenate([data.train, data.valid, data.test])


@pytest.mark.parametrize("law", OF_DATA, ids=lambda law: law.name)
@pytest.mark.parametrize("text", EVERY)
def test_every_data_set_keeps_every_law(text, law):
    try:
        law.check(case_of(text))
    except Spared as spared:
        pytest.skip(str(spared))


@cache
def case_of(text: str) -> DataCase:
    return DataCase(registry.parse_use(text))


def test_splits_are_sized_as_published(data):
    if data.labels is not None:
        pytest.skip("its classes are split each by itself")
    n = len(all_rows(data))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [3 * n // 8, n // 8, n // 2]


def test_training_features_are_standardised(data):
    if isinstance(data.transform, AsTheyAre | SpreadBits):
        pytest.skip("nothing is fitted to its rows")
    features = data.transform.forward(data.train)[0]
    np.testing.assert_allclose(features.mean(0), 0.0, atol=1e-9)
    np.testing.assert_allclose(features.std(0), 1.0, atol=1e-9)


def test_fingerprints_tell_data_sets_apart():
    assert len({loaded(text).fingerprint for text in EVERY}) == len(EVERY)


@pytest.mark.parametrize("name", TOYS)
def test_too_few_events_are_refused(name):
    with pytest.raises(Refused, match="at least 40"):
        registry.make("data", Use(name=name, knobs={"events": 5}))


# Rows that are no numbers.


def assembled(rows, *, steps=(), **parts):
    names = [f"x{i}" for i in range(rows.shape[1])]
    return assemble(
        "theirs",
        {},
        rows,
        columns=tuple(Column(name, name) for name in names),
        steps=steps,
        observables=lambda rows: dict(zip(names, rows.T, strict=True)),
        plots=(),
        support=lambda rows: np.ones(len(rows), bool),
        provenance={},
        **parts,
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 40, 99])
def test_rows_that_are_not_finite_are_refused_by_column_and_count(bad, at):
    rows = np.random.default_rng(0).normal(size=(100, 3))
    rows[at, 1] = rows[50, 1] = rows[51, 2] = bad
    with pytest.raises(Refused, match=r"'theirs'.* of 100 rows.*: 'x1' in 2, 'x2' in 1;"):
        assembled(rows)


@pytest.mark.parametrize(("part", "words"), [("train", "38 training"), ("valid", "12 validation"), ("test", "50 test")])
def test_a_data_set_made_by_hand_is_refused_too(part, words):
    data = assembled(np.random.default_rng(0).normal(size=(100, 2)))
    rows = getattr(data, part).copy()
    rows[[3, 5], 1] = np.nan
    with pytest.raises(Refused, match=f"column 'x1' is not finite in 2 of the {words} rows"):
        replace(data, **{part: rows})


@pytest.mark.parametrize("value", [0.0, 0.1 + 0.2, 1e300])
def test_a_column_that_is_constant_is_refused(value):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    rows[:, 1] = value
    with pytest.raises(Refused, match=r"feature 1 \(column 'x1'\) has a standard deviation of"):
        assembled(rows)


def test_rows_outside_the_domain_of_the_map_are_refused():
    rows = np.random.default_rng(0).random((100, 1))
    rows[[4, 60, 70]] = -1.0
    with pytest.raises(Refused, match=r"3 of 100 rows lie outside the domain .* feature 0 \(column 'x0'\)"):
        assembled(rows, steps=(Columnwise((LogShift(),)),))


def test_binary_columns_and_offsets_are_taken():
    rows = np.random.default_rng(0).normal(size=(100, 2))
    rows[:, 0] = rows[:, 0] > 1
    rows[:, 1] += 1e9
    features = (data := assembled(rows)).transform.forward(data.train)[0]
    np.testing.assert_allclose(features.std(0), 1.0, rtol=1e-6)


# The exact densities of the toys.


@pytest.mark.parametrize("name", TOYS)
def test_the_mean_negative_log_density_of_the_samples_is_the_entropy(name):
    data = loaded(name)
    nll = -data.density.log_density(data.test[:20_000])
    assert abs(nll.mean() - data.density.entropy) < 4 * nll.std() / np.sqrt(len(nll))


@pytest.mark.parametrize(
    ("density", "box", "entropy"),
    [
        (gmm8.Mixture(), (-3.5, 3.5, -3.5, 3.5), 1.6981),
        (moons.Moons(), (-1.8, 2.8, -1.3, 1.8), 1.0076),
        (rings3.Rings(), (-3.8, 3.8, -3.8, 3.8), 2.6478),
    ],
    ids=["gmm8", "moons", "rings3"],
)
def test_the_density_in_the_plane_integrates_to_one_and_to_the_entropy(density, box, entropy):
    x, y = np.arange(box[0], box[1], 0.04), np.arange(box[2], box[3], 0.04)
    # Off the lattice of the symmetric points, since the density of the rings diverges (integrably) at the origin.
    grid = np.stack(np.meshgrid(x + 0.013, y + 0.017), axis=-1).reshape(-1, 2)
    log_p = density.log_density(grid)
    p = np.exp(log_p) * 0.04**2
    assert abs(p.sum() - 1) < 1e-4
    assert abs(-(p * log_p).sum() - entropy) < 2e-4
    assert abs(density.entropy - entropy) < 1e-4


def test_the_density_of_the_peak_integrates_to_one_and_to_the_entropy():
    mass = np.linspace(66.0, 116.0, 200_001)
    mass = 0.5 * (mass[1:] + mass[:-1])
    edge = np.full_like(mass, 20.0 + 1e-9)
    log_p = bwexp.CauchyMass().log_density(np.column_stack([mass, edge])) + np.log(25.0)
    p = np.exp(log_p) * (mass[1] - mass[0])
    assert abs(p.sum() - 1) < 1e-8
    assert abs(-(p * log_p).sum() + 1 + np.log(25.0) - bwexp.CauchyMass.entropy) < 1e-5
    outside = np.array([[60.0, 30.0], [91.0, 19.0], [120.0, 30.0]])
    assert (bwexp.CauchyMass().log_density(outside) == -np.inf).all()


def test_the_density_of_the_moons_does_not_depend_on_its_nodes(monkeypatch):
    rows = np.random.default_rng(5).uniform([-1.5, -1.0], [2.5, 1.5], (300, 2))
    fast = moons.Moons().log_density(rows)
    monkeypatch.setattr(moons, "NODES", 400)
    np.testing.assert_allclose(fast, moons.Moons().log_density(rows), atol=1e-10)


@pytest.mark.parametrize("name", ["gmm8", "moons", "rings3", "bwexp"])
def test_histograms_of_the_samples_follow_the_density(name):
    data = loaded(name)
    rows, density = data.test[:20_000], data.density
    low, high = np.quantile(rows, [0.02, 0.98], axis=0)
    points = [low[i] + (np.arange(160) + 0.5) * (high[i] - low[i]) / 160 for i in (0, 1)]
    grid = np.stack(np.meshgrid(*points, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = np.prod((high - low) / 160)
    expected = (np.exp(density.log_density(grid)) * cell).reshape(8, 20, 8, 20).sum(axis=(1, 3)) * len(rows)
    counts = np.histogram2d(*rows.T, bins=8, range=list(zip(low, high, strict=True)))[0]
    filled = expected > 5
    chi2 = ((counts - expected) ** 2 / expected)[filled]
    assert chi2.sum() < filled.sum() + 4 * np.sqrt(2 * filled.sum())


def test_the_muons_of_the_toy_have_the_jacobian_of_two_body_decay():
    rng = np.random.default_rng(6)
    density = toy_zj.ToyZJet()
    inputs = np.column_stack(
        [
            rng.uniform(80, 100, 40),
            rng.gamma(2, 20, 40) + 3,
            rng.normal(0, 1.2, 40),
            rng.uniform(-3, 3, 40),
            rng.uniform(-0.95, 0.95, 40),
            rng.uniform(-3, 3, 40),
        ]
    )

    class Decay:
        def forward(self, rows):
            return np.column_stack(toy_zj.decay(*rows.T)), None

    numeric = numeric_log_jacobian(Decay(), inputs)
    muons = Decay().forward(inputs)[0]
    mass, pt, rapidity, phi = toy_zj.pair(np.hstack([muons, np.zeros((40, 3))]))
    np.testing.assert_allclose(np.column_stack([mass, pt, rapidity, phi]), inputs[:, :4], rtol=1e-9, atol=1e-9)
    closed = np.log(2 * muons[:, 0] * muons[:, 3] / (mass * pt))
    np.testing.assert_allclose(numeric, -closed, atol=1e-5)
    jet = np.column_stack([pt, rapidity / 2, toy_zj.wrap(phi + np.pi)])
    prior = (
        density._log_mass(mass)
        + np.log(pt / 400)
        - pt / 20
        - 0.5 * (rapidity / 1.2) ** 2
        - np.log(1.2 * np.sqrt(2 * np.pi) * 2 * np.pi * 4 * np.pi)
    )
    at_centre = -np.log(pt * 0.15 * 1.5 * 0.15) - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(density.log_density(np.hstack([muons, jet])), prior - numeric + at_centre, atol=1e-5)


def test_the_toy_has_no_density_outside_its_window_and_its_turn():
    rows = loaded("toy_zj").test[:50]
    heavy, turned = rows.copy(), rows.copy()
    heavy[:, [0, 3]] *= 2
    turned[:, 5] += 2 * np.pi
    for outside in (heavy, turned):
        assert (toy_zj.ToyZJet().log_density(outside) == -np.inf).all()
        assert not loaded("toy_zj").support(outside).any()


def test_the_mass_coordinate_is_the_mass():
    data = loaded("zjets[coordinates=mass]")
    m = data.observables(data.test)["m_ll"]
    features = data.transform.forward(data.test)[0][:, 2]
    y = np.log((m - 66.0) / (116.0 - m))
    np.testing.assert_allclose(np.corrcoef(y, features)[0, 1], 1.0, atol=1e-9)
    np.testing.assert_array_equal(data.test, loaded("zjets").test)


# Kinematics against four-vectors.


def test_observables_are_those_of_the_four_vectors():
    rows = loaded("toy_zj").test[:1000]
    found = loaded("toy_zj").observables(rows)
    (p1, p2, jet) = (four_vector(*rows[:, i : i + 3].T) for i in (0, 3, 6))
    z = p1 + p2
    np.testing.assert_allclose(found["m_ll"], np.sqrt(z[0] ** 2 - z[1] ** 2 - z[2] ** 2 - z[3] ** 2), rtol=1e-6)
    np.testing.assert_allclose(found["pt_z"], np.hypot(z[1], z[2]), rtol=1e-9)
    np.testing.assert_allclose(found["dphi_zj"], angle_between(z, jet), atol=1e-6)
    np.testing.assert_allclose(found["dphi_ll"], angle_between(p1, p2), atol=1e-6)
    np.testing.assert_allclose(found["dr_ll"], np.hypot(rows[:, 1] - rows[:, 4], angle_between(p1, p2)), atol=1e-6)


def four_vector(pt, eta, phi):
    return np.array([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])


def angle_between(a, b):
    cosine = (a[1] * b[1] + a[2] * b[2]) / np.hypot(a[1], a[2]) / np.hypot(b[1], b[2])
    return np.arccos(np.clip(cosine, -1, 1))


def test_the_global_azimuth_is_gone_from_the_physical_rows():
    generated = np.random.default_rng(7).normal(size=(100, 10)).astype(np.float32)
    turned = generated.astype(np.float64)
    turned[:, [2, 5, 8]] += 1.0
    np.testing.assert_allclose(zjets.physical(turned, True), zjets.physical(generated, True), atol=1e-6)


# The physics of the bundled sample.


def test_the_bundled_sample_has_a_z():
    data = loaded("zjets")
    peak = fit(data.observables(data.test)["m_ll"], data.resonance)
    assert abs(peak.mass - 91.19) < 0.06
    assert 2.40 < peak.width < 2.80


def test_the_bundled_sample_has_the_known_means():
    data = loaded("zjets[features=9]")
    rows = all_rows(data)
    found = data.observables(rows)
    assert len(rows) >= 80_000
    assert abs(found["pt_mum"].mean() - 46.0) < 1.5
    assert abs(found["pt_mup"].mean() - 46.0) < 1.5
    assert abs(found["pt_j"].mean() - 42.0) < 1.5
    assert abs(np.median(found["pt_j"]) - 32.9) < 1.0
    assert abs(found["m_j"].mean() - 6.17) < 0.3
    assert abs(found["dphi_zj"].mean() - 2.86) < 0.02
    assert abs(data.provenance["sigma_pb"] - 521) < 12
    assert abs(data.provenance["efficiency"] - 0.229) < 0.01


def test_the_bundled_sample_is_the_one_that_was_made():
    rows, provenance = sample_of(sample_sources.BUNDLED)
    assert sample_files.arrays_hash({"rows": rows}) == provenance["rows_sha256"]
    assert rows.dtype == np.float32
    assert provenance["events"] == len(rows)


def test_max_events_takes_the_first_ones():
    few = zjets.load(max_events=800)
    np.testing.assert_array_equal(few.train, loaded("zjets").train[:300])
    assert len(few.test) == 400


@pytest.mark.parametrize(
    "knobs", [{"features": 7}, {"max_events": -1}, {"coordinates": "x"}, {"sample": "none"}], ids=str
)
def test_impossible_knobs_are_refused(knobs):
    with pytest.raises(Refused):
        zjets.load(**knobs)


# Samples on disk.


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """One good sample with the paper's cuts in a cache of its own."""
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    rows, provenance = sample_of(sample_sources.BUNDLED)
    rows = rows[:400]
    provenance |= {"events": 400, "cuts": "paper", "rows_sha256": sample_files.arrays_hash({"rows": rows})}
    sample_files.write(tmp_path, "zjets-good", {"rows": rows}, provenance)
    return tmp_path


@pytest.mark.parametrize("coordinates", kinematics.COORDINATES)
def test_a_cached_sample_is_loaded_by_name_with_its_own_cuts(cached, coordinates):
    data = zjets.load(sample="zjets-good", coordinates=coordinates)
    assert data.provenance["cuts"] == "paper"
    assert data.support(all_rows(data)).all()
    np.testing.assert_allclose(data.transform.inverse(data.transform.forward(data.test)[0]), data.test, rtol=1e-9)
    soft = data.test.copy()
    soft[:, 0] = 5.0
    assert data.support(soft).all()
    assert not loaded("zjets").support(soft).any()


def test_nothing_but_the_two_files_is_left_behind(cached):
    assert sorted(path.name for path in cached.iterdir()) == ["zjets-good.json", "zjets-good.npz"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_whose_rows_are_not_finite_is_refused_by_column(cached, value):
    rows, provenance = sample_of("zjets-good")
    rows[[3, 4], 2] = rows[9, 9] = value
    sample_files.write(
        cached, "zjets-bad", {"rows": rows}, provenance | {"rows_sha256": sample_files.arrays_hash({"rows": rows})}
    )
    with pytest.raises(Refused, match=r"of the 400 rows.*: 'phi_mum' in 2, 'm_j' in 1;"):
        sample_files.read("zjets-bad")


@pytest.mark.parametrize(
    "other",
    [{"cuts": "none"}, {"cuts": ["lhc"]}, {"events": "400"}, {"events": -1}, {"min_ptz": None}],
    ids=str,
)
def test_a_provenance_of_wrong_types_is_refused(cached, other):
    rows, provenance = sample_of("zjets-good")
    sample_files.write(cached, "zjets-odd", {"rows": rows}, provenance | other)
    with pytest.raises(Refused, match="zjets-odd"):
        zjets.load(sample="zjets-odd")


@pytest.mark.parametrize("rows", [np.zeros((400, 9), np.float32), np.zeros((400, 10)), np.zeros((500, 10), np.float32)])
def test_rows_of_another_shape_or_type_are_refused(cached, rows):
    _, provenance = sample_files.read("zjets-good")
    sample_files.write(
        cached, "zjets-odd", {"rows": rows}, provenance | {"rows_sha256": sample_files.arrays_hash({"rows": rows})}
    )
    with pytest.raises(Refused, match="zjets-odd"):
        sample_files.read("zjets-odd")


def test_an_archive_that_unpacks_to_more_than_its_events_is_not_unpacked(cached, monkeypatch):
    np.savez_compressed(cached / "zjets-good.npz", rows=np.zeros((2_000_000, 10), np.float32))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("was unpacked"))
    with pytest.raises(Refused, match="zjets-good"):
        sample_files.read("zjets-good")


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing", "provenance"])
def test_a_damaged_sample_is_one_sentence(cached, damage, capsys):
    rows, text = cached / "zjets-good.npz", cached / "zjets-good.json"
    if damage == "truncated":
        rows.write_bytes(rows.read_bytes()[:1000])
    elif damage == "changed":
        np.savez(rows, rows=np.zeros((400, 10), np.float32))
    elif damage == "missing":
        rows.unlink()
    else:
        text.write_text("{", encoding="utf8")
    with pytest.raises(Refused, match="zjets-good"):
        sample_files.read("zjets-good")
    assert main(["data", "verify", "zjets-good"]) == 4
    assert "delete it and make it again" in " ".join(capsys.readouterr().out.split())


def test_the_command_line_lists_describes_and_verifies(cached, capsys):
    assert main(["data", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["samples"]) == {*BUNDLED, "zjets-good"}
    assert main(["data", "info", "moons[events=100]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entropy_nats"] == pytest.approx(1.0076, abs=1e-4)
    assert main(["data", "info", "zjets-good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cuts"] == "paper"
    assert main(["data", "verify"]) == 0
    assert "whole" in capsys.readouterr().out
    assert main(["data", "info", "absent"]) == 2
    assert ", ".join([*BUNDLED, "zjets-good"]) in capsys.readouterr().err


def test_keys_name_the_content():
    pytest.importorskip("pythia8mc", reason="needs the extra [hep]", exc_type=ImportError)
    one = sample_sources.ZjetsRequest(events=1000)
    assert sample_files.key(one) == sample_files.key(sample_sources.ZjetsRequest(events=1000))
    others = [{"seed": 2}, {"quality": "full"}, {"cuts": "paper"}, {"min_ptz": 30.0}]
    assert (
        len(
            {sample_files.key(sample_sources.ZjetsRequest(events=1000, **other)) for other in others}
            | {sample_files.key(one)}
        )
        == 5
    )


def test_without_the_extra_generating_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(sample_files, "version", lambda name: "1")
    monkeypatch.setattr(sample_sources.SampleSource, "generator", "qinn_bench.data.generators.absent")
    with pytest.raises(Refused, match=r"pip install 'qinn-bench\[hep\]'"):
        sample_files.make(sample_sources.ZjetsRequest(events=10), 1, lambda done: None)
