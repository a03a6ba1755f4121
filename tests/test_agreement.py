"""Whether two runs of a study agree: false alarms by simulation, differences that are found, and what is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from test_report import certificate, record

from qinn_bench.cli.main import main
from qinn_bench.records import published, store
from qinn_bench.study import planning, study_files
from qinn_bench.values import Estimate, Refused
from qinn_bench.verdicts.agreement import compare

STUDY = """
name = "two"
data = ["moons"]
seeds = 5
metrics = ["nll", "swd"]

[budgets.short]
steps = 10

[[models]]
model = "spline_inn"
"""


def run(values, error=0.01, seeds=None, **more):
    """Records of rows ``{row: {column: values over seeds}}``."""
    return [
        record(
            row,
            (seeds or range(len(next(iter(columns.values())))))[at],
            metrics={name: Estimate(value=float(of[at]), error=error, unit="nats") for name, of in columns.items()},
            **more,
        )
        for row, columns in values.items()
        for at in range(len(next(iter(columns.values()))))
    ]


def drawn(rng, common=0.0, rows=8, columns=6, seeds=5, tails=False):
    """Two runs whose seeds share a part of their scatter, as those of one code on two machines do."""
    shape = rows, columns, seeds
    draw = (lambda: stats.t.rvs(3, size=shape, random_state=rng)) if tails else (lambda: rng.normal(size=shape))
    shared = common * draw()
    sides = [shared + draw() for _ in range(2)]
    return [
        run({f"row{i}": {f"m{j}": side[i, j] for j in range(columns)} for i in range(rows)}, error=0.1)
        for side in sides
    ]


@pytest.mark.parametrize(("common", "tails"), [(0.0, False), (5.0, False), (0.0, True)])
def test_equal_runs_are_called_different_in_five_percent_at_most(common, tails):
    rng = np.random.default_rng(3)
    studies = 150
    alarms = sum(not compare(*drawn(rng, common, tails=tails)).agrees for _ in range(studies))
    assert stats.binom.sf(alarms - 1, studies, 0.05) > 0.01


def test_independent_seeds_hold_the_level_too():
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(150):
        values = rng.normal(size=(2, 20, 5)) * [[[1.0]], [[3.0]]]
        first, second = (
            run({"a": {f"m{j}": side[j] for j in range(20)}}, seeds=range(5 * at, 5 * at + 5))
            for at, side in enumerate(values)
        )
        found = compare(first, second)
        assert {one.how for one in found.found} == {"independent seeds"}
        alarms += not found.agrees
    assert stats.binom.sf(alarms - 1, 150, 0.05) > 0.01


def test_a_difference_beyond_the_scatter_is_found_and_named():
    rng = np.random.default_rng(5)
    first, second = ({"a": {"nll": 18 + rng.normal(0, 0.05, 5)}, "b": {"nll": rng.normal(0, 0.05, 5)}} for _ in "12")
    second["b"]["nll"] = second["b"]["nll"] + 2.0
    found = compare(run(first), run(second))
    assert [(one.row, one.agrees) for one in found.found] == [("a", True), ("b", False)]


def test_numbers_are_those_of_a_paired_t_test_and_of_welch():
    a, b = [1.0, 2.0, 4.0, 5.0], [1.1, 2.4, 4.2, 5.0]
    paired = compare(run({"r": {"m": a}}), run({"r": {"m": b}})).found[0]
    assert paired.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired.z == pytest.approx(stats.ttest_rel(a, b).statistic)
    welch = compare(run({"r": {"m": a}}), run({"r": {"m": b}}, seeds=range(10, 14))).found[0]
    assert welch.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    single = compare(run({"r": {"m": [1.0]}}, error=0.3), run({"r": {"m": [2.0]}}, error=0.4)).found[0]
    assert (single.z, single.how) == (pytest.approx(-2.0), "one seed")


def test_rounding_that_no_seed_scatters_is_no_difference():
    fixed = [20.885] * 5
    found = compare(run({"floor": {"nll": fixed}}), run({"floor": {"nll": np.array(fixed) + 1e-6}})).found[0]
    assert found.agrees and abs(found.z) < 1


def test_what_cannot_be_compared_is_told(tmp_path):
    other = run({"a": {"m": [1.0, 2.0]}, "only": {"m": [1.0, 2.0]}}, provenance={"torch": "2.7"})
    found = compare(run({"a": {"m": [1.0, 2.0]}}, provenance={"torch": "2.6"}), other)
    assert found.left_out == ("only on zjet: not in the first run",)
    assert "torch: 2.6 and 2.7" in found.machines
    changed = [one.model_copy(update={"cell": one.cell.model_copy(update={"samples": 7})}) for one in other]
    with pytest.raises(Refused, match="no number in common; a on zjet: another samples \\(100 and 7\\)"):
        compare(run({"a": {"m": [1.0, 2.0]}}), changed[:2])
    doubted = [one.model_copy(update={"certificate": certificate("undecided")}) for one in other[:2]]
    assert compare(other[:2], doubted).certificates[0] == "a on zjet, seed 0: pass and undecided"


def test_the_verb_has_an_exit_code_for_either_verdict(tmp_path, capsys):
    path, results = tmp_path / "two.toml", tmp_path / "results"
    path.write_text(STUDY)
    orders = planning.plan(study_files.load_study(path), results)
    rng = np.random.default_rng(6)
    for shift, name in ((0.0, "same"), (3.0, "apart")):
        values = {"spline_inn": {"nll": 18 + shift + rng.normal(0, 0.02, 5)}}
        facts = [{"study": "two", "cell": order.cell, "key": order.key, "inputs": order.inputs} for order in orders]
        made = [one.model_copy(update=fact) for one, fact in zip(run(values), facts, strict=True)]
        if name == "same":
            for one in made:
                store.save(results, one, {})
        published.write(tmp_path / f"{name}.jsonl.gz", "two", made)
    verb = ["agree", str(path), "--results", str(results), "--with"]
    assert main([*verb, str(tmp_path / "same.jsonl.gz")]) == 0
    assert "Verdict: the two runs agree within their errors: 0 of 1" in capsys.readouterr().out
    assert main([*verb, str(tmp_path / "apart.jsonl.gz"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["rows"][0]["cells"]["verdict"] == "DISAGREES"
    assert main([*verb, str(tmp_path / "none.jsonl.gz")]) == 2
    assert "there is no file of published records" in capsys.readouterr().err
    path.write_text(STUDY.replace("steps = 10", "steps = 11"))  # Its records are not those of this study.
    assert main([*verb, str(tmp_path / "same.jsonl.gz")]) == 2
    assert "holds no records of the cells of 'two'" in capsys.readouterr().err
    path.write_text(STUDY)
    verb[3] = str(tmp_path / "nowhere")
    assert main([*verb, str(tmp_path / "same.jsonl.gz")]) == 2
    assert "nowhere' holds no records of the cells of 'two'; run the study first" in capsys.readouterr().err
    verb[3] = str(results)
    assert main([*verb, str(tmp_path / "same.jsonl.gz"), "--columns", "nlll"]) == 2


def test_seeds_of_one_row_that_were_made_under_several_settings_are_no_row():
    """Half of the seeds were run again after the study file, or the code of the model, was changed."""
    values = {"a": {"nll": [1.0, 1.1, 0.9, 1.0, 1.2]}, "b": {"nll": [2.0, 2.1, 1.9, 2.0, 2.2]}}
    ours, theirs = run(values), run(values)
    changed = {"budget": {"budget": ours[0].cell.budget.model_copy(update={"steps": 77})}, "code": {}}
    for what, update in changed.items():
        mixed = [
            one.model_copy(
                update={"cell": one.cell.model_copy(update=update), "inputs": {"model": "x"} if what == "code" else {}}
            )
            if one.row == "a" and one.cell.seed > 2
            else one
            for one in ours
        ]
        for first, second, where in ((mixed, theirs, "first"), (theirs, mixed, "second")):
            found = compare(first, second)
            assert {one.row for one in found.found} == {"b"}
            assert any(
                f"its seeds in the {where} run were made under several settings" in one for one in found.left_out
            )
