"""Records from elsewhere are put beside those of a folder: all that is missing, nothing that is there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rows import record

from qinn_bench.cli.main import main
from qinn_bench.records import published, store
from qinn_bench.records.trials import trials_study

STUDY = """
name = "toy"
data = ["moons"]
seeds = 3
[budgets.tiny]
steps = 1
[[models]]
model = "spline_inn"
"""
ARRAYS = {"samples": np.arange(4.0)}


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    return path


def put(folder, *records, arrays=ARRAYS):
    for one in records:
        store.save(folder, one, arrays)


def one(seed, swd=0.5, study="toy"):
    return record("spline_inn", seed, "swd", swd).model_copy(update={"study": study})


def merged(study, into, *sources, code=0, capsys=None):
    assert main(["merge", str(study), *map(str, sources), "--results", str(into), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_merged_folder_is_the_union_with_its_arrays_and_trials(tmp_path, study, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    put(here, one(0), one(1))
    put(there, one(1), one(2), one(1000, study=trials_study("toy")))
    told = merged(study, here, there, capsys=capsys)
    assert (told["taken"], told["there"], told["conflicts"]) == (2, 1, [])
    assert store.load_all(here, "toy") == sorted([one(0), one(1), one(2)], key=lambda r: r.key)
    assert all(store.load_arrays(here, r)["samples"].tolist() == [0, 1, 2, 3] for r in store.load_all(here, "toy"))
    assert len(store.load_all(here, trials_study("toy"))) == 1
    assert merged(study, here, there, capsys=capsys) == told | {"taken": 0, "there": 3}


def test_published_records_and_trials_come_back_and_later_their_arrays(tmp_path, study, capsys):
    whole, lost = tmp_path / "whole", tmp_path / "lost"
    put(whole, one(0), one(1))
    published.write(tmp_path / "toy.jsonl.gz", "toy", store.load_all(whole, "toy"))
    published.write(tmp_path / "toy-trials.jsonl.gz", "toy-trials", [one(1000, study="toy-trials")])
    assert merged(study, lost, tmp_path / "toy.jsonl.gz", capsys=capsys)["taken"] == 3
    assert store.load_all(lost, "toy") == store.load_all(whole, "toy")
    assert not any(store.has_arrays(lost, r) for r in store.load_all(lost, "toy"))
    assert merged(study, lost, whole, capsys=capsys)["taken"] == 2
    assert all(store.has_arrays(lost, r) for r in store.load_all(lost, "toy"))


def test_published_trials_alone_come_back(tmp_path, study, capsys):
    published.write(tmp_path / "toy-trials.jsonl.gz", "toy-trials", [one(1000, study="toy-trials")])
    assert merged(study, tmp_path / "here", tmp_path / "toy-trials.jsonl.gz", capsys=capsys)["taken"] == 1
    assert len(store.load_all(tmp_path / "here", "toy-trials")) == 1 and not store.load_all(tmp_path / "here", "toy")


def test_other_numbers_are_named_and_those_that_are_here_stay(tmp_path, study, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    put(here, one(0, 0.5), one(1, 0.5))
    put(there, one(0, 0.5), one(1, 0.7))
    told = merged(study, here, there, code=1, capsys=capsys)
    assert (told["taken"], told["there"]) == (0, 1)
    assert told["conflicts"] == [f"spline_inn, seed 1 on toy: {there} has other numbers, which were not taken"]
    assert store.load_all(here, "toy") == sorted([one(0), one(1)], key=lambda r: r.key)


def test_a_result_takes_the_place_of_a_failure_but_not_the_other_way_round(tmp_path, study, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    failed = one(0).model_copy(update={"status": "timeout", "reason": "60 s", "metrics": {}})
    put(here, failed)
    put(there, one(0))
    assert merged(study, here, there, capsys=capsys)["taken"] == 1
    assert store.load_all(here, "toy")[0].status == "ok"
    put(tmp_path / "failures", failed)
    merged(study, here, tmp_path / "failures", code=1, capsys=capsys)
    assert store.load_all(here, "toy")[0].status == "ok"


@pytest.mark.parametrize("what", ["nothing", "empty", "file", "linked"])
def test_what_holds_no_records_is_refused_in_one_sentence(tmp_path, study, capsys, what):
    source = tmp_path / "source"
    if what in ("empty", "linked"):
        source.mkdir()
    if what == "linked":
        put(tmp_path / "elsewhere", one(0))
        (source / "records").symlink_to(tmp_path / "elsewhere" / "records")
    if what == "file":
        source.write_text("no records")
    assert main(["merge", str(study), str(source), "--results", str(tmp_path / "here")]) == 2
    told = capsys.readouterr().err
    assert "source" in told and "Traceback" not in told and len(told.strip().splitlines()) <= 3
    assert not (tmp_path / "here").exists()


def test_a_file_that_is_no_record_is_named_and_the_others_are_taken(tmp_path, study, capsys):
    there = tmp_path / "there"
    put(there, one(0), one(1))
    broken = store.record_path(there, "toy", one(1).key)
    broken.write_text("{")
    assert main(["merge", str(study), str(there), "--results", str(tmp_path / "here")]) == 0
    told = capsys.readouterr()
    assert "toy: 1 records taken, 0 were there, 0 in conflict" in told.out and str(broken) in told.err
