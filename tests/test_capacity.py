"""Curves against closed forms, equivalence ratios of known value, censoring, and refusals."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from qinn_bench import curves
from qinn_bench.capacity import Curve, capacity, ratio
from qinn_bench.values import Refused

PATH = Path(__file__).parents[1] / "benchmarks" / "validation" / "capacity.py"
SPEC = importlib.util.spec_from_file_location("validation_capacity", PATH)
validation = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(validation)
SIZES = validation.SIZES


def family(name, factor=1.0, offset=0.0, sizes=SIZES, sd=0.01, seed=0):
    noise = sd * np.random.default_rng([seed, len(name)]).normal(size=(len(sizes), 5))
    losses = validation.power(sizes * factor)[:, None] + offset + noise
    plain = tuple(tuple(map(float, line)) for line in losses)
    return Curve(family=name, sizes=tuple(map(float, sizes)), seeds=tuple(range(5)), losses=plain, quantum=name == "q")


def test_a_power_law_is_found_again():
    fit = curves.power_law(SIZES, np.repeat(validation.power(SIZES)[:, None], 2, axis=1))
    assert fit.floor == pytest.approx(15.0, abs=1e-3) and fit.exponent == pytest.approx(0.4, abs=1e-3)


def test_the_monotone_curve_never_rises():
    curve = curves.monotone(SIZES, np.array([[5.0], [3.0], [4.0], [2.0], [2.5], [1.0]]))
    values = curve(np.linspace(np.log(200), np.log(16_000), 99)[1:-1])
    assert (np.diff(values) <= 1e-12).all()


def test_weights_meet_cubics_in_log_size():
    at = np.array([250.0, 3000.0, 15_000.0])
    assert curves.interpolation_weights(SIZES, at) @ np.log(SIZES) ** 3 == pytest.approx(np.log(at) ** 3)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_a_known_ratio_is_found(factor):
    found = ratio([family("q", factor), family("inn")], "q", "inn")
    assert found.rho.value == pytest.approx(factor, rel=0.1) and not found.censored


@pytest.mark.parametrize(("offset", "side"), [(-20.0, "above"), (20.0, "below")])
def test_curves_that_never_cross_are_censored(offset, side):
    found = ratio([family("q", offset=offset), family("inn")], "q", "inn")
    assert found.censored == side and found.rho.value is None
    assert (found.interval[0] if side == "above" else found.interval[1]) is not None


def test_refusals_and_what_is_undefined():
    assert "2 sizes" in ratio([family("q", sizes=SIZES[:2]), family("inn")], "q", "inn").reason
    with pytest.raises(Refused, match="there are: q"):
        ratio([family("q")], "q", "inn")
    with pytest.raises(Refused, match="study with sizes"):
        capacity([], "nll")


@pytest.mark.slow
@pytest.mark.parametrize(("law", "sd"), [("power", 0.05), ("power", 0.1), ("kink", 0.1)])
def test_intervals_cover(law, sd):
    rng = np.random.default_rng([3, round(sd * 100)])
    assert 0.93 <= validation.coverage(getattr(validation, law), 2.0, sd, 0.0, 500, rng) <= 0.97
