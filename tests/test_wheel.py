"""Installed from a wheel, every verb works in an empty folder, and what it leaves lies in ``results`` there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch

from qinn_bench.cli.main import VERBS

ROOT = Path(__file__).parents[1]
SECONDS = 600
STUDY = """
name = "mini"
data = ["moons[events=2000]"]
seeds = 4
samples = 300
mass_draws = 3000
metrics = ["nll", "swd"]
variance = true
[budgets.short]
steps = 5
batch = 32
[[models]]
model = "gaussian"
[[models]]
model = "spline_inn"
knobs = { blocks = 1, hidden = 2, bins = 2 }
"""
QUICK, CAPACITY = "results/published/quick.jsonl.gz", "results/published/capacity_zjets.jsonl.gz"
DEMSAR = "--from docs/examples/demsar2006.csv --row classifier --column dataset --value auc"
WORDS = f"""
list
data info bundled
match -d moons[events=2000] --params 40 --tol 30% -m spline_inn
plan mini.toml
run mini.toml -j 2
status mini.toml --watch
clean mini.toml
table mini.toml
table quick --records {QUICK}
export mini.toml --to parquet --out mini.parquet
publish mini.toml
figure mini.toml
report mini.toml
agree mini.toml --with results
capacity capacity_zjets --records {CAPACITY} --figure capacity.png
variance mini.toml --metric swd
compare {DEMSAR} --figure ranks.png
claims list
claims check entanglers_hybrid --records {CAPACITY}
licence moons[events=2000] --metrics swd --samples 200 --repeats 10
diagnose spline_inn[blocks=1,hidden=2,bins=2] --what effective-dimension --rows 20 --sets 2
doctor
completion bash
init metric off --folder mine
check mine/off.py
merge mini.toml results --results results
list --metric-files mine
counters engine[backend=native,batch=64,mode=nll,n_qubits=8]
scale --backends torch --qubits 4:5 --batch 8 --budget 0.1
"""
REFUSED = {
    "reproduce 0a1b0a1b": "no record has a key that begins with '0a1b0a1b'",
    "quality": "no records",
    "lint-paper absent.tex mini.toml": "there is no draft",
    "roc mini.toml": "scores of labelled rows",
    "gate --base HEAD --head HEAD": "git repository",
    "nightly --budget 1m": "git repository",
}
"""What cannot be had outside of a repository, or before its study was run, with a part of the sentence that says so."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The commands of an environment that has the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(pip, capture_output=True, text=True, timeout=SECONDS, check=False)
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip()[-200:]}")
    venv.create(folder / "venv", with_pip=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", *folder.glob("*.whl")]
    subprocess.run(pip, check=True, timeout=SECONDS)
    return folder / "venv" / "bin"


def called(folder, *command):
    environment = {**os.environ, "MPLBACKEND": "agg"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.slow
def test_every_verb_works_in_an_empty_folder(installed, tmp_path):
    (tmp_path / "mini.toml").write_text(STUDY)
    lines = [line.split() for line in WORDS.strip().splitlines()]
    shown = called(tmp_path, installed / "qinn-bench", "--help").stdout
    asked = {words[0] for words in lines} | {line.split()[0] for line in REFUSED}
    assert set(re.findall(r"^    ([a-z-]+)(?:  |$)", shown, re.MULTILINE)) == set(VERBS) == asked
    for words in lines:
        done = called(tmp_path, installed / "qinn-bench", *words)
        code = 5 if words[:2] == ["claims", "check"] else 0
        assert done.returncode == code, f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}"
    for words, said in REFUSED.items():
        done = called(tmp_path, installed / "qinn-bench", *words.split())
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"mini.toml", "mini.parquet", "capacity.png", "ranks.png", "results", "mine"}
    assert {"records", "figures", "published"} <= {path.name for path in (tmp_path / "results").iterdir()}


@pytest.mark.slow
def test_the_package_is_that_of_the_wheel_and_works_from_python(installed, tmp_path):
    text = f"""
import qinn_bench as qb
print(qb.__file__)
print(len(qb.records("quick", records="{QUICK}", model="spline_inn", seed=0)))
print(qb.claims("entanglers_hybrid", records="{CAPACITY}").frame()["decision"][0])
"""
    done = called(tmp_path, installed / "python", "-c", text)
    assert done.returncode == 0, done.stderr
    where, numbers, decision = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed.parent) and int(numbers) > 20 and decision == "undecided"
    assert list(tmp_path.iterdir()) == []
