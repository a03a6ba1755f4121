"""Curves against closed forms, equivalence ratios of known value, censoring, and refusals."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rows import built

from qinn_bench.capacity import curves
from qinn_bench.capacity.equivalence import Curve, bounds_of, capacity, ratio
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
@pytest.mark.parametrize("design", validation.DESIGNS)
def test_intervals_cover_on_every_design(design):
    rng = np.random.default_rng(17)
    found = validation.coverage(validation.power, 2.0, 0.02, 0.0, 4000, rng, validation.DESIGNS[design])
    assert 0.93 <= found <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("law", "sd"), [("power", 0.05), ("power", 0.1), ("kink", 0.1)])
def test_intervals_cover(law, sd):
    rng = np.random.default_rng([3, round(sd * 100)])
    assert 0.93 <= validation.coverage(getattr(validation, law), 2.0, sd, 0.0, 500, rng) <= 0.97


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
    assert there.interval[0] < 2.0 < there.interval[1]
    assert ratio(capacity(records[::-1], "nll"), "q", "inn").rho.value == pytest.approx(there.rho.value)
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
