"""What verbs print on narrow terminals: nothing is cut, shapes can be copied, and long verbs say how long they take."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import quality, record, study

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.report.study_table import table
from qinn_bench.study.order import Order
from qinn_bench.study.time_left import Pace, TimeLeft, said
from qinn_bench.values import Training, Use


@settings(deadline=None, max_examples=25)
@given(st.integers(60, 160), st.text("ab ·[]=,_", min_size=1, max_size=90))
def test_a_table_fits_any_terminal_and_loses_nothing(width, label):
    made = table([*study(), record(f"x{label}", metrics=quality(6.5))])
    lines = made.text(width).splitlines()
    assert all(len(line) <= width or " " not in line.strip() for line in lines)
    shown = re.sub(r"\s", "", "".join(lines))
    for row in made.rows:
        for entry in row.entries:
            assert re.sub(r"\s", "", str(entry)) in shown


def test_shapes_can_be_copied_into_a_study(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["match", "-d", "moons", "--params", "200", "--tol", "5%", "-m", "spline_inn", "-m", "qinn"]) == 0
    out = capsys.readouterr().out
    names, lines = re.findall(r'^model = "(\w+)"$', out, re.M), re.findall(r"^knobs = .*$", out, re.M)
    assert names == ["spline_inn", "qinn"] and len(lines) > 2
    for line in lines:
        knobs = tomllib.loads(line)["knobs"]
        assert any(not knobs.keys() - registry.knob_defaults("model", name).keys() for name in names)
    assert all(len(line) <= 60 for line in out.splitlines() if not line.startswith("knobs"))


def test_the_doctor_keeps_exponents_and_marks(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith(("torch ", "default.qubit "))]
    assert len(rows) == 2 and all(line.endswith("✓") and len(line) <= 80 for line in rows)
    assert all(re.search(r"\d\.\de[-+]\d\d", line) for line in rows)


def order(row, seed, model="m", steps=100, skip=""):
    made = record(row, seed, model=model).cell
    cell = made.model_copy(update={"budget": made.budget.model_copy(update={"steps": steps}), "model": Use(name=model)})
    return Order(
        cell=cell, key=f"{row}{seed}", study="s", row=row, results=None, metrics=(), data_hash="", inputs={}, skip=skip
    )


def ended(one, seconds, status="ok"):
    made = record(one.row, one.cell.seed, cost={"train_wall_s": seconds}, status=status)
    return made.model_copy(update={"cell": one.cell})


def test_the_time_left_is_that_of_cells_alike_at_the_pace_of_this_campaign():
    now = [0.0]
    orders = [order("slow", seed) for seed in range(3)] + [order("quick", seed, "n") for seed in range(3)]
    known = [ended(order("slow", 9), 100.0), ended(order("quick", 9, "n"), 10.0)]
    left = TimeLeft(orders, 1, known, lambda: now[0])
    assert left.seconds() == pytest.approx(330)
    left.start(orders[0])
    now[0] = 150.0
    left.finish(orders[0], ended(orders[0], 150.0))
    assert left.seconds() == pytest.approx(1.5 * (2 * 125 + 3 * 10))
    two = TimeLeft(orders, 2, known, lambda: now[0])
    assert two.seconds() == pytest.approx(165)
    two.start(orders[0])
    now[0] += 60
    assert two.seconds() == pytest.approx(135)


def test_nothing_is_said_before_anything_is_known():
    orders = [order("a", 0), order("b", 0, "n", steps=200), order("c", 0, skip="no shape")]
    left = TimeLeft(orders, 1, clock=lambda: 0.0)
    assert left.seconds() is None and said(left.seconds()) == ""
    left.finish(orders[0], ended(orders[0], 10.0))
    assert left.seconds() == pytest.approx(20.0)
    left.finish(orders[1], ended(orders[1], 1.0, "crashed"))
    left.finish(orders[2], ended(orders[2], 0.0, "skipped"))
    assert left.seconds() == 0.0 and said(left.seconds()) == ""


def test_a_cell_that_takes_no_step_tells_its_time_too():
    """The untrained control takes none, and the others are still to come."""
    orders = [order("a · untrained", 0), order("b", 0, "n")]
    still = Training(steps=0, best_step=0, best_loss=None, stopped="untrained control")
    left = TimeLeft(orders, 1, clock=lambda: 0.0)
    left.finish(orders[0], ended(orders[0], 10.0).model_copy(update={"training": still}))
    assert left.seconds() == pytest.approx(10.0)


def test_a_pace_counts_and_tells():
    now = [0.0]
    pace = Pace(3, lambda: now[0])
    now[0] = 20.0
    assert pace.step() == "[1/3] about 40 s left"
    assert (said(754.0), said(8000.0), Pace(1).step()) == ("about 13 min left", "about 2.2 h left", "[1/1]")


@pytest.mark.parametrize("sizes", [True, False])
def test_capacity_without_records_names_the_cause(tmp_path, capsys, sizes):
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\n' + "sizes = [200]\n" * sizes)
    assert main(["capacity", str(path), "--results", str(tmp_path)]) == 2
    assert f"there are no records of 's' in '{tmp_path}'; run the study first" in capsys.readouterr().err


def test_a_licence_that_is_looked_at_leaves_the_one_in_use_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["licence", "gmm8", "--metrics", "swd", "--samples", "100", "--repeats", "10"]
    assert main(words) == 0
    own = tmp_path / "results" / "licence" / "own" / "gmm8.json"
    assert own.exists() and not (own.parents[1] / "gmm8.json").exists()
    assert "which --keep writes" in " ".join(capsys.readouterr().err.split())
    assert main([*words, "--keep"]) == 0
    assert json.loads((own.parents[1] / "gmm8.json").read_text())["data"] == "gmm8"
