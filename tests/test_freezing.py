"""Freezing: claims made before the run are told from those made after it; the files of claims of this project."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from claim_files import better, duel, write
from rows import save

from qinn_bench.cli.main import main
from qinn_bench.study import planning, study_files
from qinn_bench.verdicts import claim_file, claim_locks

ROOT = Path(__file__).parents[1]


@pytest.fixture
def written(tmp_path):
    """Writes a file of claims and returns its path."""
    return partial(write, tmp_path)


def test_freezing_tells_before_from_after(written, tmp_path, capsys):
    path, file = written(better()), None
    file = claim_file.load(path)
    early, late = (
        duel(0.1, 0.3),
        [r.model_copy(update={"provenance": {"finished_utc": "2999-01-01T00:00:00+00:00"}}) for r in duel(0.1, 0.3)],
    )
    assert claim_locks.standing(path, file, late) == "not frozen"
    assert main(["claims", "freeze", str(path)]) == 0
    assert "is frozen as of" in capsys.readouterr().out
    assert claim_locks.standing(path, file, []) == claim_locks.standing(path, file, late) == "frozen"
    assert claim_locks.standing(path, file, early) == "frozen after the run"
    others = [r.model_copy(update={"row": "c", "family": "c"}) for r in early]
    assert claim_locks.standing(path, file, others) == "frozen"
    before = claim_locks.lock_path(path).read_bytes()
    path.write_text("# a comment and spaces change nothing\n" + path.read_text().replace(" = ", "  =  "))
    assert claim_locks.standing(path, file, late) == "frozen"
    assert claim_locks.freeze(path) and claim_locks.lock_path(path).read_bytes() == before
    path.write_text(path.read_text().replace('"swd"', '"mmd"'))
    assert claim_locks.standing(path, claim_file.load(path), late) == "post hoc"
    save(tmp_path, late)
    assert main(["claims", "check", str(path), "--results", str(tmp_path)]) == 5
    assert "post hoc" in capsys.readouterr().out


def test_only_the_last_freeze_counts(written):
    """Freezing two contents before the run does not leave the choice between them for afterwards."""
    path = written(better())
    text = path.read_text()
    claim_locks.freeze(path)
    path.write_text(text.replace('"swd"', '"mmd"'))
    claim_locks.freeze(path)
    path.write_text(text)
    assert claim_locks.standing(path, claim_file.load(path), []) == "post hoc"
    claim_locks.freeze(path)
    assert len(claim_locks.read_lock(path).freezes) == 3
    assert claim_locks.standing(path, claim_file.load(path), duel(0.1, 0.3)) == "frozen after the run"


def test_a_lock_that_cannot_be_read_gets_one_sentence(written, capsys):
    path = written(better())
    claim_locks.lock_path(path).write_text("{")
    assert main(["claims", "check", str(path)]) == 2
    assert "is no lock of a file of claims" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_hold(path):
    file = claim_file.load(path)
    assert file.name == path.stem
    assert claim_locks.standing(path, file, []) == "frozen"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_name_rows_of_their_studies(path, tmp_path):
    file = claim_file.load(path)
    orders = planning.plan(study_files.load_study(ROOT / file.study), tmp_path)
    rows, families = ({getattr(order, name) for order in orders} for name in ("row", "family"))
    for claim in file.claims:
        assert {claim.first, claim.second} <= (families if claim.relation == "ratio-at-least" else rows)


def test_listing_names_every_file(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["claims", "list"]) == 0
    shown = capsys.readouterr().out
    assert main(["claims", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["file"] for one in found} >= {"benchmarks/claims/rousselot2024.toml"}
    assert all(one["file"] in shown for one in found)


def test_a_file_that_is_not_there_and_an_empty_folder_get_one_sentence(tmp_path, capsys):
    assert main(["claims", "check", str(tmp_path / "no.toml")]) == 2
    assert main(["claims", "list", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "there is no file of claims" in said and "there are no files of claims" in said
