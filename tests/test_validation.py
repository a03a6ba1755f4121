"""The validations that make validate runs: each has its run, and the fast forms of tests agree with the slow ones."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from qinn_bench.paired import compare, sign_flip_p

FOLDER = Path(__file__).parents[1] / "benchmarks" / "validation"


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"validation_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rates = loaded("error_rates")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[!_]*.py")))
def test_every_validation_can_be_run(name):
    assert callable(loaded(name).run)


def test_many_samples_at_once_agree_with_one_by_one():
    noise = np.random.default_rng(0).normal(0.3, 1, (30, 6))
    assert rates.flips(noise) == pytest.approx([sign_flip_p(line)[0] for line in noise], abs=1e-12)
    for line, p in zip(noise, rates.equal(noise, 1.2), strict=True):
        known = compare(line, np.zeros(6), better="higher", rng=np.random.default_rng(0), margin=1.2)
        assert p == pytest.approx(known.p_equal, rel=1e-9)


def test_a_missed_rate_is_told():
    assert rates.Rate("x", "normal", "5", 0.059, 4000).kept, "within three binomial errors of 5 %"
    assert not rates.Rate("x", "normal", "5", 0.061, 4000).kept
    assert not rates.Rate("x", "normal", "5", 0.9, 4000, (0.93, 0.97)).kept
    assert "✗" in rates.Rate("x", "normal", "5", 0.061, 4000).line()
    assert rates.Rate("x", "skewed", "5", 0.5, 4000, None).kept


def test_power_is_that_of_the_closed_form():
    """Of five replicates only five of one sign decide: the effect is where the chance of each is the fifth root."""
    noise = np.random.default_rng(1).normal(size=(20_000, 5))
    effect = rates._smallest(lambda e: rates.better(noise, e), 0.05, 0.8)
    assert effect == pytest.approx(norm.ppf(0.8**0.2), abs=0.03)


def test_a_few_simulations_end_to_end():
    text, missed = rates.run(16)
    assert text.count("| called better") == 15 and "| 12 |" in text and isinstance(missed, list)
