"""Curves against closed forms, equivalence ratios of known value, censoring, and refusals."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import built
from scipy.interpolate import PchipInterpolator

from qinn_bench.capacity import curves
from qinn_bench.capacity.equivalence import ratio
from qinn_bench.capacity.families import Curve, bounds_of, capacity
from qinn_bench.capacity.size_ratio import CurvePair, p_sides
from qinn_bench.cli.main import main
from qinn_bench.records import store
from qinn_bench.values import Certificate, Estimate, Parameters, Refused, Use

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


def test_the_monotone_curve_meets_a_power_law_closer_than_slopes_from_three_sizes():
    sizes, at = np.geomspace(200, 6400, 6), np.geomspace(210, 6300, 40)
    errors = [
        np.abs(drawn(np.log(at)) - validation.power(at)).max()
        for drawn in (
            curves.monotone(sizes, validation.power(sizes)[:, None]),
            PchipInterpolator(np.log(sizes), validation.power(sizes)),
        )
    ]
    assert errors[0] < 0.002 < errors[1]


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=8), st.integers(0, 99))
def test_every_curve_falls_and_stays_among_its_means(means, seed):
    sizes = np.cumsum(np.random.default_rng(seed).lognormal(3, 1, len(means))) + 1
    drawn = curves.monotone(sizes, np.array(means)[:, None])(np.linspace(*np.log(sizes[[0, -1]]), 200)[1:-1])
    assert (np.diff(drawn) <= 1e-9).all() and min(means) - 1e-9 <= drawn.min() and drawn.max() <= max(means) + 1e-9


WIDE = validation.WIDE
SIX = np.geomspace(200, 6400, 6)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_a_known_ratio_is_found(factor):
    found = ratio([family("q", factor, sizes=SIX), family("inn", sizes=WIDE)], "q", "inn")
    assert found.rho.value == pytest.approx(factor, rel=0.1) and not found.censored and found.p_one_ratio > 0.05
    assert all(at.low < factor * 1.1 and factor / 1.1 < at.high for at in found.per_size)


def test_of_equal_ladders_the_ends_are_bounds_and_no_number_is_made_of_them():
    found = ratio([family("q", 3.0), family("inn")], "q", "inn")
    assert found.rho.value is None and "no one ratio" in found.reason and found.per_size[-1].bound == "above"
    assert found.per_size[-1].ratio is None and str(found.per_size[-1]).startswith("> ")
    assert found.per_size[1].low < 3.0 < found.per_size[1].high


@pytest.mark.parametrize(("offset", "side"), [(-20.0, "above"), (20.0, "below")])
def test_curves_that_never_cross_are_censored(offset, side):
    found = ratio([family("q", offset=offset), family("inn")], "q", "inn")
    assert found.censored == side and found.rho.value is None
    assert (found.interval[0] if side == "above" else found.interval[1]) is not None
    assert {at.bound for at in found.per_size} == {side}


def drawn(quantum, classical, *, sizes=SIX, other=SIX, sd=0.02, seed=0):
    """The ratio of two laws of size whose five seeds scatter."""
    noise = sd * np.random.default_rng(seed).normal(size=(2, max(len(sizes), len(other)), 5))
    first = validation.curve("q", sizes, quantum(sizes)[:, None] + noise[0, : len(sizes)])
    return ratio(
        [first, validation.curve("inn", other, classical(other)[:, None] + noise[1, : len(other)])], "q", "inn"
    )


@pytest.mark.parametrize("seed", range(4))
def test_curves_that_cross_have_no_one_ratio(seed):
    """Exponents of .25 and .5: the ratio falls from 2.24 at 200 to 0.40 at 6400."""

    def quantum(p):
        return 15 + 2 * (p / 1000) ** -0.25

    def classical(p):
        return 15 + 2 * (p / 1000) ** -0.5

    true = (SIX / 1000) ** -0.5
    found = drawn(quantum, classical, seed=seed)
    assert found.rho.value is None and found.p_one_ratio < 0.05 and found.interval[0] < 0.45 and found.interval[1] > 2.1
    for at, ratio_there in zip(found.per_size, true, strict=True):
        assert (at.low or 0) < ratio_there * 1.1 and ratio_there / 1.1 < (at.high or np.inf)
        assert at.low is None or at.high is None or at.high > at.low * 1.005, "no width is zero"


@pytest.mark.parametrize("seed", range(4))
def test_a_family_that_saturates_is_said_not_to_reach_the_other(seed):
    found = drawn(validation.power, lambda p: validation.power(np.minimum(p, 800)), seed=seed)
    assert found.rho.value is None and found.interval[1] is None
    for at in found.per_size[3:]:
        assert at.bound == "above" and at.ratio is None and at.low == pytest.approx(6400 / at.size, rel=1e-6)
        assert str(at).startswith("> ")
    assert found.per_size[1].low < 1 < (found.per_size[1].high or np.inf)


@pytest.mark.parametrize("other", [SIX, WIDE], ids=["equal", "wide"])
def test_a_ratio_of_one_half_below_and_three_above_is_no_one_ratio(other):
    def quantum(p):
        return validation.power(p * np.where(p < 600, 0.5, np.where(p > 1500, 3.0, 1.2)))

    for seed in range(4):
        found = drawn(quantum, validation.power, other=other, seed=seed)
        assert found.rho.value is None and found.p_one_ratio < 0.05
        assert (found.per_size[1].high or np.inf) < 0.7 and found.per_size[4].low > 1.5


def test_two_flat_families_have_no_ratio():
    def level(p):
        return np.full_like(p, 15.0)

    undefined = [drawn(level, level, seed=seed) for seed in range(20)]
    assert all(found.rho.value is None for found in undefined)
    assert sum(found.reason.startswith("undefined: neither") for found in undefined) >= 15


def test_seeds_that_do_not_differ_say_nothing():
    found = drawn(validation.power, validation.power, sd=0.0)
    assert found.rho.value is None and {(at.ratio, at.low, at.high) for at in found.per_size} == {(None, None, None)}


@given(st.floats(0.3, 3.0), st.integers(0, 50), st.floats(0.1, 1e4), st.floats(-30, 30))
@settings(max_examples=20, deadline=None)
def test_neither_units_nor_an_offset_of_the_loss_move_a_ratio(factor, seed, unit, offset):
    there = drawn(lambda p: validation.power(factor * p), validation.power, other=WIDE, seed=seed)
    moved = drawn(
        lambda p: validation.power(factor * p) * unit + offset,
        lambda p: validation.power(p) * unit + offset,
        other=WIDE,
        sd=0.02 * unit,
        seed=seed,
    )
    for a, b in zip(there.per_size, moved.per_size, strict=True):
        ends = [(a.low, b.low), (a.high, b.high)]
        assert a.bound == b.bound and all((end is None) == (other is None) for end, other in ends)
        assert all(other == pytest.approx(end, rel=1e-4) for end, other in ends if end is not None)


def test_refusals_and_what_is_undefined():
    assert "2 sizes" in ratio([family("q", sizes=SIZES[:2]), family("inn")], "q", "inn").reason
    with pytest.raises(Refused, match="there are: q"):
        ratio([family("q")], "q", "inn")
    with pytest.raises(Refused, match="study with sizes"):
        capacity([], "nll")


@pytest.mark.parametrize("true", [1.0, 2.0])
def test_a_stated_ratio_is_seldom_rejected_where_it_is_the_true_one(true):
    rng, simulations, design = np.random.default_rng(6), 60, validation.DESIGNS["6 even of 10"]
    both = []
    for _ in range(simulations):
        first, second = validation.families(validation.power, np.full(6, true), 0.05, 0.0, design, 5, rng)
        both.append(p_sides(CurvePair(*first.arrays, *second.arrays), true))
    assert np.mean(np.array(both) <= 0.05) <= 0.05
    first, second = validation.families(validation.power, np.full(6, true), 0.02, 0.0, design, 5, rng)
    apart = CurvePair(*first.arrays, *second.arrays)
    assert p_sides(apart, true * 3)[1] < 0.05 < p_sides(apart, true * 3)[0]
    assert p_sides(apart, true / 3)[0] < 0.05 < p_sides(apart, true / 3)[1]


def within(share, low, high, simulations):
    return (
        low - 3 * (low * (1 - low) / simulations) ** 0.5 <= share <= high + 3 * (high * (1 - high) / simulations) ** 0.5
    )


def test_intervals_cover_and_equal_ratios_are_seldom_said_to_differ():
    found = validation.shares(validation.power, 2.0, 0.05, 0.0, 100, validation.DESIGNS["6 even of 10"])
    assert within(found.at_size, 0.93, 0.97, 600) and within(found.covered, 0.93, 0.97, 100 * found.one)
    assert found.differ <= 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5 and found.one > 0.8


def test_ratios_of_one_half_and_three_are_told_apart():
    ratios = np.where(SIX < 1000, 0.5, 3.0)
    found = validation.shares(validation.power, ratios, 0.05, 0.0, 30, validation.DESIGNS["6 even of 10"])
    assert found.differ >= 0.9 and found.one == 0


@pytest.mark.slow
@pytest.mark.parametrize("design", validation.DESIGNS)
@pytest.mark.parametrize("seeds", validation.SEEDS)
def test_intervals_cover_on_every_design(design, seeds):
    found = validation.shares(validation.power, 2.0, 0.02, 0.5, 600, validation.DESIGNS[design], seeds)
    assert within(found.at_size, 0.93, 0.97, 600) and found.differ <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5
    assert found.one < 0.2 or within(found.covered, 0.93, 0.97, 600 * found.one)


def sized(name, size, seed, nll, *, control="", verdict="pass", role="model"):
    """The record of a cell of a study with sizes; families that begin with q have circuits."""
    row = f"{name} · {size}" if size else name
    mass = Estimate(value=1.0, error=0.01)
    reasons = () if verdict == "pass" else ("the mass is 2",)
    return built(
        key=f"{name}-{control}-{size}-{seed}",
        study="grown",
        row=f"{row} · {control}" if control else row,
        family=name,
        size=size,
        control_of=row if control else "",
        role="control" if control else role,
        model=Use(name=name),
        data=Use(name="zjets"),
        backend="native" if name.startswith("q") else "none",
        seed=seed,
        control=control,
        metrics={"nll": Estimate(value=nll, error=0.01, n=100, unit="nats", better="lower")},
        certificate=Certificate(
            verdict=verdict, reasons=reasons, mass=mass, interval=(0.98, 1.02), effective_share=1.0, draws=10
        ),
        parameters=Parameters(total=size + 1, quantum=0, classical=size + 1, frozen=0),
    )


def grown():
    """A quantum family worth twice its parameters, its frozen control worth half, a classical family and a floor."""
    rng, records = np.random.default_rng(11), []
    for size in (200, 600, 2000, 6000):
        for seed in range(5):
            for name, control, factor in (("q", "", 2.0), ("q", "frozen", 0.5), ("inn", "", 1.0)):
                nll = float(validation.power(np.array(size * factor)) + 0.02 * rng.normal())
                records.append(sized(name, size, seed, nll, control=control))
    return [*records, *(sized("gaussian", 0, seed, 18.9, role="floor") for seed in range(5))]


def test_from_records_to_curves_in_any_order():
    records = grown()
    families = capacity(records, "nll")
    assert [(c.family, c.quantum, c.control_of) for c in families] == [
        ("q", True, ""),
        ("q · frozen", True, "q"),
        ("inn", False, ""),
    ]
    there = ratio(families, "q", "inn")
    assert there.per_size[1].low < 2.0 < there.per_size[1].high and there.per_size[3].bound == "above"
    assert ratio(capacity(records[::-1], "nll"), "q", "inn") == there
    assert families[0].sizes == (201.0, 601.0, 2001.0, 6001.0)
    assert bounds_of(records, "nll")["gaussian"].value == pytest.approx(18.9)


def test_uncertified_likelihoods_are_left_out_and_named():
    records = [r for r in grown() if not (r.row == "q · 600" and r.cell.seed in (1, 3))]
    records += [sized("q", 600, seed, 2.0, verdict="fail") for seed in (1, 3)]
    curve = capacity(records, "nll")[0]
    assert len(curve.sizes) == 3
    assert curve.remarks == ("size 600, seeds 1, 3: certificate fail", "size 600: 3 seeds, 5 are needed")
    with pytest.raises(Refused, match="there are: nll"):
        capacity(records, "mmd")
    with pytest.raises(Refused, match="no axis"):
        capacity(records, "nll", "beauty")


def test_missing_sizes_are_said():
    records = [r for r in grown() if r.row not in ("inn · 200", "inn · 2000")]
    records = [r for r in records if r.row not in ("q · 600", "q · 2000") or r.cell.seed == 0]
    quantum, control, classical = capacity(records, "nll")
    assert quantum.remarks == ("sizes 600, 2000: 1 seed, 5 are needed",)
    assert control.remarks == () and classical.remarks == ("sizes 200, 2000: no records",)
    assert "inn has 2 sizes, 3 are needed" in ratio([control, classical], "q · frozen", "inn").reason


def test_a_growing_row_without_records_is_said(study, tmp_path, capsys):
    study.write_text('name = "grown"\n[[models]]\nmodel = "spline"\nladder = [{ hidden = 1 }]\n')
    assert main(["capacity", str(study), "--results", str(tmp_path)]) == 0
    assert "No records: spline." in capsys.readouterr().out
    study.write_text('title = "nameless"\n')
    assert main(["capacity", str(study), "--results", str(tmp_path)]) == 2
    assert "has no name" in capsys.readouterr().err


@pytest.fixture
def study(tmp_path):
    for record in grown():
        store.save(tmp_path, record, {})
    path = tmp_path / "grown.toml"
    path.write_text('name = "grown"\n')
    return path


def test_the_verb_prints_every_form_and_draws(study, tmp_path, capsys):
    for form in ("text", "md", "latex", "csv", "json"):
        assert main(["capacity", str(study), "--results", str(tmp_path), "--format", form]) == 0
        shown = capsys.readouterr().out
        assert "frozen" in shown and "inn" in shown
    for name in ("a.png", "b.png"):
        assert main(["capacity", str(study), "--results", str(tmp_path), "--figure", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert main(["capacity", str(study), "--results", str(tmp_path), "--figure", str(tmp_path / "a.gif")]) == 2
    assert "ending in one of .png, .pdf" in capsys.readouterr().err


def test_the_verb_needs_no_torch(study, tmp_path):
    code = (
        "import sys; from qinn_bench.cli.main import main; "
        f"main(['capacity', {str(study)!r}, '--results', {str(tmp_path)!r}]); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
