"""The matcher finds every shape that meets a budget, and says so when none does."""

import itertools

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.capacity import matching
from qinn_bench.contracts import count_parameters
from qinn_bench.values import Match, Refused, Row, Use


@pytest.fixture(scope="module")
def moons():
    return registry.make("data", registry.spell_out("data", Use(name="moons", knobs={"events": 400})))


def count(use, data):
    return count_parameters(registry.make("model", registry.spell_out("model", use), data.dim, data=data)).total


@pytest.mark.parametrize(("family", "asked"), [("spline_inn", 300), ("affine_inn", 150), ("qinn", 200)])
def test_brute_force_finds_nothing_closer(moons, family, asked):
    grid = {
        "spline_inn": {"blocks": (1, 2, 3), "hidden": (2, 5, 8, 12), "hidden_layers": (1,), "bins": (3, 4, 6)},
        "affine_inn": {"blocks": (1, 2, 4), "hidden": (2, 4, 6, 8, 10), "hidden_layers": (1, 2)},
        "qinn": {"layers": (1, 2), "uploads": tuple(range(1, 15))},
    }[family]
    module = registry.find("model", family)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ABOUT", module.ABOUT.model_copy(update={"knobs": grid}))
        found = matching.search(Use(name=family), moons, Match(parameters=asked, tolerance=0.05))
    everything = [
        count(Use(name=family, knobs=dict(zip(grid, values, strict=True))), moons)
        for values in itertools.product(*grid.values())
    ]
    nearest = min(abs(total / asked - 1) for total in everything)
    assert abs(found.nearest.residual) == pytest.approx(nearest)
    assert len(found.shapes) == sum(abs(total / asked - 1) <= 0.05 for total in everything)


def test_shapes_are_within_the_tolerance_and_counted_truly(moons):
    found = matching.search(Use(name="spline_inn"), moons, Match(parameters=1000, tolerance=0.02))
    assert found.verdict == "feasible" and len(found.shapes) > 3
    for shape in found.shapes[:5]:
        assert abs(shape.residual) <= 0.02
        assert count(shape.model, moons) == shape.parameters.total
    depths = {
        depth: [s.model.knobs["blocks"] for s in found.shapes if s.depth == depth] for depth in ("shallow", "deep")
    }
    assert max(depths["shallow"]) < min(depths["deep"])


def test_held_knobs_are_kept(moons):
    found = matching.search(Use(name="spline_inn", knobs={"bins": 4}), moons, Match(parameters=500, tolerance=0.1))
    assert {shape.model.knobs["bins"] for shape in found.shapes} == {4}


def test_an_impossible_budget_is_infeasible_and_names_the_nearest(moons):
    found = matching.search(Use(name="spline_inn"), moons, Match(parameters=3, tolerance=0.02))
    assert found.verdict == "infeasible" and not found.shapes and found.nearest.parameters.total > 3
    row = Row(model="spline_inn", shape="balanced")
    with pytest.raises(Refused, match=r"no shape of 'spline_inn' has 3 parameters .* the nearest is spline_inn\["):
        matching.resolve(row, moons, Match(parameters=3))


def test_a_row_that_misses_the_budget_is_refused(moons):
    row = Row(model="spline_inn", knobs={"hidden": 64})
    with pytest.raises(Refused, match=r"has parameters = \d+ on moons, the study asks for 100"):
        matching.resolve(row, moons, Match(parameters=100))
    assert matching.resolve(row, moons, None).knobs["hidden"] == 64


def test_floors_are_not_held_to_the_budget(moons):
    assert matching.resolve(Row(model="gaussian"), moons, Match(parameters=3000)).name == "gaussian"
    with pytest.raises(Refused, match="no knob open"):
        matching.search(Use(name="gaussian"), moons, Match(parameters=3000))


def test_quantum_and_classical_parameters_add_up(moons):
    shape = matching.search(Use(name="qinn"), moons, Match(parameters=150, tolerance=0.2)).nearest
    assert shape.parameters.quantum > 0
    assert shape.parameters.total == shape.parameters.quantum + shape.parameters.classical
    assert np.isfinite(shape.residual)


@pytest.mark.parametrize(
    ("family", "asked"),
    [
        (Use(name="spline_inn", knobs={"blocks": 2, "hidden_layers": 1, "bins": 4}), {"flops": 30_000}),
        (Use(name="hybrid_qinn", knobs={"construction": "conditioner", "bins": 2}), {"quantum": 80}),
        (Use(name="hybrid_qinn", knobs={"construction": "conditioner", "uploads": 1, "bins": 2}), {"circuits": 64}),
        (Use(name="spline_inn", knobs={"blocks": 2, "hidden_layers": 1, "bins": 2}), {"rank": 60}),
    ],
    ids=lambda value: str(value) if isinstance(value, Use) else next(iter(value)),
)
def test_every_axis_can_be_matched(moons, family, asked):
    match = Match(**asked, batch=16, tolerance=0.1)
    found = matching.search(family, moons, match)
    assert found.axis == match.axis == next(iter(asked)) and found.asked == match.target
    assert found.verdict == "feasible"
    for shape in found.shapes[:3]:
        assert abs(shape.size / match.target - 1) <= 0.1
        step, rank = matching.measure(shape.model, moons, 16, rank=True)
        again = {"flops": step.flops, "circuits": step.circuits, "rank": rank, "quantum": shape.parameters.quantum}
        assert again[match.axis] == shape.size


def test_the_rank_is_taken_away_from_a_degenerate_start(moons):
    """The coupling networks start with a last layer of zeros, where the weights before it change nothing."""
    use = registry.spell_out("model", Use(name="spline_inn", knobs={"blocks": 2, "hidden": 2, "bins": 2}))
    rank = matching.measure(use, moons, 16, rank=True)[1]
    assert rank is not None and rank > count(use, moons) / 2


def test_models_are_matched_on_one_axis():
    with pytest.raises(ValueError, match="matched on one axis, but these are given: parameters, flops"):
        Match(parameters=300, flops=1000)
    assert (Match(parameters=300).axis, Match(flops=7).axis, Match().target) == ("parameters", "flops", 0)


def test_a_rank_beyond_what_is_measured_is_refused(moons):
    with pytest.raises(Refused, match="ranks are measured up to 819"):
        matching.search(Use(name="spline_inn"), moons, Match(rank=5000))
