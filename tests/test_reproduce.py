"""A cell is run again from its record alone, and whether its numbers come back is told."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from qinn_bench.cli.main import main
from qinn_bench.limits import Limits
from qinn_bench.records import published, store
from qinn_bench.records.finding import find_record
from qinn_bench.report.reproduction_table import said
from qinn_bench.study import campaign, planning, reproduction, run_cell, study_files
from qinn_bench.values import Estimate, Refused

STUDY = """
name = "toy"
data = ["moons[events=400]"]
seeds = 1
samples = 100
mass_draws = 500
metrics = ["swd", "nll"]
[budgets.short]
steps = 3
batch = 32
[[models]]
model = "affine_inn"
knobs = { blocks = 1, hidden = 2 }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cell that was run: its folder of results, its record, its arrays."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.toml").write_text(STUDY)
    (order,) = planning.plan(study_files.load_study(folder / "toy.toml"), folder / "results")
    record = run_cell.run_cell(order)
    return folder / "results", record, store.load_arrays(folder / "results", record)


@pytest.fixture
def at_once(monkeypatch):
    """Cells run in this process."""

    def execute(orders, limits, show):
        for order in orders:
            show(campaign.CellEvent(order, record=run_cell.run_cell(order)))

    monkeypatch.setattr(campaign, "execute", execute)


@pytest.fixture
def known(monkeypatch, made):
    """Cells are not run: what comes back is the record that was made."""
    _, record, arrays = made

    def execute(orders, limits, show):
        for order in orders:
            again = record.model_copy(update={"key": order.key, "inputs": order.inputs})
            store.save(order.results, again, arrays)
            show(campaign.CellEvent(order, record=again))

    monkeypatch.setattr(campaign, "execute", execute)


def changed(record, by, error=None):
    """The record with another sliced distance, and another error of it."""
    swd = record.metrics["swd"]
    moved = swd.model_copy(update={"value": swd.value + by, "error": swd.error if error is None else error})
    return record.model_copy(update={"metrics": record.metrics | {"swd": moved}})


def again(record, tmp_path, arrays=None, **more):
    return reproduction.reproduce(record, arrays, Path(tempfile.mkdtemp(dir=tmp_path)), Limits(), **more)


def test_a_cell_comes_back_bit_for_bit(made, at_once, tmp_path):
    _, record, arrays = made
    found = again(record, tmp_path, arrays)
    assert found.bits_are_due and found.came_back and not found.arrays
    assert {one.likeness for one in found.numbers} == {"bitwise"} and {"swd", "nll", "mass"} <= {
        one.name for one in found.numbers
    }


def test_a_bit_that_differs_counts_where_nothing_else_does(made, known, tmp_path):
    _, record, arrays = made
    (moved,) = [one for one in again(changed(record, 1e-9), tmp_path).numbers if one.likeness != "bitwise"]
    assert (moved.name, moved.likeness) == ("swd", "rounding")
    assert not again(changed(record, 1e-9), tmp_path).came_back
    assert again(record, tmp_path, arrays | {"samples": arrays["samples"] + 1}).arrays == ("samples",)
    assert not again(record, tmp_path, arrays | {"samples": arrays["samples"] + 1}).came_back


def test_elsewhere_numbers_come_back_within_their_errors(made, known, tmp_path):
    _, record, _ = made
    there = {"provenance": record.provenance | {"processor": "another"}}
    for by, came_back in ((1e-9, True), (0.01, True), (10.0, False)):
        found = again(changed(record, by, error=0.01).model_copy(update=there), tmp_path)
        assert found.came_back is came_back and not found.bits_are_due
        assert any("processor another then" in sentence for sentence in found.machine)
    strict = again(changed(record, 0.02, error=0.01).model_copy(update=there), tmp_path, errors=0.1)
    assert not strict.came_back and any("did NOT come back" in sentence for sentence in said(strict))
    lost = record.model_copy(update=there | {"metrics": record.metrics | {"swd": Estimate(value=None, note="why")}})
    assert not again(lost, tmp_path).came_back, "a number where there was none is no return"


def test_inputs_that_differ_are_named(made, known, tmp_path):
    _, record, _ = made
    other = record.model_copy(
        update={
            "inputs": record.inputs | {"training": "0" * 16},
            "measured": record.measured | {"swd": "0" * 16, "gone": "1"},
        }
    )
    found = again(other, tmp_path)
    assert found.inputs == ("the training loop differs", "the measure swd differs", "the metric gone is not here")
    assert found.came_back and not found.bits_are_due


def test_a_cell_that_ends_otherwise_did_not_come_back(made, known, tmp_path):
    _, record, _ = made
    failed = record.model_copy(update={"status": "timeout", "metrics": {}, "certificate": None, "validation": None})
    assert not again(failed, tmp_path).came_back
    with pytest.raises(Refused, match="was skipped"):
        again(record.model_copy(update={"status": "skipped", "reason": "no shape"}), tmp_path)


def test_a_record_is_found_by_its_key_its_file_and_among_published_ones(made, tmp_path):
    results, record, arrays = made
    by_key, beside = find_record(record.key[:6], results)
    assert by_key == record and beside.keys() == arrays.keys()
    assert find_record(str(store.record_path(results, "toy", record.key)), tmp_path)[0] == record
    published.write(tmp_path / "toy.jsonl.gz", "toy", [record])
    assert find_record(record.key, tmp_path, tmp_path / "toy.jsonl.gz") == (record, None)
    assert find_record("e205cf857b0a", tmp_path)[0].study == "quick", "of the project's own"
    for name, why in (("abc", "names no cell"), ("../x/y", "names no cell"), ("abcdef", "no record has a key")):
        with pytest.raises(Refused, match=why):
            find_record(name, results)
    store.save(results, record.model_copy(update={"key": record.key[:6] + "other", "inputs": {}}))
    with pytest.raises(Refused, match="names 2 cells"):
        find_record(record.key[:6], results)


def test_the_verb_says_whether_it_came_back(made, known, tmp_path, capsys):
    results, record, _ = made
    assert main(["reproduce", record.key, "--results", str(results), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["footnotes"][0] == "The cell came back." and len(told["rows"]) >= 3
    published.write(tmp_path / "toy.jsonl.gz", "toy", [changed(record, 1.0)])
    assert main(["reproduce", record.key, "--records", str(tmp_path / "toy.jsonl.gz")]) == 1
    assert "did NOT come back" in capsys.readouterr().out


@pytest.mark.slow
def test_published_records_come_back(tmp_path, capsys):
    """With whatever code and machine are here, within errors at least."""
    assert main(["reproduce", "e205cf857b0a", "--results", str(tmp_path)]) == 0


def test_a_folder_that_has_the_record_is_no_place_for_another(made):
    results, record, arrays = made
    with pytest.raises(Refused, match="is there already"):
        reproduction.reproduce(record, arrays, results, Limits(1, None, None, 1), nulls=results / "nulls")


@pytest.mark.parametrize("errors", ["nan", "-1", "0", "inf"])
def test_a_tolerance_that_is_none_is_refused(made, errors, capsys):
    results, record, _ = made
    assert main(["reproduce", record.key, "--results", str(results), f"--errors={errors}"]) == 2
    assert "a number above 0 was expected" in capsys.readouterr().err
