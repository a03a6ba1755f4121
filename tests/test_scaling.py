"""Scaling fits: exact curves are found, intervals cover as they say, and no growth is told from growth."""

from __future__ import annotations

import numpy as np
import pytest

from qinn_bench.performance.scaling.fit import FittedShape, allowance, fit
from qinn_bench.seeds import numpy_rng

QUBITS = np.arange(4.0, 17.0)
TRUE = {"a": 2e-3, "b": 1e-6, "c": 1.1}


def curve(n, a, b, c):
    return a + b * 2 ** (c * n)


def noisy(rng, scatter=0.05, **numbers):
    return curve(QUBITS, **numbers) * np.exp(scatter * rng.standard_normal(len(QUBITS)))


@pytest.mark.parametrize("numbers", [TRUE, {"a": 0.0, "b": 3e-5, "c": 0.97}, {"a": 0.5, "b": 1e-4, "c": 1.25}])
def test_exact_curves_are_recovered(numbers):
    found = fit(QUBITS, curve(QUBITS, **numbers))
    for name, true in numbers.items():
        interval = getattr(found, name)
        assert interval.value == pytest.approx(true, rel=1e-5, abs=1e-9)
        assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9
    assert found.r2 > 1 - 1e-9
    assert found.at(20) == pytest.approx(curve(20, **numbers), rel=1e-5)


def test_an_interval_ends_where_the_profile_leaves_the_allowance():
    t = noisy(numpy_rng("ends"), **TRUE)
    found, points = fit(QUBITS, t), FittedShape(QUBITS, t)
    best = points.best()
    allowed = allowance(points.misfit(best), len(QUBITS))
    scaled = {"a": lambda v: v / points.scale, "b": lambda v: np.log(v / points.scale), "c": lambda v: v}
    for name, to_profile in scaled.items():
        interval = getattr(found, name)
        for end in (interval.low, interval.high):
            assert points.profile(name, to_profile(end), best) == pytest.approx(allowed, rel=1e-4)


def test_weights_favour_the_certain_points():
    t = curve(QUBITS, **TRUE)
    t[0] *= 3
    errors = 0.01 * t
    errors[0] = 10 * t[0]
    weighted, plain = fit(QUBITS, t, errors), fit(QUBITS, t)
    assert abs(weighted.a.value - TRUE["a"]) < 0.1 * abs(plain.a.value - TRUE["a"])


def test_constant_times_leave_the_exponent_open():
    t = 1e-3 * np.exp(0.02 * numpy_rng("flat").standard_normal(len(QUBITS)))
    found = fit(QUBITS, t)
    assert found.c.low is None or found.c.high is None or found.c.high - found.c.low > 1


@pytest.mark.parametrize(("n", "t"), [([1, 2, 3], [1, 2, 3]), ([1, 2, 3, 4], [1, 2, 0, 4])])
def test_too_little_is_refused(n, t):
    with pytest.raises(ValueError, match="scaling fit"):
        fit(np.array(n), np.array(t))


def coverage(replicates, numbers):
    """The share of 95 % intervals that hold each true number; a number is inside where its profile is allowed."""
    inside = dict.fromkeys(numbers, 0)
    for replicate in range(replicates):
        points = FittedShape(QUBITS, noisy(numpy_rng("coverage", replicate), **numbers))
        best = points.best()
        allowed = allowance(points.misfit(best), len(QUBITS))
        profiled = {"a": numbers["a"] / points.scale, "b": np.log(numbers["b"] / points.scale), "c": numbers["c"]}
        for name, value in profiled.items():
            inside[name] += points.profile(name, value, best) <= allowed
    return {name: count / replicates for name, count in inside.items()}


def test_intervals_cover_roughly():
    for share in coverage(300, TRUE).values():
        assert 0.91 <= share <= 0.99


@pytest.mark.slow
def test_intervals_cover_as_they_say():
    for share in coverage(2000, TRUE).values():
        assert 0.93 <= share <= 0.97


@pytest.mark.slow
def test_intervals_cover_where_nothing_is_fixed():
    """At the boundary a = 0 intervals may be too wide, never too narrow."""
    for share in coverage(1000, {"a": 0.0, "b": 1e-5, "c": 1.0}).values():
        assert share >= 0.93
