"""Runs on disk: whole or not at all, merged as sets, under a schema; and asv reads what is exported for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qinn_bench.performance.machine import Machine, environment, this_machine
from qinn_bench.performance.nightly import asv_export, run_files
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
MACHINE = Machine(processor="Toy CPU", architecture="x", cores=2, memory_gib=4, system="Linux", blas="none")
ROW = {
    "run": "0123abcd",
    "utc": "2026-03-04T05:06:07+00:00",
    "commit": "c" * 40,
    "dirty": False,
    "machine": MACHINE.name,
    "environment": "e" * 12,
    "workload": "engine",
    "version": "v1",
    "knobs": {"n_qubits": 4, "backend": "native"},
    "quantity": "step",
    "unit": "s",
    "clock": "cpu",
    "value": 0.5,
}


def row(**changes):
    return run_files.RunRow(**(ROW | changes))


def test_a_run_comes_back_as_it_was(tmp_path):
    rows = [row(), row(knobs={}, value=None, status="unsupported", reason="no GPU"), row(launches=(1.01, 0.99, 1.0))]
    path = run_files.save(tmp_path, rows, MACHINE)
    assert path == tmp_path / "runs/2026/03" / f"20260304T050607Z_{MACHINE.name}_cccccccc_0123abcd.jsonl"
    assert run_files.load(tmp_path) == rows
    assert Machine.model_validate_json((tmp_path / "machines" / f"{MACHINE.name}.json").read_bytes()) == MACHINE
    with pytest.raises(Refused, match="written once"):
        run_files.save(tmp_path, rows, MACHINE)


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(Refused, match="at least one"):
        run_files.save(tmp_path, [], MACHINE)
    with pytest.raises(Refused, match="2 runs"):
        run_files.save(tmp_path, [row(), row(run="fedc0123")], MACHINE)
    path = run_files.save(tmp_path, [row()], MACHINE)
    path.write_text(path.read_text() + '{"schema_version": 2}\n')
    with pytest.raises(Refused, match="line 2, is no row of version 1: schema_version"):
        run_files.load(tmp_path)
    path.rename(path.with_name("notes.jsonl"))
    with pytest.raises(Refused, match="not named as a run"):
        run_files.load(tmp_path)
    assert not list(tmp_path.rglob(".*")), "nothing half written"


def test_merging_is_a_set_union(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    run_files.save(a, [row()], MACHINE)
    run_files.save(b, [row(run="fedc0123")], MACHINE)
    shutil.copytree(a / "runs", b / "runs", dirs_exist_ok=True)
    assert len(run_files.merge(a, [b])) == 1 and run_files.merge(a, [b]) == []
    assert {r.run for r in run_files.load(a)} == {"0123abcd", "fedc0123"}
    changed = next(path for path in run_files.files(b) if "fedc" in path.name)
    changed.write_text(changed.read_text().replace("0.5", "0.4"))
    with pytest.raises(Refused, match="never changes"):
        run_files.merge(a, [b])


def test_the_schema_in_the_repository_is_that_of_the_code():
    assert (ROOT / "results/schema/run.schema.json").read_text() == run_files.schema_text()
    assert set(run_files.schema()["required"]) <= set(ROW)


def test_a_machine_is_named_by_what_does_not_change():
    assert this_machine() == this_machine() and environment() == environment()
    assert MACHINE.name.startswith("toy-") and len(MACHINE.name) == 12
    assert MACHINE.model_copy(update={"cores": 4}).name != MACHINE.name


@pytest.fixture
def repository(tmp_path):
    """Two commits."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for _ in range(2):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "step"], check=True)
    log = subprocess.run([*git, "log", "--reverse", "--format=%H"], capture_output=True, text=True, check=True)
    return folder, log.stdout.split()


def exported(repository, tmp_path):
    folder, commits = repository
    rows = [
        row(commit=commit, knobs={"n_qubits": n}, value=float(n + k))
        for k, commit in enumerate(commits)
        for n in ((4, 8) if k else (4,))
    ]
    rows += [row(commit=commits[0], knobs={}, quantity="ops", unit="ops", clock="none", value=7.0), row(dirty=True)]
    rows += [
        row(commit=commits[0], quantity="counters", unit="", clock="none", value=None, status="timeout", reason="late")
    ]
    return asv_export.export(rows, {MACHINE.name: MACHINE}, tmp_path / "asv", folder)


def test_asv_gets_every_point_and_a_gap_where_there_is_none(repository, tmp_path):
    first, second = sorted(exported(repository, tmp_path), key=lambda path: path.read_text().count("null"))[::-1]
    read = json.loads(first.read_text())["results"]
    assert read["engine.step_cpu"] == [[4.0, None], [["4", "8"]], "v1"] and read["engine.ops"][0] == [7.0]
    assert "engine.counters" not in read
    assert json.loads(second.read_text())["results"]["engine.step_cpu"][0] == [5.0, 9.0]
    with pytest.raises(Refused, match="not in"):
        asv_export.export([row()], {MACHINE.name: MACHINE}, tmp_path / "asv", repository[0])
    with pytest.raises(Refused, match="no description"):
        asv_export.export([row()], {}, tmp_path / "asv", repository[0])


def test_asv_publishes_what_was_exported(repository, tmp_path):
    pytest.importorskip("asv.util", reason="asv comes with the extra [bench]")
    exported(repository, tmp_path)
    settings = {"version": 1, "project": "p", "repo": str(repository[0]), "branches": ["main"]}
    settings |= {"results_dir": str(tmp_path / "asv"), "html_dir": str(tmp_path / "html")}
    (tmp_path / "asv.conf.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "asv", "publish", "--config", "asv.conf.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    graphs = {path.name for path in (tmp_path / "html" / "graphs").rglob("*.json")}
    assert {"engine.step_cpu.json", "engine.ops.json"} <= graphs
