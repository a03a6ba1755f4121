"""The table of ROC curves: both ways and their halves by hand, and rows that a single number beats."""

from __future__ import annotations

import numpy as np
import pytest
import rows

from qinn_bench.cli.main import main
from qinn_bench.records import store
from qinn_bench.report import study_table
from qinn_bench.report.forms import FORMS
from qinn_bench.report.latex import latex
from qinn_bench.report.roc_table import roc_table
from qinn_bench.report.score_floors import BELOW, below_floors
from qinn_bench.report.study_rows import groups_of
from qinn_bench.statistics.roc_curves import row_values
from qinn_bench.values import Estimate, Refused, Use
from qinn_bench.verdicts import row_pairs

LABELS = np.repeat([0, 1], 200)


def area(value, error=0.01):
    return Estimate(value=value, error=error, n=200, unit="AUC", better="higher")


def record(row, seed, value, way="quark", role="model", **more):
    use = Use(name="qg_jets", knobs={"pixels": 12} | ({"background": way} if way else {}))
    found = {"roc_auc": area(value)} | {name: Estimate(value=x, error=0.01) for name, x in more.items()}
    return rows.built(row=row, seed=seed, role=role, data=use, metrics=found, model=Use(name=row))


def both_ways(row, ahead, back, role="model", seeds=5):
    rng = np.random.default_rng(len(row))
    return [
        record(row, seed, centre + 0.002 * rng.normal(), way, role)
        for way, centre in (("quark", ahead), ("gluon", back))
        for seed in range(seeds)
    ]


def test_both_ways_stand_together_with_their_mean_and_bias():
    records = [*both_ways("conv_ae", 0.7, 0.3), *both_ways("nae", 0.62, 0.6)]
    table = roc_table(records)
    names, lines = table.cells()
    at = {name: names.index(name) for name in names}
    found = {(line[0], line[at["background"]]): line for line in lines}
    by_hand = [r.metrics["roc_auc"].value for r in records if r.row == "conv_ae"]
    ahead, back = np.array(by_hand[:5]), np.array(by_hand[5:])
    line = found["conv_ae", "quark"]
    assert line[at["roc_auc"]] == pytest.approx(ahead.mean()) and line[at["mean"]] == pytest.approx(
        (ahead + back).mean() / 2
    )
    assert line[at["bias"]] == pytest.approx((ahead - back).mean() / 2) and line[at["bias"]] == pytest.approx(
        0.2, abs=0.01
    )
    assert line[at["mean_error"]] == pytest.approx(np.hypot((ahead + back).std(ddof=1) / 2 / 5**0.5, 0.01))
    assert found["nae", "quark"][at["mean"]] == pytest.approx(0.61, abs=0.01)
    assert found["nae", "gluon"][at["mean"]] == ""
    for form in FORMS.values():
        assert "nae" in form(table)
    assert "conv" in latex(table)


def test_one_way_alone_has_no_bias_and_no_labels_are_refused():
    names, _ = roc_table([record("conv_ae", 0, 0.6, way="")]).cells()
    assert "bias" not in names and "background" not in names
    with pytest.raises(Refused, match="none of 1 records has 'roc_auc'"):
        roc_table([rows.record("a", 0, "swd", 0.1)])


def test_rows_that_a_single_number_beats_are_marked():
    records = [
        *both_ways("pixel_count", 0.65, 0.35, "floor"),
        *both_ways("good", 0.72, 0.7),
        *both_ways("forward", 0.72, 0.4),
        *both_ways("same", 0.651, 0.651),
        *both_ways("knows", 0.5, 0.5, "ceiling"),
    ]
    below = below_floors(groups_of(records))
    assert {(data[-6:-1], row) for data, row in below} == {("quark", "same"), ("gluon", "forward"), ("gluon", "same")}
    assert "by pixel_count (turned) alone" in below["qg_jets[background=gluon]", "forward"]
    shown = study_table.table(records).text()
    assert f"forward {BELOW}" in shown and f"good {BELOW}" not in shown and "not shown to beat" in shown
    assert f"same {BELOW}" in roc_table(records).text()
    assert below_floors(groups_of(both_ways("alone", 0.4, 0.4))) == {}


def scored(folder, row, apart, seed=0, labels=LABELS):
    """A record whose arrays are scores of shared rows, some of the noise of which is the row's own."""
    shared = np.random.default_rng(1).normal(size=len(labels)) + apart * labels
    scores = shared + 0.3 * np.random.default_rng([2, len(row), seed]).normal(size=len(labels))
    one = record(row, seed, float(row_values(scores, labels).mean()))
    one = one.model_copy(update={"key": f"{row}-{seed}", "provenance": {"data_hash": "d"}})
    store.save(folder, one, {"scores": scores, store.LABELS: labels.astype(np.int8)})
    return one


def test_areas_are_compared_on_their_shared_rows(tmp_path):
    """The error of a difference on shared rows is far below that of either area."""
    records = [
        scored(tmp_path, row, apart, seed) for row, apart in (("sharp", 0.6), ("blunter", 0.5)) for seed in range(5)
    ]
    terms = row_pairs.PairTerms("roc_auc", arrays=tmp_path)
    found = row_pairs.compare(records, "sharp", "blunter", terms, np.random.default_rng(0))
    assert "test rows" in found.method and found.outcome == "better"
    assert found.effect.error < 0.012 < records[0].metrics["roc_auc"].error * 2
    without = row_pairs.compare(records, "sharp", "blunter", row_pairs.PairTerms("roc_auc"), np.random.default_rng(0))
    assert "left out" in without.method


def test_the_verb_refuses_a_study_without_scores(tmp_path, capsys):
    path = tmp_path / "mini.toml"
    path.write_text('name = "mini"\ndata = ["moons"]\n[budgets.a]\nsteps = 1\n[[models]]\nmodel = "gaussian"\n')
    assert main(["roc", str(path), "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("qinn-bench roc: ")
