"""Showers of our own: the figures of GFlash, energies as a condition, what rows are, and equal streams."""

import time
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from qinn_bench import registry
from qinn_bench.calorimeter import (
    LAYOUTS,
    PHOTON,
    PION,
    Calorimeter,
    CalorimeterLayer,
    condition_of,
    energy_of,
    high_level,
    sectored,
)
from qinn_bench.data.showers import gflash
from qinn_bench.data.showers.coordinates import Cascade
from qinn_bench.data.showers.draw import draw, incident
from qinn_bench.data.showers.reduced import PIXELS, layers_only, pooled
from qinn_bench.data.showers.spots import LayerShapes, ring_shares
from qinn_bench.values import Refused

GEV = 1000.0


@pytest.fixture(scope="module")
def photons():
    known, voxels = draw("photon", incident("photon", "65536"), 10_000, whole=True)
    return known, voxels


@pytest.fixture(scope="module")
def pions():
    return draw("pion", incident("pion", "65536"), 6000, whole=True)


def loaded(text):
    return registry.make("data", registry.spell_out("data", registry.parse_use(text)))


# The physics


def test_photons_have_the_figures_of_gflash(photons):
    known, voxels = photons
    layers = PHOTON.layer_energies(voxels) / known[:, None]
    response = layers.sum(1)
    assert response.mean() == pytest.approx(0.994, abs=0.003)
    assert response.std() == pytest.approx(0.0145, abs=0.001)
    assert response.std() == pytest.approx(np.hypot(gflash.RESOLUTION / np.sqrt(65.536), gflash.CONSTANT), rel=0.05)
    assert layers[:, 1].mean() == pytest.approx(0.151, abs=0.006)
    assert layers[:, 2].mean() == pytest.approx(0.825, abs=0.006)
    assert layers.mean(0)[[0, 3, 4]] == pytest.approx([0.0011, 0.0095, 0.0076], abs=3e-4)
    assert (voxels > 0).mean() == pytest.approx(0.70, abs=0.03)
    middle = voxels[:, PHOTON.parts[2]].reshape(-1, 10, 19).sum((0, 1)).cumsum()
    inside = dict(zip(PHOTON.layers[2].edges[1:], middle / middle[-1], strict=True))
    assert inside[40.0] == pytest.approx(0.897, abs=0.01)
    assert inside[80.0] == pytest.approx(0.965, abs=0.01)


def test_electrons_peak_where_the_formula_says():
    shapes = gflash.profiles(np.full(20_000, 65.536), np.random.default_rng(1), converts=False)
    assert shapes.peak.mean() == pytest.approx(7.70, abs=0.05)
    assert np.log(shapes.peak).std() == pytest.approx(0.117, abs=0.005)
    assert np.log(shapes.alpha).std() == pytest.approx(0.162, abs=0.006)
    assert np.corrcoef(np.log(shapes.peak), np.log(shapes.alpha))[0, 1] == pytest.approx(0.573, abs=0.03)
    assert gflash.contained(shapes, np.array([22.0, 24.4])).mean(0) == pytest.approx([0.986, 0.994], abs=0.002)


def test_a_layer_holds_the_integral_of_the_profile():
    shapes = gflash.profiles(np.array([10.0]), np.random.default_rng(2))
    alpha, beta, start = shapes.alpha[0], shapes.beta[0], shapes.start[0]
    ends = start + np.array([0.5, 6.4])

    def profile(t):
        return np.exp((alpha - 1) * np.log(beta * t) - beta * t)

    whole = quad(profile, 0, np.inf)[0]
    part = quad(profile, 0.5, 6.4)[0]
    assert np.diff(gflash.contained(shapes, ends))[0, 0] == pytest.approx(part / whole, rel=1e-8)


def test_a_radial_share_is_the_integral_of_both_components():
    shape = LayerShapes(*(np.array([[v]]) for v in (1.0, 4.0, 30.0, 0.6)), np.array([9.0]), None)
    edges = np.array([0.0, 3.0, 20.0, 400.0])

    def density(r):
        return sum(p * 2 * r * size**2 / (r**2 + size**2) ** 2 for p, size in ((0.6, 4.0), (0.4, 30.0)))

    slow = np.array([quad(density, *ends)[0] for ends in pairwise(edges)])
    assert ring_shares(shape, edges)[0] == pytest.approx(slow / slow.sum(), rel=1e-9)


def test_response_and_depth_move_with_energy_as_they_should():
    energies = [256.0, 4096.0, 65536.0, 4194304.0]
    means, widths, fronts = [], [], []
    for energy in energies:
        _, layers = draw("photon", incident("photon", f"{energy:.0f}"), 2000, whole=False)
        response = layers.sum(1) / energy
        means.append(response.mean())
        widths.append(response.std())
        fronts.append(layers[:, 1].sum() / layers.sum())
    assert 0.9 < means[0] < means[1] and 0.98 < means[3] < 1.0
    assert (np.diff(widths) < 0).all() and widths[0] == pytest.approx(0.208, abs=0.02)
    assert widths[3] == pytest.approx(0.010, abs=0.001)
    assert (np.diff(fronts) < 0).all() and fronts[0] == pytest.approx(0.55, abs=0.04)


def test_the_surrogate_of_pions_looks_like_one(pions):
    known, voxels = pions
    layers = PION.layer_energies(voxels) / known[:, None]
    response = layers.sum(1)
    assert response.mean() == pytest.approx(0.805, abs=0.02)
    assert response.std() == pytest.approx(0.077, abs=0.01)
    assert layers[:, :4].sum() / layers.sum() == pytest.approx(0.5, abs=0.06)
    passed = layers[:, 2] < 0.02
    assert 0.1 < passed.mean() < 0.4 and np.median(layers[~passed, 2]) > 0.3
    assert loaded("pion_showers[events=400]").provenance["description"].startswith("surrogate")


def test_voxels_are_no_multiples_of_one_quantum(photons):
    _, voxels = photons
    layer = voxels[:50, PHOTON.parts[1]]
    ratios = [row[row > 0] / row[row > 0].min() for row in layer]
    off = np.concatenate([np.abs(ratio - ratio.round()) for ratio in ratios])
    assert off.mean() == pytest.approx(0.25, abs=0.03)


def test_layers_keep_their_energy_in_voxels():
    known, voxels = draw("photon", incident("photon", "256;65536"), 2000, whole=True)
    _, layers = draw("photon", incident("photon", "256;65536"), 2000, whole=False)
    lost = layers - PHOTON.layer_energies(voxels)
    assert lost.min() > -1e-6 and lost.max() < 0.01 * 190 and (voxels[voxels > 0] >= 0.01).all()
    assert known[:4].tolist() == [256.0, 65536.0, 256.0, 65536.0]


@pytest.mark.parametrize("particle", ["photon", "pion"])
def test_fewer_showers_are_the_first_ones(particle):
    text = "4096;65536"
    few, many = (draw(particle, incident(particle, text), n, whole=True)[1] for n in (500, 2500))
    assert np.array_equal(few, many[:500])


def test_showers_are_drawn_fast():
    draw("photon", incident("photon", "65536"), 2000, whole=True)
    start = time.process_time()
    draw("photon", incident("photon", "65536"), 10_000, whole=True)
    assert 10_000 / (time.process_time() - start) > 10_000  # 27 000 on a quiet core.


# Energies


@pytest.mark.parametrize("text", ["", "x", "1..2..3", "65536;65536", "10", "9..1000", "2000..1000", "nan", "1e12"])
def test_odd_energies_are_refused(text):
    with pytest.raises(Refused, match="the incident energy is"):
        incident("photon", text)


def test_pions_below_a_gev_are_refused():
    with pytest.raises(Refused, match="from 1000"):
        loaded("pion_showers[energy=256]")


def test_conditions_are_incident_energies():
    energies = np.array([256.0, 1000.0, 65536.0, 4194304.0])
    assert energy_of(condition_of(energies)) == pytest.approx(energies)
    data = loaded("photon_showers[events=800,energies=1000..1000000]")
    assert data.condition_dim == 1 and np.abs(data.conditions.train).max() < 1
    known = data.showers.incident(len(data.test), data.conditions.test)
    assert np.log(known).mean() == pytest.approx(np.log(1000 * 1e6) / 2, abs=0.4)
    single = loaded("photon_showers[events=400]")
    assert single.conditions is None and single.showers.incident(2, None).tolist() == [65536.0, 65536.0]


def test_every_part_has_every_energy_alike():
    data = loaded("photon_showers[events=800,energies=256;4096;65536]")
    for part in data.conditions:
        _, counts = np.unique(part, return_counts=True)
        assert np.ptp(counts) <= 1 and len(counts) == 3


# What rows are


@pytest.mark.parametrize(("text", "shape"), [
    ("photon_showers[events=400]", (5,)),
    ("pion_showers[events=400]", (7,)),
    ("photon_showers[events=400,form=pixels,pixels=8]", (8,)),
    ("photon_showers[events=400,form=image,pixels=12]", (1, 4, 3)),
    ("pion_showers[events=400,form=pixels,pixels=25]", (25,)),
    ("photon_showers[events=400,form=voxels]", (368,)),
    ("pion_showers[events=400,form=voxels]", (533,)),
])  # fmt: skip
def test_rows_have_the_shape_that_was_asked_for(text, shape):
    data = loaded(text)
    assert data.shape == shape and data.showers.calorimeter.voxels == np.prod(shape)


@pytest.mark.parametrize(
    "knobs", ["form=rings", "pixels=9", "coordinates=polar", "noise=0", "form=image,coordinates=log"]
)
def test_impossible_rows_are_refused(knobs):
    with pytest.raises(Refused, match="photon_showers"):
        loaded(f"photon_showers[events=400,{knobs}]")
    with pytest.raises(Refused, match="grid"):
        loaded("photon_showers[events=400,form=grid]")


@pytest.mark.parametrize("calorimeter", [*LAYOUTS.values()], ids=list(LAYOUTS))
@pytest.mark.parametrize("pixels", PIXELS)
def test_every_voxel_is_in_one_pixel_of_its_own_layers(calorimeter, pixels):
    small, sums = pooled(calorimeter, pixels)
    assert (sums.sum(1) == 1).all() and sums.sum(0).min() > 0 and small.voxels == pixels
    energies = np.random.default_rng(0).random((3, calorimeter.voxels))
    assert (energies @ sums).sum(1) == pytest.approx(energies.sum(1))
    depth = np.concatenate([np.full(layer.voxels, i) for i, layer in enumerate(calorimeter.layers)])
    of_pixel = np.repeat(np.arange(PIXELS[pixels][0]), PIXELS[pixels][1])
    assert (np.diff((of_pixel * sums).sum(1)) >= -1e-9)[np.diff(depth) > 0].all()


def test_noise_lies_far_below_the_cut_and_changes_nothing_that_is_compared():
    plain, noisy = (loaded(f"photon_showers[events=400,form=voxels,coordinates={c}]") for c in ("shares", "log"))
    assert (noisy.test > 0).all() and (plain.test == 0).any()
    cut = [data.showers.voxels(data.test, data.showers.incident(len(data.test), None)) for data in (plain, noisy)]
    assert ((cut[0] > 0) == (cut[1] > 0)).mean() > 0.98
    assert (cut[1] - cut[0])[(cut[0] > 0) & (cut[1] > 0)].max() < 3.0


def test_the_cascade_keeps_energy_in_its_first_feature():
    rows = np.random.default_rng(0).gamma(0.5, size=(50, 6)) + 1e-9
    features, logdet = Cascade().forward(rows)
    assert features[:, 0] == pytest.approx(np.log(rows.sum(1)))
    assert Cascade().inverse(features) == pytest.approx(rows, rel=1e-9)
    assert logdet == pytest.approx(-np.log(rows).sum(1))
    moved = features.copy()
    moved[:, 1:] += np.random.default_rng(1).normal(size=(50, 5))
    assert Cascade().inverse(moved).sum(1) == pytest.approx(rows.sum(1))


# Geometry and features


def test_geometries_have_the_published_numbers_of_voxels_and_features():
    counts = {name: layout.voxels for name, layout in LAYOUTS.items()}
    assert counts == {"dataset_1_photons": 368, "dataset_1_pions": 533, "dataset_2": 6480, "dataset_3": 40_500}
    lengths = [2 + 4 * len(one.layers) + 4 * len(sectored(one)) for one in LAYOUTS.values()]
    assert lengths == [30, 46, 362, 362]
    assert [layer.voxels for layer in PION.layers] == [8, 100, 100, 5, 150, 160, 10]
    assert layers_only(PION).voxels == 7


@pytest.mark.parametrize(("layer", "ring", "sector"), [(1, 3, 0), (2, 18, 7), (4, 2, 0)])
def test_one_hit_has_its_own_place_as_centre_and_no_width(layer, ring, sector):
    shape = PHOTON.layers[layer]
    voxels = np.zeros((1, 368))
    voxels[0, PHOTON.parts[layer].start + sector * shape.radii + ring] = 50.0
    found = high_level(PHOTON, voxels, np.array([100.0]))
    radius = (shape.edges[ring] + shape.edges[ring + 1]) / 2
    assert found.centre_r[0, layer] == pytest.approx(radius) and found.width_r[0, layer] == pytest.approx(0, abs=1e-5)
    assert found.sparsity[0, layer] == pytest.approx(1 - 1 / shape.voxels) and found.sparsity[0, 3] == 1
    if shape.angles > 1:
        angle = -np.pi + (sector + 0.5) * 2 * np.pi / shape.angles
        at = sectored(PHOTON).index(layer)
        centre = found.centre_eta[0, at], found.centre_phi[0, at]
        assert centre == pytest.approx((radius * np.cos(angle), radius * np.sin(angle)))
        assert found.width_eta[0, at] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("layers", [(), ((0, (0.0, 1.0), 1), (0, (0.0, 2.0), 1)), ((0, (0.0, 2.0, 1.0), 1),)])
def test_impossible_geometries_are_refused(layers):
    with pytest.raises(Refused, match="layer"):
        Calorimeter("photon", tuple(CalorimeterLayer(*one) for one in layers))
