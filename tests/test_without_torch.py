"""Verbs that only read records run where torch is missing: on a laptop, or in a job that draws a table."""

import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest

from qinn_bench.cli.main import main

ROOT = Path(__file__).parents[1]
PUBLISHED = Path("results/published")
STUDIES = Path("benchmarks/studies")
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is blocked")

sys.meta_path.insert(0, Blocked())
from qinn_bench.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
STUDY = """
name = "small"
data = ["moons[events=2000]"]
seeds = 2
samples = 300
mass_draws = 3000
metrics = ["nll", "swd"]
floors = true
sizes = [27, 5000]
controls = true
[match]
tolerance = 0.3
[budgets.short]
steps = 4
batch = 16
[[models]]
model = "spline_inn"
knobs = { blocks = 1, bins = 2 }
ladder = [{ hidden = 2 }, { hidden = 3 }]
[[models]]
model = "qinn"
knobs = { fidelity = 0.0, mmd = 0.0 }
ladder = [{ uploads = 2 }, { uploads = 3 }]
"""
TABLE = "model,data,seed,score\na,x,0,1\na,x,1,2\nb,x,0,2\nb,x,1,4\n"


def without_torch(*words, code=0):
    """What a verb prints in a process that cannot import torch."""
    command = [sys.executable, "-c", BLOCKED, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study that was run, and what its verbs say with torch."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.toml").write_text(STUDY)
    where = [str(folder / "small.toml"), "--results", str(folder / "results")]
    assert main(["run", *where]) in (0, 3)
    return where


@pytest.mark.parametrize("verb", ["status", "table", "publish", "capacity"])
def test_verbs_of_a_study_say_the_same(ran, verb, capsys):
    capsys.readouterr()
    words = [verb, *ran, *(["--format", "md"] if verb in ("table", "capacity") else ["--json"])]
    code = main(words)
    assert without_torch(*words, code=code) == capsys.readouterr().out


def test_a_folder_and_a_table_of_the_user_are_known_too(tmp_path):
    for kind, name in (("model", "mine"), ("metric", "off")):
        assert main(["init", kind, name, "--folder", str(tmp_path / kind)]) == 0
    pandas.DataFrame(numpy.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"]).to_csv(tmp_path / "my.csv")
    text = STUDY[: STUDY.index("[[models]]")].replace("floors = true\n", "").replace("controls = true\n", "")
    text = text.replace('["nll", "swd"]', '["off"]\nplugins = { models = "model", metric_files = "metric" }')
    text = text.replace("moons[events=2000]", "table[path=my.csv,columns=a;b]").replace("sizes = [27, 5000]\n", "")
    text = text.replace("[match]\ntolerance = 0.3\n", "") + '[[models]]\nmodel = "mine"\n'
    (tmp_path / "own.toml").write_text(text)
    where = [str(tmp_path / "own.toml"), "--results", str(tmp_path / "results")]
    assert main(["run", *where, "-s", "0"]) == 0
    assert "2 cells; 1 ok, 1 to run" in without_torch("status", *where)
    assert "off" in without_torch("table", *where, "--columns", "off")


def test_nothing_is_left_to_run_after_a_run(ran):
    said = without_torch("status", *ran)
    assert " 0 to run" in said and "2 skipped" in said, said


@pytest.mark.parametrize("study", ["quick", "capacity_zjets"])
def test_tables_of_published_records(study):
    words = ("table", STUDIES / f"{study}.toml", "--records", PUBLISHED / f"{study}.jsonl.gz", "--format", "md")
    assert without_torch(*words).strip() == (ROOT / "results" / "tables" / f"{study}.md").read_text().strip()


def test_claims_and_agreement_of_published_records():
    published = PUBLISHED / "capacity_zjets.jsonl.gz"
    claims = Path("benchmarks/claims/rousselot2024.toml")
    assert "refuted" in without_torch("claims", "check", claims, "--records", published, code=5)
    quick = PUBLISHED / "quick.jsonl.gz"
    assert "agree" in without_torch("agree", STUDIES / "quick.toml", "--records", quick, "--with", quick)


def test_lists_and_tables_of_others(tmp_path):
    assert "spline_inn" in without_torch("list", "models")
    (tmp_path / "scores.csv").write_text(TABLE)
    words = ("--from", tmp_path / "scores.csv", "--row", "model", "--value", "score", "--seed", "seed")
    assert "undecided" in without_torch("compare", *words)
