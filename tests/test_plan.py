"""A study is planned, followed and cleaned from what lies in its folder; nothing is run, nothing finished is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from qinn_bench import locks
from qinn_bench.cli.main import main
from qinn_bench.records import leftovers, measures, store
from qinn_bench.study import campaign, follow, planning, progress, run_cell, selection, study_files
from qinn_bench.study.plan_matrix import plan_matrix
from qinn_bench.study.selection import EVERY
from qinn_bench.values import Budget, Refused

STUDY = """
name = "toy"
data = ["moons[events=400]"]
seeds = 3
samples = 100
metrics = ["swd"]
[budgets.short]
steps = 10
[[models]]
model = "affine_inn"
label = "A"
knobs = { blocks = 2, hidden = 2 }
[[models]]
model = "qinn"
label = "Q"
knobs = { uploads = 2, fidelity = 0.0 }
"""
COST = {"train_wall_s": 30.0, "certify_wall_s": 10.0, "peak_memory_mb": 500.0}


@pytest.fixture
def folder(tmp_path):
    """A study with two finished cells of one row, and a third that took too long."""
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    study, results = study_files.load_study(path), tmp_path / "results"
    orders = planning.plan(study, results)
    for order, status in zip(orders, ("ok", "ok", "timeout"), strict=False):
        arrays = {"samples": torch.zeros(1).numpy()}
        measured = measures.fingerprints(order.metrics)
        run_cell.save(order, arrays, status=status, reason="", cost=COST, measured=measured)
    return path, study, results, orders


def test_a_plan_counts_and_tells_what_the_rest_takes(folder, capsys):
    path, study, results, _ = folder
    made = plan_matrix(study, results)
    first, second = made.rows
    assert (first.row, first.cells, first.finished, first.to_run, dict(first.failed)) == ("A", 3, 2, 0, {"timeout": 1})
    assert (second.row, second.to_run, second.each.basis) == ("Q", 3, "engine")
    assert 0 < second.each.seconds < 60 and second.each.memory_mb > 300
    again = plan_matrix(study, results, retry=("timeout",))
    assert (again.rows[0].to_run, again.rows[0].each) == (1, again.rows[0].each)
    assert again.rows[0].each.seconds == 40.0 and again.rows[0].each.memory_mb == 500.0
    assert again.seconds(1) == pytest.approx(40.0 + 3 * second.each.seconds)
    assert again.seconds(100) == pytest.approx(40.0) and again.memory_mb(1) == 500.0
    before = {one: one.stat().st_mtime_ns for one in results.rglob("*")}
    assert main(["plan", str(path), "--results", str(results), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["rows"]) == 2 and "3 to run" in str(told["footnotes"])
    assert main(["plan", str(path), "--results", str(results), "-m", "A"]) == 0
    assert "3 cells, 0 to run" in capsys.readouterr().out
    assert {one: one.stat().st_mtime_ns for one in results.rglob("*")} == before, "a plan runs and writes nothing"


def test_costs_of_published_records_are_taken_where_there_are_no_own(tmp_path):
    study = study_files.load_study(study_files.Path("quick"))
    made = plan_matrix(study, tmp_path)
    known = {row.row: row.each for row in made.rows}
    assert known["spline_inn"].basis == "row" and 1 < known["spline_inn"].seconds < 3600
    assert "quick.jsonl.gz" in made.source and made.processors and not made.unknown


def test_only_failures_of_the_named_statuses_run_again(folder):
    *_, orders = folder
    assert [order.row for order in campaign.pending(orders)] == ["Q"] * 3
    assert len(campaign.pending(orders, ("timeout",))) == 4 and len(campaign.pending(orders, ("lost", "crashed"))) == 3
    assert progress.statuses("lost, timeout") == ("timeout", "lost") and progress.statuses("") == ()
    with pytest.raises(Refused, match="cells do not fail as 'ok'"):
        progress.statuses("timeout,ok")


def test_a_retry_of_no_status_is_refused(folder, capsys):
    path, _, results, _ = folder
    assert main(["run", str(path), "--results", str(results), "--retry", "slow"]) == 2
    assert "cells do not fail as 'slow'" in capsys.readouterr().err


def test_a_study_is_followed_until_it_has_ended(folder):
    _, study, results, orders = folder
    said, left = [], iter(orders[3:])

    def wait(_):
        run_cell.save(next(left), {}, measured=measures.fingerprints(orders[0].metrics), cost=COST)

    path = store.lock_path(results, "toy", orders[3].key)
    lock = locks.take(path)
    for now in follow.follow(study, results, EVERY, 1.0, wait):
        said.append(str(now))
        if lock and len(said) == 1:
            lock.release()
            lock = None
    assert said[0].startswith("[3/6] 2 ok, 1 timeout, 1 running, about")
    assert said[-1] == "[6/6] 5 ok, 1 timeout" and len(said) == 4 and now.failed


def test_status_with_watch_ends_as_status_does(folder, capsys):
    path, _, results, orders = folder
    for order in orders[3:]:
        run_cell.save(order, {}, measured=measures.fingerprints(order.metrics))
    assert main(["status", str(path), "--results", str(results), "--watch", "0.1"]) == 3
    told = capsys.readouterr().out.splitlines()
    assert "[6/6] 5 ok, 1 timeout" in told[0] and told[1].startswith("toy: 6 cells; 5 ok, 1 timeout, 0 to run")
    assert main(["status", str(path), "--results", str(results), "--watch", "-1"]) == 2


def test_clean_takes_what_nobody_needs_and_no_record(folder, capsys):
    path, _, results, orders = folder
    records = results / "records" / "toy"
    kept = {one.name: one.read_bytes() for one in records.iterdir()}
    (records / f".{orders[3].key}.training").write_bytes(b"half a training")
    (records / f".{orders[0].key}.training").write_bytes(b"of a cell that has ended")
    (records / "abc.npz").write_bytes(b"arrays")
    (records / ".0123.part").write_bytes(b"part")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store.lock_path(results, "toy", "dead").write_text(f"process {dead.pid} on {os.uname().nodename}")
    mine = locks.take(store.lock_path(results, "toy", orders[4].key))
    words = ["clean", str(path), "--results", str(results), "--json"]
    assert main([*words, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"locks": 1, "unfinished files": 1, "checkpoints": 1, "arrays without a record": 1}
    assert main(words) == 0 and json.loads(capsys.readouterr().out)["files"] == told["files"]
    left = {one.name for one in records.iterdir()}
    assert left == {*kept, f".{orders[3].key}.training", mine.path.name}
    mine.release()
    assert main([*words, "--checkpoints"]) == 0
    assert {one.name: one.read_bytes() for one in records.iterdir()} == kept
    assert main(["clean", "--results", str(results)]) == 0
    assert capsys.readouterr().out.endswith("nothing removed\n")


def test_a_failure_that_was_replaced_meanwhile_or_is_in_use_stays(folder):
    _, _, results, orders = folder
    listed = leftovers.failures(results, "toy", ("timeout",))
    lock = locks.take(store.lock_path(results, "toy", orders[2].key))
    assert listed and not any(one.remove() for one in listed)
    lock.release()
    run_cell.save(orders[2], {"samples": torch.zeros(1).numpy()}, status="ok", reason="", cost=COST)
    assert not any(one.remove() for one in listed)
    assert [one.status for one in store.load_all(results, "toy")] == ["ok"] * 3


def test_clean_takes_records_only_where_they_are_asked_for(folder, capsys):
    path, _, results, orders = folder
    words = ["clean", str(path), "--results", str(results)]
    assert main([*words, "--failed", "crashed"]) == 0 and len(store.load_all(results, "toy")) == 3
    assert main([*words, "--failed"]) == 0
    assert [one.status for one in store.load_all(results, "toy")] == ["ok", "ok"]
    path.write_text(STUDY.replace("steps = 10", "steps = 11"))
    assert main(words) == 0 and len(store.load_all(results, "toy")) == 2
    assert main([*words, "--older"]) == 0 and not list((results / "records" / "toy").iterdir())
    assert main(["clean", "--results", str(results), "--older"]) == 2
    assert Budget().steps and orders


def test_a_study_may_begin_at_seeds_that_nobody_has_seen(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(STUDY.replace("seeds = 3", "seeds = 3\nfirst_seed = 10"))
    study = study_files.load_study(path)
    orders = planning.plan(study, tmp_path / "results")
    assert {order.cell.seed for order in orders} == {10, 11, 12}
    seen = planning.plan(study.model_copy(update={"first_seed": 9}), tmp_path / "results")
    assert {one.key for one in seen if one.cell.seed > 9} == {one.key for one in orders if one.cell.seed < 12}
    with pytest.raises(Refused, match="its seeds 10 to 12"):
        selection.select(study, tmp_path / "results", selection.Filters(seeds=(2,)))
    with pytest.raises(Refused, match="seeds 998 to 1000 were asked for"):
        path.write_text(STUDY.replace("seeds = 3", "seeds = 3\nfirst_seed = 998"))
        study_files.load_study(path)
