"""Freezing: claims made before the run are told from those made after it; the files of claims of this project."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from claim_files import better, duel, write
from rows import save

from qinn_bench import catalogue, registry
from qinn_bench.cli.main import main
from qinn_bench.report import checked_claims
from qinn_bench.study import grid, study_files
from qinn_bench.study.data_axes import uses_of
from qinn_bench.verdicts import claim_file, claim_locks
from qinn_bench.verdicts.strongest import STRONGEST

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
    assert claim_locks.standing(path, file, late).kind == "not frozen"
    assert main(["claims", "freeze", str(path)]) == 0
    assert "is frozen as of" in capsys.readouterr().out
    assert claim_locks.standing(path, file, []).kind == claim_locks.standing(path, file, late).kind == "frozen"
    assert claim_locks.standing(path, file, early).kind == "frozen after the run"
    others = [r.model_copy(update={"row": "c", "family": "c"}) for r in early]
    assert claim_locks.standing(path, file, others).kind == "frozen"
    before = claim_locks.lock_path(path).read_bytes()
    path.write_text("# a comment and spaces change nothing\n" + path.read_text().replace(" = ", "  =  "))
    assert claim_locks.standing(path, file, late).kind == "frozen"
    assert claim_locks.freeze(path) and claim_locks.lock_path(path).read_bytes() == before
    path.write_text(path.read_text().replace('"swd"', '"mmd"'))
    assert claim_locks.standing(path, claim_file.load(path), late).kind == "post hoc"
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
    assert claim_locks.standing(path, claim_file.load(path), []).kind == "post hoc"
    claim_locks.freeze(path)
    assert len(claim_locks.read_lock(path).freezes) == 3
    assert claim_locks.standing(path, claim_file.load(path), duel(0.1, 0.3)).kind == "frozen after the run"


def test_a_lock_that_cannot_be_read_gets_one_sentence(written, capsys):
    path = written(better())
    claim_locks.lock_path(path).write_text("{")
    assert main(["claims", "check", str(path)]) == 2
    assert "is no lock of a file of claims" in capsys.readouterr().err


STUDY = """
name = "toy"
data = ["moons[events=600]"]
seeds = 5
samples = 300
sizes = [27, 40]
[match]
tolerance = 0.3
[budgets.short]
steps = 4
[[models]]
model = "spline_inn"
label = "a"
knobs = { blocks = 1, bins = 2 }
ladder = [{ hidden = 2 }, { hidden = 3 }]
[[models]]
model = "gaussian"
label = "b"
"""
EDITS = {
    "seeds": ("seeds = 5", "seeds = 9", "the text of the study, its cells (15 instead of 9)"),
    "a rung": ("{ hidden = 3 }", "{ hidden = 4 }", "the text of the study, its ladders, its cells"),
    "steps": ("steps = 4", "steps = 400", "the text of the study, its cells"),
    "the title": ('name = "toy"', 'name = "toy"\ntitle = "T"', "the text of the study"),
}


@pytest.fixture
def with_study(tmp_path, monkeypatch):
    """A file of claims and the study that it is about, in the working folder."""
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "studies" / "toy.toml"
    study.parent.mkdir()
    study.write_text(STUDY)
    return write(tmp_path, better()), study


def check_of(path, capsys):
    main(["claims", "check", str(path), "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("edit", EDITS)
def test_the_freeze_covers_the_study(with_study, capsys, edit):
    path, study = with_study
    assert main(["claims", "freeze", str(path)]) == 0
    assert "with the" in capsys.readouterr().out
    assert check_of(path, capsys)["standing"] == "frozen"
    study.write_text("# a comment\n" + STUDY.replace(" = ", "  =  "))
    assert check_of(path, capsys)["standing"] == "frozen"
    old, new, said = EDITS[edit]
    study.write_text(STUDY.replace(old, new))
    found = check_of(path, capsys)
    assert found["standing"] == "study edited after the freeze"
    told = found["standing_said"].partition("not the same: ")[2]
    assert told == said or told.startswith(f"{said.partition(' (')[0]}")
    assert main(["claims", "list", str(path.parent)]) == 0
    assert "study edited after the freeze" in capsys.readouterr().out


def test_a_freeze_without_a_study_stays_valid_and_says_so(with_study, capsys):
    path, study = with_study
    content = study.read_text()
    study.unlink()
    assert main(["claims", "freeze", str(path)]) == 0
    assert "Its study is not frozen with it: " in capsys.readouterr().out
    first = claim_locks.read_lock(path).freezes[-1]
    assert first.study is None
    found = check_of(path, capsys)
    assert found["standing"] == "frozen" and "the study was not frozen with them" in found["standing_said"]
    study.write_text(content)
    assert main(["claims", "freeze", str(path)]) == 0
    assert len(claim_locks.read_lock(path).freezes) == 2
    capsys.readouterr()
    assert "so was the study" in check_of(path, capsys)["standing_said"]


def test_a_study_that_is_frozen_after_the_run_does_not_make_its_claims_late(with_study):
    path, _ = with_study
    one = claim_locks.freeze(path)
    lock = claim_locks.ClaimLock(
        freezes=(
            one.model_copy(update={"frozen_utc": "2026-01-01T00:00:00+00:00"}),
            one.model_copy(update={"study": checked_claims.prints_of(claim_file.load(path))}),
        )
    )
    claim_locks.lock_path(path).write_text(lock.model_dump_json())
    now, file = lock.freezes[-1].study, claim_file.load(path)
    found = claim_locks.standing(path, file, duel(0.1, 0.3), now)
    assert found.kind == "frozen" and "only after the run" in found.said
    assert claim_locks.standing(path, file, [], now).said.endswith(f"with its {now.count} cells")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_hold(path):
    file = claim_file.load(path)
    assert file.name == path.stem
    kind = claim_locks.standing(path, file, []).kind
    run = (ROOT / "results" / "published" / f"{file.study_name}.jsonl.gz").exists()
    assert kind == "frozen" or (kind == "not frozen" and not run)


def stated(study):
    """The rows and families of a study as its file states them, without its data, which may have to be made first."""
    budgets = (
        (row, size, budget) for row in study.models for size in grid.sizes_of(study, row) for budget in study.budgets
    )
    slots = [slot for row, size, one in budgets for slot in grid.of_row(study, row, size, uses_of(study)[0], one)]
    return {slot.row for slot in slots}, {slot.family for slot in slots}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_name_rows_and_data_of_their_studies(path):
    file = claim_file.load(path)
    study = study_files.load_study(ROOT / file.study)
    rows, families = stated(study)
    for claim in file.claims:
        asked = registry.parse_use(claim.data)
        every = [catalogue.spell_out("data", use) for use in uses_of(study)]
        assert [use for use in every if use.name == asked.name and asked.knobs.items() <= use.knobs.items()]
        named = {row for row in (*claim.firsts, *claim.seconds) if not row.startswith(STRONGEST)}
        assert named <= (families if claim.relation == "ratio-at-least" else rows)


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
