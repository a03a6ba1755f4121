"""Variance budgets: planted sources are found, and each source moves what it says and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.data.resplit import resplit
from qinn_bench.records import store
from qinn_bench.study import planning, study_files, train_cell
from qinn_bench.study.order import Order
from qinn_bench.study.run_cell import run_cell
from qinn_bench.values import Budget, Cell, Refused, Use
from qinn_bench.verdicts.variance_sources import budget, budgets
from tests.rows import certificate, record

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "validation"))
import variance as validation  # noqa: E402

STUDY = """
name = "spread"
data = ["moons[events=400]"]
seeds = 4
samples = 60
mass_draws = 1000
metrics = ["swd"]
backends = ["auto", "shots:50"]
variance = true
[budgets.short]
steps = 4
batch = 16
[[models]]
model = "affine_inn"
knobs = { blocks = 2, hidden = 3 }
[[models]]
model = "hybrid_qinn"
knobs = { construction = "conditioner", blocks = 2, hidden = 1, bins = 2, uploads = 1 }
[[models]]
model = "gaussian"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "spread.toml"
    path.write_text(STUDY)
    return path


def cell(varies, seed, model="hybrid_qinn", backend="shots:50"):
    knobs = {"construction": "conditioner", "blocks": 2, "hidden": 1, "bins": 2, "uploads": 1}
    return Cell(
        model=registry.spell_out("model", Use(name=model, knobs=knobs if model == "hybrid_qinn" else {})),
        data=registry.spell_out("data", Use(name="moons", knobs={"events": 400})),
        budget=Budget(steps=3, batch=16),
        backend=backend,
        device="cpu",
        seed=seed,
        samples=60,
        mass_draws=1000,
        varies=varies,
    )


def trained(folder, of):
    order = Order(
        cell=of,
        key=f"{of.varies}{of.seed}",
        study="spread",
        row="row",
        results=folder,
        metrics=("swd",),
        data_hash="",
        inputs={},
    )
    found = run_cell(order)
    assert found.status == "ok", found.reason
    return found, store.load_arrays(folder, found)


@pytest.mark.parametrize(
    ("varies", "moved"),
    [
        ("initialisation", {"weights", "samples", "value"}),
        ("batches", {"weights", "samples", "value"}),
        ("shots", {"weights", "samples", "value"}),
        ("evaluation", {"samples", "value"}),
        ("split", {"weights", "samples", "value"}),
    ],
)
def test_a_source_that_moves_alone_moves_what_hangs_on_it(tmp_path, varies, moved):
    start, there = (trained(tmp_path, cell(varies, seed)) for seed in (0, 1))
    weights = [name for name in start[1] if name.startswith("weight:")]
    same = {
        "weights": all(np.array_equal(start[1][name], there[1][name]) for name in weights),
        "samples": np.array_equal(start[1]["samples"], there[1]["samples"]),
        "value": start[0].metrics["swd"].value == there[0].metrics["swd"].value,
    }
    assert {name for name, equal in same.items() if not equal} == moved


@pytest.mark.parametrize("varies", ["initialisation", "shots", "split"])
def test_seed_0_of_a_source_is_seed_0_of_all(tmp_path, varies):
    first, second = (trained(tmp_path, cell(name, 0)) for name in ("all", varies))
    assert first[0].metrics == second[0].metrics
    assert all(np.array_equal(value, second[1][name], equal_nan=True) for name, value in first[1].items())


def test_shots_alone_leave_the_first_weights():
    data = registry.make("data", cell("all", 0).data)
    first, second, other = (
        train_cell.build(cell(*of), data) for of in (("shots", 0), ("shots", 1), ("initialisation", 1))
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_rows_split_anew_are_the_same_rows():
    data = registry.make("data", cell("all", 0).data)
    again, other = resplit(data, 1), resplit(data, 2)
    assert resplit(data, 0) is data
    assert [len(part) for part in (again.train, again.valid, again.test)] == [150, 50, 200]
    rows = [np.concatenate([one.train, one.valid, one.test]) for one in (data, again, other)]
    assert all(np.array_equal(np.sort(one, 0), np.sort(rows[0], 0)) for one in rows)
    assert len({one.fingerprint for one in (data, again, other)}) == 3
    assert not np.array_equal(again.test, other.test)


def test_a_study_moves_each_source_alone(study, tmp_path):
    orders = planning.plan(study_files.load_study(study), tmp_path)
    found = {(order.row, order.cell.varies): 0 for order in orders}
    for order in orders:
        found[order.row, order.cell.varies] += 1
    within = {"initialisation": 3, "batches": 3, "evaluation": 3, "split": 3}
    assert {varies: n for (row, varies), n in found.items() if row == "affine_inn"} == {"all": 4} | within
    shots = {varies: n for (row, varies), n in found.items() if row == "hybrid_qinn · shots:50"}
    assert shots == {"all": 4, "shots": 3} | within
    assert {varies for row, varies in found if row == "gaussian"} == {"all"}
    assert len({order.key for order in orders}) == len(orders)


def test_too_few_seeds_are_refused(study, tmp_path):
    few = tmp_path / "few.toml"
    few.write_text(STUDY.replace("seeds = 4", "seeds = 3"))
    with pytest.raises(Refused, match="the variance of 3 seeds; 4 or more"):
        study_files.load_study(few)


def test_a_planted_budget_is_found():
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(2, 400)) * [[3.0], [4.0]]
    found = budget({"all": first + second, "initialisation": first + 7, "batches": second, "split": 5 * first})
    shares = {part.source: part.share for part in found.parts}
    assert found.seeds.deviation == pytest.approx(5, rel=0.1)
    assert shares["initialisation"] == pytest.approx(9 / 25, rel=0.15)
    assert shares["batches"] == pytest.approx(16 / 25, rel=0.15)
    assert found.rest == pytest.approx(0, abs=0.1) and found.rest_interval[0] < 0 < found.rest_interval[1]
    ratio = shares["split"]
    assert found.worth == pytest.approx(400 * (1 + ratio) / (1 + 400 * ratio))
    assert found.worth_interval[0] < found.worth < found.worth_interval[1]


def test_what_does_not_move_has_no_share():
    values = np.array([1.0, 1.1, 1.2, 1.4, 1.05])
    found = budget({"all": values, "evaluation": np.full(5, 1.0) + 1e-12 * values})
    assert found.parts[0].deviation == 0 and found.parts[0].share == 0 and found.rest == 1
    still = budget({"all": np.full(5, 2.0), "batches": np.full(5, 2.0)})
    assert still.seeds.deviation == 0 and still.parts[0].share is None and still.rest is None


@pytest.mark.parametrize("together", validation.TOGETHER)
def test_intervals_cover(together):
    rng = np.random.default_rng(3)
    true, hits = validation.truths(8, together), dict.fromkeys(validation.truths(8, together), 0)
    for _ in range(150):
        for name, (low, high) in validation._intervals(validation.simulated(8, "normal", together, rng)).items():
            hits[name] += low <= true[name] <= high
    assert all(count / 150 >= 0.87 for count in hits.values()), hits


def spread(row, scale, metric="swd", **more):
    rng = np.random.default_rng(int(scale * 100))
    found = []
    for varies in ("all", "initialisation", "split"):
        for seed in range(varies != "all", 5):
            own = record(row, seed, metric, 1 + scale * float(rng.normal()), varies=varies, **more)
            found.append(own.model_copy(update={"key": f"{own.key}{varies}"}))
    return found


def test_the_verb_prints_shares_and_differences(study, tmp_path, capsys):
    for one in (*spread("a", 0.1), *spread("b", 0.2)):
        store.save(tmp_path, one.model_copy(update={"study": "spread"}), {})
    assert main(["variance", str(study), "--results", str(tmp_path), "--metric", "swd"]) == 0
    text = capsys.readouterr().out
    assert "initialisation [%]" in text.replace("\n", " ") or "initialisation" in text
    assert (
        main(["variance", str(study), "--results", str(tmp_path), "--metric", "swd", "--against", "a", "--json"]) == 0
    )
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["row"], found["against"], found["seeds"]["values"]) == ("b", "a", 5)
    assert found["seeds"]["deviation"] > 0.1
    assert main(["variance", str(study), "--results", str(tmp_path), "--against", "c"]) == 2
    assert "no row 'c' moves sources alone; there are: a, b" in capsys.readouterr().err


def test_likelihoods_that_failed_have_no_budget(study, tmp_path, capsys):
    failed = spread("b", 0.2, "nll", certificate=certificate("fail", 0.7))
    for one in (*spread("a", 0.1, "nll"), *failed):
        store.save(tmp_path, one.model_copy(update={"study": "spread"}), {})
    assert main(["variance", str(study), "--results", str(tmp_path)]) == 0
    assert "No budget for nll of b on toy: 8 cells: the certificate is fail." in capsys.readouterr().out


def test_records_without_sources_are_refused():
    with pytest.raises(Refused, match="variance = true was expected"):
        budgets([record("a", seed, "swd", 1.0) for seed in range(5)], ["swd"])


@pytest.mark.slow
def test_the_table_of_the_study_shows_seeds_only(study, tmp_path, capsys):
    results = ["--results", str(tmp_path), "-m", "affine_inn"]
    assert main(["run", str(study), *results]) == 0
    assert "of the split alone: ok" in capsys.readouterr().err
    assert main(["table", str(study), *results, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 1 and "4/4" in str(rows[0])
    assert main(["variance", str(study), "--results", str(tmp_path), "--metric", "swd"]) == 0
    assert "affine_inn" in capsys.readouterr().out
