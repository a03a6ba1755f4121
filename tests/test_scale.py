"""Timing, peak memory, scans and their command: planted times are found, and nothing goes missing."""

from __future__ import annotations

import ast
import json
import mmap
import os
import runpy
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from qinn_bench.cli.main import main
from qinn_bench.cli.scale import parse_qubits
from qinn_bench.performance import timing as measure
from qinn_bench.performance import workloads
from qinn_bench.performance.answering import serve_from_forks
from qinn_bench.performance.scaling import scan
from qinn_bench.performance.scaling.figure import scaling_figure
from qinn_bench.performance.scaling.memory_probe import Scouted, Scouts, answered, died
from qinn_bench.performance.scaling.scan import growths
from qinn_bench.performance.scaling.scan_values import Scan, ScanRequest, ScanRow
from qinn_bench.performance.scaling.tables import digits, notes, tables
from qinn_bench.performance.timing import interleaved
from qinn_bench.performance.workloads import WORKLOADS
from qinn_bench.report import figure_style
from qinn_bench.values import Refused, Use

ROOT = Path(__file__).parents[1]


def engine_use(backend, n=4, batch=8, mode="forward"):
    return Use(name="engine", knobs={"backend": backend, "n_qubits": n, "batch": batch, "mode": mode})


def test_steps_take_turns_and_each_round_turns_the_order():
    calls = []
    steps = {name: lambda name=name: calls.append(name) or time.sleep(0.025) for name in "ab"}
    found = interleaved(steps, budget=0.1, clock="wall")
    assert calls[:4] == ["a", "b", "a", "b"], "the first step and the one that is used for counting"
    assert calls[4:12] == ["a", "a", "b", "b", "b", "b", "a", "a"], "one warm step, one that is timed"
    assert all(3 <= timing.rounds <= 6 and timing.median > 0.005 for timing in found.values())
    assert all(timing.low <= timing.median <= timing.high for timing in found.values())


def test_short_steps_are_repeated_within_a_sample():
    calls = []
    interleaved({"a": lambda: calls.append(1)}, budget=0.02)
    assert len(calls) > 1000


def test_the_first_step_is_told_apart():
    naps = iter([0.05])
    found = interleaved({"a": lambda: time.sleep(next(naps, 0.006))}, budget=0.02, clock="wall")["a"]
    assert found.first > 0.04 > found.high


@pytest.fixture
def hungry(monkeypatch):
    """A workload that holds many mebibytes for a moment, in forks of this process: a fork has no past peak."""

    def make(mebibytes):
        def step():
            # Pages of the heap may be left from before, and are then no growth; mapped ones are new.
            with mmap.mmap(-1, mebibytes * 2**20) as held:
                pages = np.frombuffer(held, dtype=np.uint8)
                pages += 1
                total = pages.sum()
                del pages
            return (total,)

        return step

    workload = workloads.Workload("hungry", "", {"mebibytes": (64,)}, make)
    monkeypatch.setitem(WORKLOADS, "hungry", workload)
    return Use(name="hungry", knobs={"mebibytes": 64})


def served(order):
    """What a fork of this process answers to one order."""
    reading, writing = os.pipe()
    serve_from_forks([order], writing, answered, died)
    os.close(writing)
    with os.fdopen(reading) as answers:
        return answers.read()


def test_the_peak_of_a_step_is_seen_after_it_is_gone(hungry):
    order = {"use": hungry.model_dump(), "warm": None, "clock": "cpu", "threads": 1, "limit": 0}
    found = Scouted(**json.loads(served(json.dumps(order))))
    assert found.status == "ok"
    assert 63 < found.peak_bytes / 2**20 < 80


@pytest.mark.slow
def test_scouts_tell_times_memory_and_reasons():
    with Scouts() as scouts:
        found = scouts.run(engine_use("torch", 10, 64, "gradient"), warm=engine_use("torch", 2, 2, "gradient"))
        assert (found.status, found.reason) == ("ok", "")
        assert found.seconds > 0
        assert 2 * 2**10 * 64 * 8 < found.peak_bytes < 2**30
        assert scouts.run(engine_use("lightning.qubit", mode="nll")).status == "unsupported"
        assert scouts.run(engine_use("torch", 14, 64, "gradient"), limit=2**20).status == "out-of-memory"
        assert scouts.run(engine_use("torch", n=-1)).status == "crashed"
        late = scouts.run(engine_use("torch", 14, 64, "gradient"), seconds=0.001)
        assert late == Scouted("timeout", "two steps did not end within 0.001 s of wall time")
        assert scouts.run(engine_use("torch")).status == "ok", "a new server takes the place of the one that was ended"


def fake_scan(monkeypatch, seconds, backends=("torch", "native"), qubits=tuple(range(3, 12)), **more):
    """A scan whose scouts and timings are `seconds(backend, n)`; the growth of memory is exactly twofold a qubit."""

    def scouted(request, scouts, name, mode, n):
        return Scouted("ok", "", seconds(name, n), 2 * seconds(name, n), 2**20 * 2**n)

    def timed(steps, budget, clock):
        return {name: measure.Timing(step, step, step, 0.01 * step, 9, 2 * step) for name, step in steps.items()}

    monkeypatch.setattr(scan, "_scouted", scouted)
    monkeypatch.setattr(scan, "interleaved", timed)
    monkeypatch.setattr(scan, "_allowed", lambda request: 2**40)
    monkeypatch.setattr(workloads, "make", lambda use: seconds(use.knobs["backend"], use.knobs["n_qubits"]))
    seen = []
    found = scan.scan(ScanRequest(backends=backends, qubits=qubits, **more), seen.append)
    assert sorted(map(str, seen)) == sorted(map(str, found.rows)), "every row is told while it runs"
    return found


def exponential(name, n):
    return 1e-3 + 1e-5 * 2 ** (1.1 * n) if name == "torch" else 1e-4


def test_a_scan_finds_the_growth_that_was_planted(monkeypatch):
    found = fake_scan(monkeypatch, exponential)
    assert [(row.backend, row.n_qubits) for row in found.rows] == [
        (b, n) for b in ("torch", "native") for n in range(3, 12)
    ]
    fits = {(growth.backend, growth.quantity): growth.fit for growth in found.fits}
    assert fits["torch", "seconds"].c.value == pytest.approx(1.1, rel=1e-4)
    assert fits["torch", "peak_bytes"].c.value == pytest.approx(1.0, rel=1e-4)
    assert found == Scan.model_validate_json(found.model_dump_json())


def test_a_backend_goes_no_further_than_its_budget(monkeypatch):
    found = fake_scan(monkeypatch, lambda name, n: 1e-4 * 4**n if name == "torch" else 1e-4, budget=1.0)
    torch = [row for row in found.rows if row.backend == "torch"]
    assert [row.n_qubits for row in torch if row.status == "ok"] == [3, 4, 5, 6]
    late = [row for row in torch if row.n_qubits > 6]
    assert len(late) == 5
    assert all(row.status == "skipped" and "predicted 1.6 s a step" in row.reason for row in late)
    assert all(row.status == "ok" for row in found.rows if row.backend == "native")


def test_an_interrupted_scan_keeps_what_is_finished(monkeypatch):
    def interrupted(name, n):
        if n == 6:
            raise KeyboardInterrupt
        return exponential(name, n)

    found = fake_scan(monkeypatch, interrupted)
    assert {row.n_qubits for row in found.rows} == {3, 4, 5}


def test_what_cannot_fit_is_not_tried(monkeypatch):
    monkeypatch.setattr(scan, "_allowed", lambda request: 2**25)
    request = ScanRequest(backends=("torch",), qubits=(6,))
    expected = scan._expected(request, "torch", "gradient", 6, [row(n, 2**20 * 2**n) for n in (3, 4)])
    held = scan._held_back(request, expected)
    assert (held.status, held.reason) == ("skipped", "predicted 64 MiB, more than the allowed 32 MiB")


def test_the_first_size_of_a_simulator_is_forecast():
    request = ScanRequest(backends=("default.qubit",), qubits=(24,))
    seconds, size = scan._expected(request, "default.qubit", "gradient", 24, [])
    assert seconds > 10 and size > 64 * 2**24 * 16
    found = scan.scan(request)
    assert [row.status for row in found.rows] == ["skipped"] and "predicted" in found.rows[0].reason


def row(n, peak=0, **more):
    facts = {"backend": "torch", "precision": "complex64", "n_qubits": n, "batch": 64, "mode": "gradient"}
    return ScanRow.model_validate(
        facts | {"layers": 4, "threads": 1, "status": "ok", "seconds": 1e-3, "peak_bytes": peak} | more
    )


def test_few_points_have_no_fit_but_a_note():
    found = list(growths([row(n) for n in (2, 3, 4)]))
    assert [growth.note for growth in found] == ["3 points; a fit needs 4", "0 points; a fit needs 4"]


def test_tables_show_every_backend_and_notes_every_gap(monkeypatch, capsys):
    found = fake_scan(monkeypatch, lambda name, n: exponential(name, n) * 1e3, budget=100.0, modes=("forward", "nll"))
    first = next(iter(tables(found)))
    assert first.title == "forward: median time of a step [ms], batch 64, 4 layers, 1 thread"
    assert [heading.title for heading in first.header] == ["qubits", *map(str, range(3, 12))]
    for width in (80, 120):
        assert max(len(line) for one in tables(found) for line in one.text(width).splitlines()) <= width
    said = "\n".join(notes(found))
    assert "load" in said and "torch" in said and "Machine" in said


@pytest.mark.parametrize(
    ("value", "text"), [(1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234"), (0.1234, "0.123"), (0, "0")]
)
def test_three_digits(value, text):
    assert digits(value) == text


def test_what_does_not_grow_has_no_fit(monkeypatch):
    found = fake_scan(monkeypatch, exponential)
    (flat,) = [growth for growth in found.fits if (growth.backend, growth.quantity) == ("native", "seconds")]
    assert (flat.fit, flat.note) == (None, "no growth to be seen yet")
    assert any("native gradient: no growth to be seen yet" in note for note in notes(found))


def test_the_figure_has_a_panel_a_mode_and_a_curve_a_fit(monkeypatch, tmp_path):
    found = fake_scan(monkeypatch, exponential, modes=("forward", "gradient"))
    drawn = scaling_figure(found)
    assert [axes.get_title() for axes in drawn.axes] == ["forward", "gradient"]
    assert all(len([line for line in axes.lines if len(line.get_xdata()) == 200]) == 1 for axes in drawn.axes)
    figure_style.save_as(drawn, tmp_path / "deep" / "scale.png")
    assert (tmp_path / "deep" / "scale.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "numbers"), [("8", (8,)), ("4:6", (4, 5, 6)), ("4:16:6", (4, 10, 16)), ("4,8", (4, 8))]
)
def test_qubits_are_read(text, numbers):
    assert parse_qubits(text) == numbers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--qubits", "four"], "--qubits is 'four'; expected numbers from 1 to 30"),
        (["--qubits", "9:4"], "--qubits is '9:4'"),
        (["--qubits", "4:9:0"], "--qubits is '4:9:0'"),
        (["--backends", "abacus"], "no backend is called 'abacus'; there are: native"),
        (["--mode", "sideways"], "--mode is 'sideways'; there are: forward, gradient, nll, all"),
        (["--batch", "0"], "--batch is 0; expected a positive number"),
        (["--budget", "-1"], "--budget is -1.0; expected a positive number"),
        (["--figure", "scale.bmp"], "expected a name that ends with .png or .pdf"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, words, capsys):
    assert main(["scale", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_the_command_from_arguments_to_files(tmp_path, capsys):
    out, figure = tmp_path / "scan.json", tmp_path / "scan.png"
    words = ["scale", "--backends", "torch,lightning.qubit", "--qubits", "2:3", "--batch", "4", "--mode", "nll"]
    assert main([*words, "--budget", "0.02", "--json", "--out", str(out), "--figure", str(figure)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text(encoding="utf8"))
    found = {(row["backend"], row["n_qubits"]): row for row in printed["rows"]}
    assert {"backend", "n_qubits", "batch", "mode", "seconds", "peak_bytes"} <= found["torch", 2].keys()
    assert found["torch", 3]["status"] == "ok" and found["torch", 3]["seconds"] > 0
    assert found["lightning.qubit", 2]["status"] == "unsupported"
    assert "first derivatives only" in found["lightning.qubit", 3]["reason"]
    assert {"processor", "cores", "load_at_start", "torch", "pennylane"} <= printed["provenance"].keys()
    assert figure.exists()


def test_asv_and_pytest_run_what_the_registry_names():
    listed = {str(use) for use in workloads.uses()}
    suites = runpy.run_path(str(ROOT / "benchmarks" / "asv" / "suites.py"))
    ours = set()
    for workload in WORKLOADS.values():
        suite = suites[workload.name.capitalize()]
        assert callable(suite.time_step) and callable(suite.setup) and suite().timer() > 0
        points = [{}]
        for name, values in zip(suite.param_names, suite.params, strict=True):
            points = [point | {name: value} for point in points for value in values]
        ours |= {str(Use(name=workload.name, knobs=point)) for point in points}
    assert ours == listed
    if not find_spec("pytest_benchmark"):
        pytest.skip("pytest-benchmark is not installed")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "benchmarks/pytest"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout
    assert {line.partition("test_workload[")[2][:-1] for line in said.splitlines() if "::" in line} == listed


def test_asv_counts_a_workload_once(tmp_path, monkeypatch):
    suites = runpy.run_path(str(ROOT / "benchmarks" / "asv" / "suites.py"))
    taken = []
    monkeypatch.setattr("qinn_bench.performance.counters.count.count", lambda use: taken.append(use) or {"calls": 7})
    monkeypatch.chdir(tmp_path)
    tracks = suites["DataCounters"]()
    assert [tracks.track_calls("moons"), tracks.track_calls("moons"), tracks.track_calls("gmm8")] == [7, 7, 7]
    assert [str(use) for use in taken] == ["data[name=moons]", "data[name=gmm8]"]


def test_the_benchmark_folder_of_asv_holds_nothing_else():
    """asv imports every file in it."""
    for path in (ROOT / "benchmarks" / "asv").glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf8")))
    assert {path.name for path in (ROOT / "benchmarks" / "asv").glob("*.py")} == {"__init__.py", "suites.py"}


def test_unknown_workloads_are_refused():
    with pytest.raises(Refused, match="no workload is called"):
        workloads.make(Use(name="nothing"))
