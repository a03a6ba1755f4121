"""Data sets of bits and their exact laws, and the metrics of bit strings against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.bit_rows import (
    BitLaw,
    are_bits,
    bits_in,
    exact_mmd,
    judging_words,
    mean_words,
    spread_bits,
    states_of,
    word_bandwidth,
)
from qinn_bench.data.bits import SpreadBits
from qinn_bench.data.sets.toys import blobs16, ising16, tree_spins
from qinn_bench.dataset import Evidence
from qinn_bench.metrics import bit_strings
from qinn_bench.metrics.likelihood import kl
from qinn_bench.values import Estimate, Refused

STATES = states_of(np.arange(2**16), 16)
LAWS = {name: registry.make("data", registry.parse_use(f"{name}[events=2000]")) for name in ("ising16", "blobs16")}


def test_the_couplings_come_back_from_their_seed():
    law, energy = LAWS["ising16"].density, ising16.energies(STATES, ising16.couplings())
    magnetisation, mean = 1 - 2 * STATES.mean(1), law.probabilities @ energy
    spread = np.sqrt(law.probabilities @ energy**2 - mean**2)
    found = [mean, spread, law.probabilities @ magnetisation**2, law.probabilities @ magnetisation**4, law.entropy]
    np.testing.assert_allclose(found, [-18.76973, 9.64462, 0.487563, 0.354292, 7.408266], atol=1e-5)


def test_even_couplings_are_no_more_than_that():
    energy = ising16.energies(STATES, ising16.neighbours())
    law = ising16.law_of(ising16.neighbours())
    found = [law.probabilities @ energy, law.probabilities @ (1 - 2 * STATES.mean(1)) ** 2]
    np.testing.assert_allclose(found, [-16.27311, 0.450991], atol=1e-5)


def test_eight_blobs_have_the_published_entropy():
    law = LAWS["blobs16"].density
    np.testing.assert_allclose([law.entropy, law.entropy / np.log(2)], [5.227097, 7.541107], atol=1e-6)
    assert len({peak.tobytes() for peak in blobs16.peaks()}) == 8


@pytest.mark.parametrize(
    ("name", "sigma", "known"),
    [
        ("blobs16", 0.6, 0.0389707),
        ("blobs16", 1.3, 0.1149586),
        ("ising16", 0.6, 0.0295546),
        ("ising16", 1.3, 0.0696809),
    ],
)
def test_discrepancies_from_even_bits_are_known(name, sigma, known):
    even = np.full(2**16, 2.0**-16)
    assert exact_mmd(LAWS[name].density.probabilities, even, sigma) == pytest.approx(known, abs=1e-7)


def test_rows_are_half_normals_about_zero():
    data = LAWS["blobs16"]
    features, logdet = SpreadBits().forward(data.test)
    assert np.array_equal(features > 0, data.test > 1) and are_bits(column.unit for column in data.columns)
    fair = np.random.default_rng(0).uniform(0, 2, (20_000, 1))
    assert abs(SpreadBits().forward(fair)[0].std() - 1) < 0.02
    # An even law of bits is the density 2^-16 of rows, and that of standard normals in features.
    normal = -0.5 * (features**2 + np.log(2 * np.pi)).sum(1)
    np.testing.assert_allclose(normal + logdet, -16 * np.log(2), atol=1e-6)


def evidence(data, generated, log_prob=None):
    mass = Estimate(value=1.0, error=0.0)
    return Evidence(data, data.test, generated, log_prob, mass, rng=np.random.default_rng(0))


def test_total_variation_and_divergence_are_those_of_the_tables():
    law = BitLaw(np.array([0.5, 0.25, 0.125, 0.125]))
    other = BitLaw(np.array([0.25, 0.25, 0.25, 0.25]))
    rng = np.random.default_rng(0)
    data = replace(LAWS["blobs16"], test=law.sample(40_000, rng), density=law)
    given = evidence(data, data.test[:0], other.log_density(data.test))
    found, divergence = bit_strings.tv(given)["tv"], kl(given)["kl"]
    assert abs(found.value - 0.25) < 5 * found.error
    assert abs(divergence.value - (2 * np.log(2) - 1.75 * np.log(2))) < 5 * divergence.error
    assert bit_strings.tv(evidence(data, data.test[:0], law.log_density(data.test)))["tv"].value == 0
    far = evidence(data, data.test[:0], np.full(len(data.test), -np.inf))
    assert bit_strings.tv(far)["tv"].value == 1


@pytest.mark.parametrize("name", ["blobs16", "ising16"])
def test_discrepancy_of_even_bits_is_the_exact_one(name):
    data, rng = LAWS[name], np.random.default_rng(1)
    truth = data.density.sample(1500, rng)
    given = replace(evidence(data, rng.uniform(0, 2, (1500, 16))), truth=truth)
    found, even = bit_strings.mmd_bits(given), np.full(2**16, 2.0**-16)
    exact = [exact_mmd(data.density.probabilities, even, sigma) for sigma in (1.31834, 0.600456)]
    assert abs(found["mmd_bits"].value - np.mean(exact)) < 5 * found["mmd_bits"].error
    assert found["mmd_bits_light"].value == pytest.approx(exact[0], rel=0.1)
    assert found["mmd_bits_heavy"].value == pytest.approx(exact[1], rel=0.1)


def test_validity_is_counted():
    law = BitLaw(np.array([0.3, 0.3, 0.3, 0.02, 0.02, 0.02, 0.02, 0.02]))
    rng = np.random.default_rng(0)

    def rows(numbers):
        return spread_bits(states_of(np.array(numbers), 3), rng)

    data = replace(LAWS["blobs16"], train=rows([0] * 30), test=rows([0] * 30), density=law)
    # Unseen: 16 of 20. Of these valid: 1 twelve times. Beside 0 there are two valid strings, 1 and 2.
    found = bit_strings.validity(evidence(data, rows([0] * 4 + [1] * 12 + [5] * 4)))
    values = [found[f"validity_{name}"].value for name in bit_strings.OF_VALIDITY]
    np.testing.assert_allclose(values, [0.8, 0.75, 0.6, 0.5, -np.log(0.3)], atol=1e-12)
    seen = bit_strings.validity(evidence(data, rows([0] * 20)))
    assert seen["validity_fidelity"].value is None and seen["validity_fidelity"].note


def test_other_data_have_no_metrics_of_bits():
    assert not are_bits(column.unit for column in registry.make("data", registry.parse_use("gmm8[events=400]")).columns)
    assert not are_bits([])
    unknown = bit_strings.validity(evidence(replace(LAWS["blobs16"], density=None), LAWS["blobs16"].test))
    assert all(estimate.value is None and estimate.note for estimate in unknown.values())


@pytest.mark.parametrize("asked", ["digit_bits[pixels=5]", "layer_bits[bits=9]", "ising16[events=4]"])
def test_rows_that_cannot_be_are_refused(asked):
    with pytest.raises(Refused):
        registry.make("data", registry.spell_out("data", registry.parse_use(asked)))


def test_words_are_told_as_those_of_rows_and_agree_with_the_kernel():
    data = LAWS["blobs16"]
    rows, words = np.random.default_rng(1).integers(2, size=(1000, 16)).astype(np.float64) + 0.5, judging_words(16)
    common = {"log_prob": None, "mass": None, "rng": np.random.default_rng(0)}
    by_rows = bit_strings.mmd_words(Evidence(data, data.test, rows, **common))["mmd_words"]
    told = np.stack([words.sum(1) == 0] * 2).astype(np.float64)  # Words of even bits have no mean but for that of none.
    by_means = bit_strings.mmd_words(Evidence(data, data.test, rows[:0], word_means=told, **common))["mmd_words"]
    even, law = np.full(2**16, 2.0**-16), data.density.probabilities
    exact = np.mean([exact_mmd(law, even, word_bandwidth(weight, 16)) for weight in (2, 6)])
    assert abs(by_means.value - exact) < 4 * by_means.error
    assert abs(by_rows.value - by_means.value) < by_means.error
    same = bit_strings.mmd_words(Evidence(data, data.test[:500], data.train, **common))["mmd_words"]
    assert abs(same.value) < 0.002 < by_means.value


def test_means_of_words_are_those_of_a_slow_sum():
    rng = np.random.default_rng(3)
    bits, words = rng.integers(2, size=(20, 5)), rng.integers(2, size=(7, 5))
    slow = [np.mean([(-1) ** sum(b * w for b, w in zip(row, word, strict=True)) for row in bits]) for word in words]
    np.testing.assert_allclose(mean_words(bits, words), slow)


@pytest.mark.parametrize("bits", [2, 8])
def test_spins_on_a_tree_have_the_law_that_is_summed(bits):
    law = tree_spins.TreeLaw(bits)
    states = states_of(np.arange(2**bits), bits)
    chances = np.exp(law.log_density(states + 0.5))
    np.testing.assert_allclose([chances.sum(), -(chances * np.log(chances)).sum()], [1.0, law.entropy])
    drawn = bits_in(law.sample(4000, np.random.default_rng(0)))
    alike = (drawn == drawn[:, law.parents]).mean(0)[1:]
    np.testing.assert_allclose(alike, law.alike[1:], atol=0.04)
