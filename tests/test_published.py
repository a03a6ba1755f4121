"""Published records: what is read is what was written, verbs say the same from them, and bad files get one sentence."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from claim_files import better, duel, grown, write
from rows import record, save

from qinn_bench.cli.main import main
from qinn_bench.records import keys, published, store
from qinn_bench.records.trials import SUFFIX
from qinn_bench.study import grid, planning, run_cell, study_files
from qinn_bench.values import Estimate, Refused
from qinn_bench.verdicts.row_pairs import SEEDS_ONLY

ROOT = Path(__file__).parents[1]
STUDY = """
name = "toy"
data = ["moons[events=2000]"]
seeds = 2
[budgets.tiny]
steps = 1
[[models]]
model = "truth"
[[models]]
model = "spline_inn"
knobs = { blocks = 2, hidden = 4, bins = 3 }
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def results(tmp_path, study):
    """Records of the study without training: of three of its four cells, and of a row that it does not have."""
    folder = tmp_path / "results"
    for at, order in enumerate(planning.plan(study_files.load_study(study), folder)[:3]):
        swd = Estimate(value=0.1 / (at + 3), error=0.01, n=100, unit="sd", better="lower")
        run_cell.save(order, {"samples": np.zeros((2, 2))}, metrics={"swd": swd})
    save(folder, [record("gone", 0, "swd", 0.3)])
    return folder


def test_what_is_read_is_what_was_written_and_equal_records_are_equal_bytes(tmp_path):
    records = sorted(duel(1 / 3, 2 / 3), key=lambda r: r.key)
    first, second = tmp_path / "one.jsonl.gz", tmp_path / "other" / "two.jsonl.gz"
    published.write(first, "toy", records)
    published.write(second, "toy", records[::-1])
    assert published.read(first, "toy") == records
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in second.parent.iterdir()] == ["two.jsonl.gz"]


def test_nothing_is_not_published(tmp_path, study, capsys):
    assert main(["publish", str(study), "--results", str(tmp_path)]) == 2
    assert "'toy' has no records to publish" in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, mocker):
    path = tmp_path / "toy.jsonl.gz"
    published.write(path, "toy", duel(0.1, 0.2))
    before = path.read_bytes()
    mocker.patch("gzip.GzipFile.close", side_effect=OSError("no space"))
    with pytest.raises(OSError, match="no space"):
        published.write(path, "toy", duel(0.3, 0.4))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_table_of_published_records_is_that_of_the_records(study, results, tmp_path, capsys):
    assert main(["table", str(study), "--results", str(results)]) == 0
    before = capsys.readouterr().out
    assert main(["publish", str(study), "--results", str(results), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cells"], told["records"], told["older"]) == (4, 3, 0)
    shutil.rmtree(results / "records")
    verb = ["table", str(study), "--results", str(tmp_path / "no"), "--records", told["file"]]
    assert main(verb) == 0
    after = capsys.readouterr().out
    assert after.startswith(before.rstrip()) and "1 of 2 seeds: not run yet" in before
    assert f"Records: 3 from {told['file']}" in " ".join(after.split()) and "older code" not in after
    assert main([*verb, "-s", "1", "-m", "spline_inn"]) == 2
    assert "has no record of the cells of 'toy' that were asked for" in capsys.readouterr().err


def test_records_of_another_version_are_shown_with_the_input_that_differs(study, results, tmp_path, capsys):
    old = store.load_all(results, "toy")
    path = published.path_of(results, "toy")
    other = [one.inputs | {"training": "a"} for one in old]
    made = [r.model_copy(update={"key": keys.key_of(now), "inputs": now}) for r, now in zip(old, other, strict=True)]
    published.write(path, "toy", made)
    assert main(["table", str(study), "--records", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 of these records are not of this version: the training loop differs (3)." in shown
    assert main(["status", str(study), "--results", str(results)]) == 0
    assert "not of this version" not in capsys.readouterr().out
    for one in made:
        store.save(tmp_path / "other", one, {})
    main(["status", str(study), "--results", str(tmp_path / "other")])
    assert (
        "3 of the records are of other settings or of another version: the training loop differs (3)"
        in capsys.readouterr().out
    )


def test_capacity_and_claims_say_the_same_from_published_records(tmp_path, capsys):
    records = grown("q", "native", {"frozen": 1.5}) + grown("c")
    save(tmp_path, records)
    study, path = tmp_path / "toy.toml", tmp_path / "toy.jsonl.gz"
    study.write_text('name = "toy"\n')
    published.write(path, "toy", records)
    ratio = better("ratio", "q", "c").replace('"better"\ndata', '"ratio-at-least"\nratio = 3.0\ndata')
    claims = write(tmp_path, better("swd", "q · 400", "c · 200"), ratio)
    for verb in (["capacity", str(study), "--metric", "swd"], ["claims", "check", str(claims)]):
        found = []
        for source in (["--results", str(tmp_path)], ["--results", str(tmp_path / "no"), "--records", str(path)]):
            assert main([*verb, *source, "--json"]) in (0, 1, 5)
            found.append(json.loads(capsys.readouterr().out))
        # The study of these claims is no file that is at hand.
        notes = [[note for note in one.pop("notes") if not note.startswith("Whether these")] for one in found]
        assert notes[0] == [] and len(notes[1]) == 1 and notes[1][0].startswith(f"Records: {len(records)} from {path}")
        assert found[0] == found[1]
    assert main([*verb, "--records", str(path)]) in (0, 1, 5)
    assert "Records: " in capsys.readouterr().out


def test_a_likelihood_without_its_rows_says_what_is_lost(tmp_path, capsys):
    """A lead of 0.01 at every seed is one of seeds, but lies within the scatter of the shared test rows."""
    rng, records, arrays = np.random.default_rng(3), [], []
    for name, lead in (("a", 0.01), ("b", 0.0)):
        for seed in range(6):
            losses = 2 - lead + 0.001 * rng.normal() + np.linspace(-1, 1, 100) * (1 if name == "a" else -1)
            arrays.append({"log_prob": -losses, "samples": np.zeros((100, 3))})
            records.append(record(name, seed, "nll", float(losses.mean())))
    save(tmp_path, records, arrays)
    claims, path = write(tmp_path, better().replace('"swd"', '"nll"')), tmp_path / "toy.jsonl.gz"
    published.write(path, "toy", records)
    verb = ["claims", "check", str(claims), "--results", str(tmp_path)]
    assert main(verb) == 5
    assert SEEDS_ONLY not in capsys.readouterr().out
    assert main([*verb, "--records", str(path)]) == 0
    assert f"Of better: {SEEDS_ONLY}" in " ".join(capsys.readouterr().out.split())
    assert main([*verb, "--records", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rulings"][0]["method"].endswith(SEEDS_ONLY)


def spoiled(path, change):
    """A file of published records, its lines changed."""
    published.write(path, "toy", duel(0.1, 0.3, 3))
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join(change(lines)).encode()))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: [], "does not start with the header of published records"),
        (lambda lines: lines[1:], "does not start with the header of published records"),
        (lambda lines: lines[:-1], "holds 5 records, but its header announces 6"),
        (lambda lines: [lines[0].replace("toy", "moons"), *lines[1:]], "has the records of 'moons', those of 'toy'"),
        (lambda lines: [*lines[:2], "{}", *lines[3:]], "line 3, is not a record of this version"),
        (lambda lines: [*lines[:3], lines[3].replace('"swd"', '"swd'), *lines[4:]], "line 4, is not a record"),
        (lambda lines: [*lines[:-1], lines[1]], "has two records of row 'a', seed 0"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path, capsys, change, sentence):
    path, claims = tmp_path / "toy.jsonl.gz", write(tmp_path, better())
    spoiled(path, change)
    assert main(["claims", "check", str(claims), "--records", str(path)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_what_is_no_gzip_file_gets_one_sentence_from_every_verb(tmp_path, study, capsys):
    path, claims = tmp_path / "toy.jsonl.gz", write(tmp_path, better())
    verbs = (["table", str(study)], ["capacity", str(study)], ["claims", "check", str(claims)])
    published.write(path, "toy", duel(0.1, 0.3))
    whole = path.read_bytes()
    for content, sentence in ((None, "there is no file"), (b"{}", "no whole gzip"), (whole[:-99], "no whole gzip")):
        path.unlink() if content is None else path.write_bytes(content)
        for verb in verbs:
            assert main([*verb, "--records", str(path)]) == 2
            said = capsys.readouterr().err
            assert sentence in said and said.count("\n") == 1


def test_figures_of_samples_are_not_drawn_from_published_records(study, capsys):
    assert main(["figure", str(study), "--records", "toy.jsonl.gz"]) == 2
    assert "toy.jsonl.gz holds no samples" in capsys.readouterr().err


def test_records_of_another_study_are_refused_by_name(tmp_path):
    published.write(tmp_path / "x", "toy", duel(0.1, 0.2))
    with pytest.raises(Refused, match="has the records of 'toy', those of 'quick' were expected"):
        published.read(tmp_path / "x", "quick")


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "published").glob("*.gz")), ids=lambda path: path.name)
def test_the_published_records_of_this_project_can_be_read(path):
    study = path.name.partition(".")[0]
    records = published.read(path, study)
    assert records and {r.study for r in records} == {study}
    file = ROOT / "benchmarks" / "studies" / f"{study.removesuffix(SUFFIX)}.toml"
    asked = study_files.load_study(file)
    rows = {slot.row for slot in grid.slots(asked, grid.draw(asked))}
    if study.endswith(SUFFIX):
        assert all(any(r.row.startswith(row) for row in rows) for r in records)
    else:
        assert {r.row for r in records} <= rows


def test_published_records_are_read_without_torch():
    code = "import sys\nimport qinn_bench.cli._records\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["table", "quick"], "tables/quick.md"),
        (["table", "capacity_zjets"], "tables/capacity_zjets.md"),
        (["table", "capacity_zjets_v2"], "tables/capacity_zjets_v2.md"),
        (["tune", "capacity_zjets_v2"], "tables/capacity_zjets_v2_tuning.md"),
        (["capacity", "capacity_zjets"], "tables/capacity_zjets_families.md"),
        (["claims", "capacity_zjets", "rousselot2024"], "claims/rousselot2024.txt"),
        (["claims", "capacity_zjets", "entanglers"], "claims/entanglers.txt"),
        (["claims", "capacity_zjets", "entanglers_hybrid"], "claims/entanglers_hybrid.txt"),
    ],
    ids=str,
)
def test_committed_tables_and_rulings_say_what_the_published_records_say(words, kept, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    verb, study, *claims = words
    asked = (
        ["claims", "check", f"benchmarks/claims/{claims[0]}.toml"]
        if claims
        else [verb, f"benchmarks/studies/{study}.toml", "--format", "md"]
    )
    suffix = SUFFIX if verb == "tune" else ""
    main([*asked, "--records", f"results/published/{study}{suffix}.jsonl.gz"])
    said = capsys.readouterr().out.rstrip()
    assert said == (ROOT / "results" / kept).read_text(encoding="utf8").rstrip()
