"""The evaluation of showers: each number against a slow recomputation from its definition, and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.optimize import curve_fit
from sklearn.metrics import roc_auc_score

from qinn_bench import registry
from qinn_bench.building import make_model
from qinn_bench.calorimeter import (
    LAYOUTS,
    PHOTON,
    Calorimeter,
    CalorimeterLayer,
    ShowerRows,
    high_level,
    sectored,
)
from qinn_bench.data.readers import calo_challenge
from qinn_bench.dataset import Evidence
from qinn_bench.metrics import _truth_rows, physics_distances, shower_classifiers, shower_histograms, shower_manifolds
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._shower_networks import (
    CHALLENGE,
    FAST,
    ClassifierProtocol,
    SaidShowers,
    TrainedJudge,
    _area,
    areas_with_weights,
    judged,
    network,
    trained_judge,
)
from qinn_bench.metrics._shower_resnet import ShowerResNet
from qinn_bench.metrics._showers import shower_histograms as histograms_of
from qinn_bench.metrics._showers import showers_of
from qinn_bench.metrics._take import take
from qinn_bench.validity.truth_against_truth import Nulls
from qinn_bench.values import Use

N = 300
OF_SHOWERS = [name for name, metric in all_metrics().items() if metric.of_showers and not metric.slow]


def rng():
    return np.random.default_rng(3)


def data_of(text):
    return registry.make("data", registry.spell_out("data", registry.parse_use(text)))


@pytest.fixture(scope="module")
def data():
    return data_of("photon_showers[events=2400,form=voxels,coordinates=shares]")


@pytest.fixture(scope="module")
def evidence(data):
    """True showers, and others with a wider spread of energy."""
    scale = 1 + 0.03 * np.random.default_rng(0).normal(size=(N, 1))
    return Evidence(data, data.test[:N], data.train[:N] * scale, None, None, rng())


@pytest.fixture(scope="module")
def at_energies():
    found = data_of("photon_showers[events=2400,energies=1024;16384;262144,form=voxels,coordinates=shares]")
    return Evidence(found, found.test[:N], found.test[N : 2 * N], None, None, rng())


def columns(name, given):
    return {key: one.value for key, one in all_metrics()[name].compute(replace(given, rng=rng())).items()}


# A slow twin by the published definitions: lists of Python numbers, one shower and one voxel at a time.


class Slow:
    def __init__(self, layout, voxels, incident, cut):
        self.incident = [float(e) for e in incident]
        self.showers = [[0.0 if e < cut else float(e) for e in row] for row in voxels]
        self.layers, self.features = {}, {}
        start = 0
        for layer in layout.layers:
            for name in ("E", "eta", "phi", "weta", "wphi", "sparse", "r", "wr"):
                self.features[name, layer.number] = []
            for row in self.showers:
                self._layer(layer, row[start : start + layer.voxels])
            start += layer.voxels
        self.total = [math.fsum(row) for row in self.showers]

    def _layer(self, layer, energies):
        total, places = math.fsum(energies), []
        for sector in range(layer.angles):
            alpha = -math.pi + 2 * math.pi * (sector + 0.5) / layer.angles
            for low, high in zip(layer.edges[:-1], layer.edges[1:], strict=True):
                radius = (low + high) / 2
                places.append((radius, radius * math.cos(alpha), radius * math.sin(alpha)))
        found = {"E": total, "sparse": 1 - sum(e > 0 for e in energies) / len(energies)}
        for axis, (centre, width) in enumerate((("r", "wr"), ("eta", "weta"), ("phi", "wphi"))):
            mean = math.fsum(e * p[axis] for e, p in zip(energies, places, strict=True)) / (total + 1e-16)
            square = math.fsum(e * p[axis] ** 2 for e, p in zip(energies, places, strict=True)) / (total + 1e-16)
            found |= {centre: mean, width: math.sqrt(max(0.0, square - mean**2))}
        for name, value in found.items():
            self.features[name, layer.number].append(value)

    def vector(self, layout):
        around = [layer.number for layer in layout.layers if layer.angles > 1]
        every = [layer.number for layer in layout.layers]
        out = [[math.log10(e) for e in self.incident]]
        out += [[math.log10(e + 1e-8) for e in self.features["E", n]] for n in every]
        out += [[x / 100 for x in self.features[k, n]] for k in ("eta", "phi", "weta", "wphi") for n in around]
        out += [[math.log10(e + 1e-8) for e in self.total]]
        out += [self.features["sparse", n] for n in every]
        out += [[x / 100 for x in self.features[k, n]] for k in ("r", "wr") for n in every]
        return np.array(out).T


def separation_by_hand(truth, generated, edges):
    filled = []
    for side in (truth, generated):
        counts = [0] * (len(edges) - 1)
        for x in side:
            for k in range(len(edges) - 1):
                last = k == len(edges) - 2
                if edges[k] <= x < edges[k + 1] or (last and x == edges[-1]):
                    counts[k] += 1
                    break
        filled.append([c / sum(counts) for c in counts])
    return 0.5 * sum((p - q) ** 2 / (p + q + 1e-16) for p, q in zip(*filled, strict=True))


def log_edges(highest, edges):
    """From the cut of 1 MeV to the largest of the truth, which counts to the last bin."""
    return [*(10 ** (math.log10(highest) * k / (edges - 1)) for k in range(edges - 1)), highest]


@pytest.fixture(scope="module")
def files(evidence, tmp_path_factory):
    """Both samples written to HDF5 and read back, as the slow twin has them."""
    pytest.importorskip("h5py", reason="needs the extra [formats]", exc_type=ImportError)
    folder, slow, rows = tmp_path_factory.mktemp("pair"), [], []
    for name, sample in (("reference", evidence.truth), ("generated", evidence.generated)):
        incident = np.full(len(sample), 65536.0)
        calo_challenge.write(folder / f"{name}.hdf5", incident, sample * incident[:, None])
        found = calo_challenge.read(folder / f"{name}.hdf5", PHOTON)
        slow.append(Slow(PHOTON, found.energies, found.incident, 1.0))
        rows.append(found.energies / found.incident[:, None])
    return slow, replace(evidence, truth=rows[0], generated=rows[1])


def test_features_are_those_of_the_slow_twin_on_the_same_files(files):
    slow, given = files
    pair = showers_of(given)
    for side, by_hand in zip((pair.truth, pair.generated), slow, strict=True):
        np.testing.assert_allclose(side.features.vector(), by_hand.vector(PHOTON), rtol=1e-6, atol=1e-6)
    assert side.features.vector().shape == (N, 30)


def test_separation_powers_are_those_of_the_slow_twin_on_the_same_files(files):
    (truth, generated), given = files
    found = columns("shower_separation", given)
    response = [[t / e for t, e in zip(s.total, s.incident, strict=True)] for s in (truth, generated)]
    expected = {"response": separation_by_hand(*response, np.linspace(0.5, 1.5, 101))}
    for n in PHOTON.numbers:
        both = [s.features["E", n] for s in (truth, generated)]
        expected[f"layer_{n}"] = separation_by_hand(*both, log_edges(max(both[0]), 40))
    for n in (1, 2):
        for kind, name, edges in (
            ("centre_eta", "eta", np.linspace(-100, 100, 101)),
            ("centre_phi", "phi", np.linspace(-100, 100, 101)),
            ("width_eta", "weta", np.linspace(0, 100, 101)),
            ("width_phi", "wphi", np.linspace(0, 100, 101)),
        ):
            expected[f"{kind}_{n}"] = separation_by_hand(*(s.features[name, n] for s in (truth, generated)), edges)
    some = [[e for row in s.showers for e in row] for s in (truth, generated)]
    expected["voxel"] = separation_by_hand(*some, log_edges(max(some[0]), 50))
    for name, value in expected.items():
        assert found[f"shower_separation_{name}"] == pytest.approx(value, abs=1e-6), name
    assert len(expected) == len(found) - 1
    assert found["shower_separation_mean"] == pytest.approx(np.mean(list(expected.values())), abs=1e-6)


def test_distances_are_those_of_the_slow_twin_on_the_same_files(files):
    (truth, generated), given = files
    x, y = truth.vector(PHOTON), generated.vector(PHOTON)
    scale = np.abs(x).max(0)
    scale[scale == 0] = 1
    x, y = x / scale, y / scale
    found = columns("fpd", given) | columns("kpd", given)
    assert found["fpd_plain"] == pytest.approx(frechet_by_hand(x, y), abs=1e-6)
    assert found["kpd_plain"] == pytest.approx(kernel_by_hand(x, y), abs=1e-6)
    assert 0 <= found["fpd"] < 1.5 * found["fpd_plain"]


def frechet_by_hand(x, y):
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    off = x.mean(0) - y.mean(0)
    values = np.linalg.eigvals(s1 @ s2)
    return off @ off + np.trace(s1 + s2) - 2 * np.sqrt(np.maximum(values.real, 0)).sum()


def kernel_by_hand(x, y):
    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 4

    m, n = len(x), len(y)
    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    across = sum(k(a, b) for a in x for b in y)
    return within[0] / (m * (m - 1)) + within[1] / (n * (n - 1)) - 2 * across / (m * n)


# Histograms


def test_separation_is_zero_for_equal_and_one_for_disjoint_samples(evidence):
    same = replace(evidence, generated=evidence.truth)
    assert max(columns("shower_separation", same).values()) == 0
    disjoint = replace(evidence, generated=0.7 * evidence.truth)
    assert columns("shower_separation", disjoint)["shower_separation_response"] == pytest.approx(1)


def test_zeroing_a_layer_in_half_of_the_showers_is_seen_by_zeros_alone(data):
    true, made = data.test[:600], data.train[:600].copy()
    given = Evidence(data, true, made, None, None, rng())
    before = columns("shower_separation", given)["shower_separation_layer_3"]
    made[::2, PHOTON.parts[3]] = 0.0
    after, zeros = columns("shower_separation", given), columns("shower_zeros", given)
    assert after["shower_separation_layer_3"] == pytest.approx(before, abs=0.03)
    assert zeros["shower_zeros_layer_3"] == pytest.approx(0.5, abs=0.01)
    assert columns("shower_zeros", replace(given, generated=true))["shower_zeros_mean"] == 0


def test_histograms_have_the_bins_of_the_challenge(at_energies):
    found = {one.name: one for one in histograms_of(showers_of(at_energies), more=True)}
    assert found["response"].edges[[0, -1]].tolist() == [0.5, 1.5] and len(found["response"].edges) == 101
    assert found["response_1024_mev"].edges[[0, -1]] == pytest.approx([0.4, 1.4])
    assert found["response_16384_mev"].edges[[0, -1]] == pytest.approx([0.9, 1.1])
    assert len(found["response_16384_mev"].edges) == 21
    assert len(found["layer_2"].edges) == 40 and len(found["voxel"].edges) == 50 and found["voxel"].edges[0] == 1.0
    assert found["centre_eta_1"].edges[[0, -1]].tolist() == [-100, 100]
    assert found["centre_r_12"].edges[-1] == 1500 and found["width_r_3"].edges[-1] == 500
    assert len(found["sparsity_0"].edges) == 21
    assert found["response_1024_mev"].counts[0].sum() == pytest.approx(100, abs=5)
    pions = data_of("pion_showers[events=400,form=voxels,coordinates=shares]")
    pair = showers_of(Evidence(pions, pions.test[:100], pions.train[:100], None, None, rng()))
    of_pions = {one.name: one for one in histograms_of(pair)}
    assert of_pions["centre_eta_12"].edges[-1] == 500 and of_pions["width_phi_13"].edges[-1] == 400


def test_errors_of_separation_powers_cover(data):
    pool = np.concatenate([data.train, data.valid, data.test])
    names = ("shower_separation_mean", "shower_separation_layer_2", "shower_separation_voxel")
    values, errors = {name: [] for name in names}, {name: [] for name in names}
    for seed in range(40):
        picks = np.random.default_rng(seed).permutation(len(pool))
        scale = 1 + 0.02 * np.random.default_rng(seed).normal(size=(N, 1))
        given = Evidence(data, pool[picks[:N]], pool[picks[N : 2 * N]] * scale, None, None, rng())
        found = all_metrics()["shower_separation"].compute(given)
        for name in names:
            values[name].append(found[name].value)
            errors[name].append(found[name].error)
    for name in names:
        assert 0.6 < np.mean(errors[name]) / np.std(values[name]) < 2.0, name


def test_chi2_are_those_of_their_definitions(files):
    (truth, generated), given = files
    found = columns("shower_chi2", given)
    response = [np.array(s.total) / np.array(s.incident) for s in (truth, generated)]
    edges = np.linspace(*np.quantile(response[0], [0.001, 0.999]), 31)
    y1, y2 = (np.histogram(np.clip(side, edges[0], edges[-1]), bins=edges)[0] for side in response)
    weighted, shares, filled = 0.0, 0.0, 0
    for a, b in zip(y1.tolist(), y2.tolist(), strict=True):
        if a + b:
            w1, w2 = sum(y1), sum(y2)
            weighted += (w1 * b - w2 * a) ** 2 / (w1**2 * b + w2**2 * a)
            shares += (a / w1 - b / w2) ** 2 / (a / w1**2 + b / w2**2)
            filled += 1
    assert found["shower_chi2_weighted"] == pytest.approx(weighted / (filled - 1), rel=1e-6)
    assert found["shower_chi2_shares"] == pytest.approx(shares / filled, rel=1e-6)
    both = truth.total + generated.total
    wide = np.linspace(min(both), max(both), 51)
    counts = [np.histogram(s.total, bins=wide)[0] for s in (truth, generated)]
    expected = np.mean((counts[1] - counts[0]) ** 2 / (counts[0] + 1e-6))
    assert found["shower_chi2_counts"] == pytest.approx(expected, rel=1e-6)


def test_a_model_that_is_far_off_has_a_chi2_and_separation_powers(evidence):
    far = columns("shower_chi2", replace(evidence, generated=0.3 * evidence.truth))
    assert all(value > 10 for value in far.values())
    empty = columns("shower_separation", replace(evidence, generated=0 * evidence.truth))
    assert empty["shower_separation_voxel"] == empty["shower_separation_layer_2"] == 1
    assert empty["shower_separation_mean"] > 0.5
    zeros = columns("shower_zeros", replace(evidence, generated=0 * evidence.truth))
    assert zeros["shower_zeros_mean"] > 0.5


def test_chi2_of_equal_laws_is_about_one(data):
    given = Evidence(data, data.test[:1100], data.train[:900], None, None, rng())
    assert columns("shower_chi2", given)["shower_chi2_weighted"] == pytest.approx(1, abs=0.75)
    same = replace(given, generated=given.truth)
    assert list(columns("shower_chi2", same).values()) == [0, 0, 0]


# FPD and KPD


@pytest.mark.parametrize("dim", [1, 3, 8])
def test_the_distance_of_two_gaussians_is_the_closed_form(dim):
    draw = np.random.default_rng(dim)
    mean1, mean2 = draw.normal(size=(2, dim))
    a, b = draw.normal(size=(2, dim, dim))
    cov1, cov2 = a @ a.T, b @ b.T
    expected = (mean1 - mean2) @ (mean1 - mean2) + np.trace(cov1 + cov2 - 2 * np.real(sqrtm(cov1 @ cov2)))
    assert physics_distances.of_moments(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-9)
    x = draw.multivariate_normal(mean1, cov1, 60_000)
    y = draw.multivariate_normal(mean2, cov2, 60_000)
    assert physics_distances.frechet_distance(x, y) == pytest.approx(expected, rel=0.05)
    assert physics_distances.of_moments(mean1, np.eye(dim), mean1, 4 * np.eye(dim)) == pytest.approx(dim)


def test_a_shift_of_all_rows_is_its_square_and_extrapolation_takes_the_bias_away():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    assert physics_distances.frechet_distance(x, x + np.array([1.0, 2.0, 2.0])) == pytest.approx(9)
    drawn = [physics_distances._drawn_distance((x, x), size, rng()) for size in (1000, 50_000)]
    assert drawn[0] > 20 * drawn[1] > 0


def test_bootstrap_samples_by_counts_are_those_by_rows():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 3))
    stream, again = rng(), rng()
    picks = [again.integers(50, size=400) for _ in range(2)]
    slow = physics_distances.frechet_distance(x[picks[0]], y[picks[1]])
    assert physics_distances._drawn_distance((x, y), 400, stream) == pytest.approx(slow, rel=1e-9)


@pytest.mark.parametrize("y", [[3.0, 2.5, 2.2, 1.1], [-1.0, 0.5, 1.0, 2.5], [1.0, 1.4, 1.9, 2.6], [3.0, 2.0, 1.5, 1.0]])
@pytest.mark.parametrize("turn", [1, -1])
def test_the_line_is_that_of_a_bounded_fit(y, turn):
    x, y = np.linspace(1e-4, 2e-5, 4) * 1e4, np.array(y)[::turn]
    found = physics_distances.fitted_line(x, y)
    params, covariance = curve_fit(lambda x, a, b: a + b * x, x, y, bounds=([0, 0], [np.inf, np.inf]))
    assert (found.intercept, found.slope) == pytest.approx(params, abs=2e-4)
    if min(params) > 1e-3:
        assert found.error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-3)


def test_kpd_is_unbiased_under_the_null_and_sees_a_shift():
    values = []
    for seed in range(200):
        x, y = np.random.default_rng(seed).uniform(-1, 1, (2, 40, 3))
        ones = np.ones((40, 1))
        values.append(physics_distances.discrepancies(x, y, ones, ones)[0])
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values)) and min(values) < 0
    shifted = physics_distances.discrepancies(x, y + 0.5, ones, ones)[0]
    assert shifted > np.quantile(values, 0.99)


def test_batches_by_counts_are_those_by_rows():
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 12, 3))
    picks = rng().integers(12, size=(2, 30))
    counts = [np.bincount(pick, minlength=12)[:, None].astype(float) for pick in picks]
    fast = physics_distances.discrepancies(x, y, *counts)[0]
    assert fast == pytest.approx(kernel_by_hand(x[picks[0]], y[picks[1]]), rel=1e-9)


# Precision, recall, density, coverage


def prdc_by_hand(x, y, k):
    def far(a, b):
        return math.dist(a, b)

    radius = [sorted(far(a, b) for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)]
    own = [sorted(far(a, b) for j, b in enumerate(y) if j != i)[k - 1] for i, a in enumerate(y)]
    precision = np.mean([any(far(a, b) < r for a, r in zip(x, radius, strict=True)) for b in y])
    recall = np.mean([any(far(a, b) < r for b, r in zip(y, own, strict=True)) for a in x])
    density = sum(far(a, b) < r for b in y for a, r in zip(x, radius, strict=True)) / (k * len(y))
    coverage = np.mean([min(far(a, b) for b in y) < r for a, r in zip(x, radius, strict=True)])
    return precision, recall, density, coverage


def test_manifolds_are_those_of_the_slow_twin():
    x, y = np.random.default_rng(0).normal(size=(80, 4)), 1.3 * np.random.default_rng(1).normal(size=(60, 4)) + 0.4
    found = [part.mean() for part in shower_manifolds.manifolds(x, y)]
    assert found == pytest.approx(prdc_by_hand(x, y, 5), abs=1e-9)


def test_identical_samples_are_covered_and_far_ones_are_not(evidence):
    same = columns("prdc", replace(evidence, generated=evidence.truth))
    assert same["prdc_coverage"] == same["prdc_precision"] == same["prdc_recall"] == 1
    far = columns("prdc", replace(evidence, generated=evidence.truth * 30))
    assert far["prdc_coverage"] == far["prdc_precision"] == far["prdc_density"] == 0


def test_density_is_one_for_equal_laws():
    x, y = np.random.default_rng(4).normal(size=(2, 1500, 3))
    assert shower_manifolds.manifolds(x, y).density.mean() == pytest.approx(1, abs=0.05)
    # The chance that the nearest 5 of both samples together are all true rows is 2^-5.
    assert shower_manifolds.manifolds(x, y).coverage.mean() == pytest.approx(1 - 1 / 2**5, abs=0.02)


# Correlations


def test_correlations_are_pearsons(evidence):
    pair = showers_of(evidence)
    shares = [s.features.layers / s.features.incident[:, None] for s in (pair.truth, pair.generated)]
    matrices = [np.corrcoef(one, rowvar=False) for one in shares]
    upper = np.abs(matrices[0] - matrices[1])[np.triu_indices(5, 1)]
    found = columns("layer_correlation", evidence)
    assert found["layer_correlation_mean"] == pytest.approx(upper.mean(), abs=1e-9)
    assert found["layer_correlation_max"] == pytest.approx(upper.max(), abs=1e-9)
    assert shower_manifolds.correlations(shares[0]) == pytest.approx(matrices[0])


# Classifiers


@pytest.mark.parametrize(
    ("layout", "low", "high"),
    [
        ("dataset_1_photons", 9_152_513, 8_458_241),
        ("dataset_1_pions", 9_490_433, 8_491_009),
        ("dataset_2", 21_669_889, 9_138_177),
        ("dataset_3", 91_342_849, 9_138_177),
    ],
)
def test_networks_have_the_published_sizes(layout, low, high):
    shape = LAYOUTS[layout]
    features = 2 + 4 * len(shape.layers) + 4 * len(sectored(shape))
    sizes = [1 + shape.voxels, features]
    with torch.device("meta"):
        counts = [sum(p.numel() for p in network(size, CHALLENGE).parameters()) for size in sizes]
    assert counts == [low, high]


def test_the_residual_network_sees_the_grid_and_the_energy():
    model = ShowerResNet((45, 16, 9)).double().eval()
    assert sum(p.numel() for p in model.parameters()) == 2_516_644
    rows = torch.rand(3, 6481, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(rows)
        assert logits.shape == (3, 1) and torch.allclose(model(rows[:1]), logits[:1])
        rows[0, 0] += 1
        assert not torch.allclose(model(rows)[0], logits[0]) and torch.allclose(model(rows)[1], logits[1])


def test_grids_are_judged_by_the_residual_network_too(monkeypatch):
    layers = tuple(CalorimeterLayer(i, (0.0, 2.0, 4.0, 6.0), 4) for i in range(5))
    grid = Calorimeter("electron", layers)
    base = data_of("photon_showers[events=400]")
    rows = rng().gamma(0.5, size=(400, 60)) * 0.02
    facts = ShowerRows(grid, cut=0.1, energy=65536.0)
    data = replace(base, train=rows[:60], valid=rows[60:80], test=rows[80:], columns=(), showers=facts)
    monkeypatch.setattr(shower_classifiers, "CHALLENGE", replace(CHALLENGE, hidden=(8,), epochs=2))
    given = Evidence(data, data.test[:150], 1.5 * data.test[150:300], None, None, rng())
    found = all_metrics()["challenge_classifier"].compute(given)
    assert len(found) == 16 and 0 <= found["challenge_classifier_resnet_auc"].value <= 1


def test_inputs_of_classifiers_are_those_of_the_challenge(files):
    (slow, _), given = files
    pair = showers_of(given)
    low, normed, high = (shower_classifiers.inputs_of(pair, level)[0] for level in ("low", "low_normed", "high"))
    rows = np.array(slow.showers)
    np.testing.assert_allclose(low, np.column_stack([np.full(N, math.log10(65536)), rows / 65536]), rtol=1e-6)
    layers = np.array([slow.features["E", n] for n in PHOTON.numbers]).T
    counts = [layer.voxels for layer in PHOTON.layers]
    assert normed[:, 1:369] == pytest.approx(rows / (np.repeat(layers, counts, axis=1) + 1e-16), rel=1e-6)
    assert normed[:, 369:] == pytest.approx(np.log10(layers + 1e-8), abs=1e-6) and normed.shape == (N, 374)
    assert high == pytest.approx(slow.vector(PHOTON), abs=1e-6)


def test_a_small_classifier_finds_the_area_of_the_likelihood_ratio():
    x, y = np.random.default_rng(0).normal(size=(2, 4000, 2))
    found = judged((x + np.array([1.0, 0.0]), y), FAST, rng())
    # Of two normals a distance d apart: Phi(d / sqrt 2).
    assert found.auc.value == pytest.approx(0.7602, abs=0.03) and found.auc_raw.value == pytest.approx(0.7602, abs=0.03)
    grid = np.linspace(-8, 9, 4001)
    p, q = (np.exp(-((grid - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0, 1))
    exact = 0.5 * np.sum(p * np.log2(2 * p / (p + q)) + q * np.log2(2 * q / (p + q))) * (grid[1] - grid[0])
    assert found.jsd_raw.value == pytest.approx(exact, abs=0.03)
    # Steps of the calibration at 0 and 1 cost 20 bits for each row that is on the other side.
    assert -1 < found.jsd.value < exact + 0.03
    again = judged((x + np.array([1.0, 0.0]), y), FAST, rng())
    assert again == found


def test_weights_of_judged_rows_are_how_often_they_are_there():
    x, y = np.random.default_rng(1).normal(size=(2, 600, 2))
    judge = trained_judge((x + np.array([0.7, 0.0]), y), FAST, rng())
    ones = np.ones(600)
    plain = judged((x + np.array([0.7, 0.0]), y), FAST, rng())
    areas = {"auc": plain.auc.value, "auc_raw": plain.auc_raw.value}
    assert areas_with_weights(judge, ones, ones) == pytest.approx(areas)
    often = [np.random.default_rng(k).integers(0, 4, size=600) for k in (2, 3)]

    def repeated(said):
        times = np.where(said.labels == 1, often[0][said.places], often[1][said.places])
        return SaidShowers(*(np.repeat(of, times) for of in said))

    several = TrainedJudge(*map(repeated, judge))
    assert areas_with_weights(judge, *often) == pytest.approx(areas_with_weights(several, ones, ones))


@pytest.mark.parametrize("name", ["photon_showers[events=1500]", "photon_showers[events=1500,energies=1024;65536]"])
def test_a_classifier_is_trained_once_for_all_draws_of_true_showers(name, monkeypatch):
    data = data_of(name)
    given = Evidence(data, data.test[:300], data.test[:300] * 1.05, None, None, rng())
    trainings = []
    monkeypatch.setattr(shower_classifiers, "trained_judge", lambda *of: trainings.append(of) or trained_judge(*of))
    metric = all_metrics()["shower_classifier"]
    values = {column: one.value for column, one in metric.compute(given).items()}
    found = _truth_rows.over_truth(metric, given, rng, values)
    assert len(trainings) == 2 and found.keys() == {name for name in values if "auc" in name}
    assert all(of.shape == (_truth_rows.DRAWS,) and of.std() > 0 for of in found.values())


def test_a_divergence_that_is_negative_is_no_better_than_the_truth(evidence):
    found = all_metrics()["shower_classifier"].compute(replace(evidence, rng=rng()))
    assert {name: one.better for name, one in found.items()} == {
        name: "lower" if "auc" in name else "none" for name in found
    }


def test_equal_laws_are_not_told_apart_and_others_are(data, evidence):
    null = Evidence(data, data.test[:600], data.train[:600], None, None, rng())
    assert columns("shower_classifier", null)["shower_classifier_high_auc"] == pytest.approx(0.5, abs=0.1)
    spoiled = replace(null, generated=null.generated * np.linspace(0.7, 1.3, 368))
    assert columns("shower_classifier", spoiled)["shower_classifier_high_auc"] > 0.9


def test_the_protocol_of_the_challenge_runs_with_small_networks(evidence, monkeypatch):
    small = replace(CHALLENGE, hidden=(16, 16, 16), epochs=3)
    monkeypatch.setattr(shower_classifiers, "CHALLENGE", small)
    found = all_metrics()["challenge_classifier"].compute(replace(evidence, rng=rng()))
    assert len(found) == 12 and all(one.value is not None for one in found.values())
    assert isinstance(small, ClassifierProtocol) and small.dtype is torch.float64
    assert _truth_rows.over_truth(all_metrics()["challenge_classifier"], evidence, rng, {}) == {}


def test_areas_are_those_of_scikit_learn():
    labels = np.repeat([1.0, 0.0], 200)
    scores = np.random.default_rng(0).integers(0, 20, 400) / 20 + 0.1 * labels
    assert _area(scores, labels).value == pytest.approx(roc_auc_score(labels, scores))


# All alike


@pytest.mark.parametrize("name", OF_SHOWERS)
def test_there_is_a_number_for_every_form_of_rows(name):
    for form in ("layers", "pixels,pixels=8", "image,pixels=25"):
        data = data_of(f"photon_showers[events=800,energies=1024;65536,form={form}]")
        found = take(all_metrics()[name], Evidence(data, data.test[:200], data.test[200:400], None, None, rng()))
        known = [column for column, one in found.items() if one.value is not None]
        assert known and all(f"{name}" in column for column in known)
        assert not any("error" in one.note for one in found.values())


@pytest.mark.parametrize("name", OF_SHOWERS)
def test_rows_that_are_no_showers_have_no_number_but_a_reason(name):
    data = registry.make("data", registry.parse_use("bwexp[events=400]"))
    found = take(all_metrics()[name], Evidence(data, data.test[:100], data.train[:100], None, None, rng()))
    assert all(one.value is None and one.note == "the rows of the data set are no showers" for one in found.values())


def test_other_draws_of_true_rows_keep_their_energies(at_energies):
    metric = all_metrics()["shower_chi2"]
    values = columns("shower_chi2", at_energies)
    drawn = _truth_rows.over_truth(metric, at_energies, rng, values)
    assert set(drawn) == set(values)
    # Were energies of other showers taken, responses would be off by factors of 16.
    assert drawn["shower_chi2_weighted"].max() < 3 * max(values["shower_chi2_weighted"], 1)


def test_truth_stands_for_generated_showers_at_the_same_energies():
    data = data_of("photon_showers[events=1600,energies=1024;16384;262144]")
    model = make_model(Use(name="truth"), data)
    asked = torch.as_tensor(data.conditions.test[:300])
    rows = data.transform.inverse(model.sample(300, torch.Generator(), asked).numpy())
    assert np.abs(rows.sum(1) - 1).max() < 0.6
    known = np.array([np.abs(data.test - row).max(1).argmin() for row in rows])
    assert (data.conditions.test[known] == data.conditions.test[:300]).all() and known.min() >= 300
    nulls = Nulls(data, 200)
    assert nulls.possible and nulls.replicate(all_metrics()["shower_chi2"], 0)["shower_chi2_weighted"] < 5


def test_high_level_features_of_empty_showers_are_finite():
    found = high_level(PHOTON, np.zeros((2, 368)), np.full(2, 1e3)).vector()
    assert np.isfinite(found).all()
    assert shower_histograms.chi2_of_counts(np.ones(3), np.ones(3)) == 0
