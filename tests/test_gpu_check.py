"""The check on a GPU, tried with the CPU in its place: rows, laws, budget, page; and what cells on a GPU rest on."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
import zoo

from qinn_bench import registry
from qinn_bench.contracts import Density
from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.study.schedulers import local

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "gpu"
sys.path.insert(0, str(FOLDER))

torch.set_num_threads(1)
files = ("_forecasts", "_found", "_laws", "_notes", "_page", "_places")
forecasts, found_file, laws, notes, page, places = map(importlib.import_module, files)
spec = spec_from_file_location("gpu_check", FOLDER / "__main__.py")
check = module_from_spec(spec)
spec.loader.exec_module(check)
DRY = ["--device", "cpu", "--qubits", "2", "--batches", "3", "--sample", "0.01"]
WITHOUT = [*DRY, "--without-laws"]
MARKS = ("<!-- GPU table: written by make gpu-check -->", "<!-- end of the GPU table -->")
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def ran(words, out, code=0):
    """What a run has written; its process on the device is another, as always."""
    assert check.main([*words, "--out", str(out)]) == code
    return json.loads((out / "gpu.json").read_text(encoding="utf8"))


@pytest.fixture(scope="module")
def dry(tmp_path_factory):
    """A dry run without laws that fills a copy of the page."""
    out = tmp_path_factory.mktemp("dry")
    copied = Path(shutil.copy(ROOT / "docs" / "engine.md", out / "page.md"))
    found = ran([*WITHOUT, "--page", str(copied), "--budget-total", "100", "--commit", "0123456789abcdef"], out)
    return found, (out / "gpu.md").read_text(encoding="utf8"), copied.read_text(encoding="utf8"), out


def test_every_rival_has_a_row_at_every_place_with_a_time_or_a_reason(dry):
    rows = found_file.read(dry[3] / "gpu.json").rows
    names = [rival.name for tier in places.tiers(2) for rival in tier]
    assert sorted((row.backend, row.mode) for row in rows) == sorted((n, mode) for n in names for mode in places.MODES)
    assert all((row.seconds is not None) == (row.status == "ok") and (row.seconds or row.reason) for row in rows)
    ran_here = {row.backend for row in rows if row.status == "ok"}
    assert {"torch:cuda", "torch:complex128:cuda", "torch, all cores"} <= ran_here
    assert ("jax:cuda" in ran_here) == (find_spec("jax") is not None)
    assert {row.clock for row in rows if row.backend == "native, one core"} == {"cpu"}
    assert {row.clock for row in rows if row.backend.endswith((":cuda", "all cores"))} == {"wall"}


def test_a_dry_run_says_so_and_has_no_date(dry):
    found, text, _, _ = dry
    assert text.startswith("**dry run on the CPU; nothing about a GPU was measured.**")
    assert "finished_utc" not in found["runs"][0] and "commit 0123456789ab" in text and "no GPU" in text


def test_the_losses_of_all_simulators_are_compared(dry):
    (law,) = dry[0]["laws"]
    assert law["kind"] == "losses of all timed points" and law["status"] == "passed"
    assert law["value"] < 1e-4


def test_the_page_is_filled_between_its_marks(dry):
    _, text, filled, _ = dry
    before = (ROOT / "docs" / "engine.md").read_text(encoding="utf8")
    assert filled.split(MARKS[0])[0] == before.split(MARKS[0])[0]
    assert filled.split(MARKS[1])[1] == before.split(MARKS[1])[1]
    assert filled.split(MARKS[0])[1].split(MARKS[1])[0].strip() == text.strip()


def test_the_page_comes_again_from_the_numbers(dry, tmp_path):
    _, text, _, out = dry
    assert check.main(["--from-json", str(out / "gpu.json"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "gpu.md").read_text(encoding="utf8") == text


def test_a_budget_that_is_used_up_is_a_reason(tmp_path):
    found = ran([*WITHOUT, "--budget-total", "3.5"], tmp_path)
    assert found["rows"] and all(row["status"] in ("skipped", "unsupported", "timeout", "ok") for row in found["rows"])
    assert sum("of the whole run were used up" in row["reason"] for row in found["rows"]) > 5
    (said,) = [line for line in (tmp_path / "gpu.md").read_text(encoding="utf8").splitlines() if "not left" in line]
    assert said.startswith("- Time was not left for: ") and "at 2 / 3" in said


@pytest.fixture
def planned(tmp_path):
    """A check that has not begun, with a card of 80 GiB."""
    options = argparse.Namespace(device="cuda", out=tmp_path, commit="", budget_total=100.0, step=3.0, sample=0.1)
    made = check.Check(options)
    made.found.runs.append(made.facts)
    made.card = 80 * 2**30
    return made


GPU = places.Rival("torch:cuda", "torch", gpu=True)


def test_what_does_not_fit_or_is_too_slow_is_not_tried(planned):
    place = places.Place("nll", 16, 8192)
    assert "more than the allowed 70.4 GiB of the GPU" in planned._held_back(GPU, place).reason
    assert planned._held_back(GPU, places.Place("gradient", 12, 512)) is None
    slow = places.Rival("native, one core", "native")
    assert planned._held_back(slow, places.Place("gradient", 12, 512)) is None
    planned.found.rows.append(row("native, one core", 8, 512, 1.0))
    assert planned._held_back(slow, places.Place("gradient", 12, 512)).reason == (
        "predicted 24 s a step, more than the allowed 3 s"
    )


def test_a_gpu_that_is_not_busy_is_given_more(planned):
    place = places.Place("gradient", 12, 512)
    planned.found.rows[:] = [row("torch:cuda", 8, 512, 0.019)]
    assert planned._held_back(GPU, place) is None
    planned.found.rows[:] = [row("torch:cuda", 8, 512, 1.0)]
    assert "predicted 24 s a step" in planned._held_back(GPU, place).reason


def test_what_ends_its_process_twice_is_left_out(planned):
    lost = places.Tried("crashed", "its process ended")
    for k in range(2):
        assert planned._held_back(GPU, places.Place("gradient", 4, 64)) is None
        planned.found.rows.append(check.row_of(GPU, places.Place("nll", 4 + k, 64), lost))
    assert planned._held_back(GPU, places.Place("gradient", 4, 64)).reason == (
        "it ended badly 2 times before: its process ended"
    )


def test_a_point_that_the_end_of_the_run_cuts_off_is_no_fault_of_its_simulator(planned, monkeypatch):
    monkeypatch.setattr(planned.worker, "ask", lambda order, seconds: None)
    place = places.Place("gradient", 4, 64)
    assert planned._tried(GPU, place) == places.Tried("timeout", "two steps did not end within 45 s")
    planned.options.budget_total = 23.0
    cut = planned._tried(GPU, place)
    assert (cut.status, cut.reason) == ("skipped", "the 23 s of the whole run left 20 s for it")
    assert list(notes.gaps([row(GPU.name, 8, 64, 1.0), check.row_of(GPU, place, cut)])) == [
        "Time was not left for: `torch:cuda` gradient at 4 / 64."
    ]


JAX = places.Rival("jax:cuda", "jax", gpu=True)


@pytest.mark.parametrize(
    ("mode", "n", "batch", "planned_bytes"),
    [
        ("gradient", 8, 64, 3 * 2**20),
        ("gradient", 8, 8192, 320 * 2**20),
        ("gradient", 12, 64, 43 * 2**20),
        ("gradient", 16, 64, 929 * 2**20),
        ("nll", 8, 8192, 3139 * 2**20),
        ("nll", 12, 64, 589 * 2**20),
    ],
)
def test_the_memory_of_jax_is_what_xla_plans_and_a_reserve(mode, n, batch, planned_bytes):
    known = [row("jax:cuda", 4, 64, 0.001).model_copy(update={"peak_bytes": 2**27, "mode": mode})]
    size = forecasts.bytes_of_step(known, JAX, places.Place(mode, n, batch))
    assert planned_bytes <= size <= 1.6 * planned_bytes


def test_the_gradients_of_jax_that_were_held_back_are_tried(planned):
    planned.found.rows.append(row("jax:cuda", 4, 64, 0.001).model_copy(update={"peak_bytes": 2**27}))
    for size in ((8, 8192), (12, 64), (12, 8192), (16, 64)):
        assert planned._held_back(JAX, places.Place("gradient", *size)) is None
    assert planned._held_back(JAX, places.Place("nll", 12, 8192)).reason == (
        "predicted 97.5 GiB, more than the allowed 32 GiB of the GPU"
    )


def test_what_was_measured_corrects_the_forecast_of_memory():
    place, near = places.Place("nll", 12, 8192), row("torch:cuda", 16, 64, 0.1)
    forecast = forecasts.bytes_of_step([], GPU, place)
    half = forecasts.bytes_of_step([], GPU, places.Place("nll", 16, 64)) / 2
    measured = near.model_copy(update={"mode": "nll", "peak_bytes": int(half)})
    small = near.model_copy(update={"mode": "nll", "n_qubits": 4, "peak_bytes": 2**27})
    assert forecasts.bytes_of_step([measured, small], GPU, place) == pytest.approx(forecast / 2, rel=1e-6)
    assert forecasts.bytes_of_step([small], GPU, place) == forecast


def test_seconds_are_predicted_from_the_nearest_point():
    slow = places.Rival("native, one core", "native")
    known = [row(slow.name, 8, 64, 1.0), row(slow.name, 16, 64, 3.0)]
    assert forecasts.seconds_of_step(known, slow, places.Place("gradient", 8, 128)) == pytest.approx(2.0)
    assert forecasts.seconds_of_step(known, slow, places.Place("gradient", 16, 128)) == pytest.approx(6.0)


def test_jax_gives_its_memory_back_where_torch_needs_it(planned, monkeypatch):
    ended = []
    monkeypatch.setattr(planned.worker, "ask", lambda order, seconds: {"status": "ok"})
    monkeypatch.setattr(planned.worker, "end", lambda: ended.append(1))
    large, small = places.Place("gradient", 20, 128), places.Place("gradient", 12, 64)
    for rival, place, ends in ((GPU, large, 0), (JAX, small, 0), (GPU, small, 0), (GPU, large, 1), (GPU, large, 1)):
        planned._tried(rival, place)
        assert len(ended) == ends


def test_laws_without_time_are_not_held(tmp_path, capsys):
    found = ran([*DRY, "--budget-total", "1"], tmp_path, code=1)
    assert [law["status"] for law in found["laws"]] == ["failed"] * len(laws.LAWS)
    assert "failed: circuits  not done within 0 s" in capsys.readouterr().err


def test_a_killed_run_leaves_what_it_has(tmp_path):
    words = [sys.executable, str(FOLDER), *WITHOUT, "--budget-total", "100", "--out", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        for _ in range(3):
            process.stderr.readline()
        deadline = time.monotonic() + 30
        while not (tmp_path / "gpu.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert found_file.read(tmp_path / "gpu.json").rows


def test_a_process_that_cannot_start_leaves_its_words(planned, capsys):
    planned.worker.words[-3] = "no-such-script.py"
    assert planned.run() == 2
    said = capsys.readouterr().err
    assert "No such file or directory" in said and "the process on the device ended at once" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_card_the_check_says_how_it_can_be_tried(tmp_path, capsys):
    assert check.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "torch finds no CUDA device; to try the check itself: --device cpu\n"


@pytest.mark.parametrize("name", ["circuits", "simulators"])
def test_laws_hold_on_the_cpu(name):
    found = list(laws.LAWS[name]("cpu"))
    assert found and {law.status for law in found} <= {"passed", "not supported"}


@needs_card
@pytest.mark.parametrize("name", list(laws.LAWS))
def test_laws_hold_on_a_gpu(name):
    assert [law for law in laws.LAWS[name]("cuda") if law.status == "failed"] == []


def test_laws_see_other_numbers():
    one = torch.tensor([1.0, 2.0, float("nan")], dtype=torch.float64)
    assert laws.difference(one, one.clone()) == 0.0
    assert laws.difference(one + torch.tensor([0.0, 3e-3, 0.0]), one) == pytest.approx(1e-3)
    assert laws.difference(torch.zeros(3), one) == float("inf")
    assert laws.within("", float("nan"), 1.0).status == "failed"


def test_the_study_holds_every_model_that_trains():
    densities = {name for name in zoo.FLAT if isinstance(zoo.tiny(name, 2), Density)}
    models = {name for name in densities if registry.role(name) == "model"}
    assert set(laws.trainable()) == models - {"gaussian_copula"} | {"gaussian", "elementwise"}


def test_the_page_has_a_line_for_each_kind_and_each_law_that_does_not_hold():
    on_cpu = "backend '{}' runs on the CPU only, not on 'cuda'; 'torch' does"
    found = [
        laws.Law("a", "passed", 1e-12, 1e-9, kind="models"),
        laws.Law("b", "failed", 1e-3, 1e-9, kind="models"),
        laws.Law("backend native", "not supported", reason=on_cpu.format("native"), kind="simulators"),
        laws.Law("backend default.qubit", "not supported", reason=on_cpu.format("default.qubit"), kind="simulators"),
        laws.Law("a study, qinn", "passed", reason="with a certificate", kind="study"),
        laws.Law("a study, qinn, twice", "told", 0.0, reason="the same bits", kind="study"),
        laws.Law("a study, spline_inn, twice", "told", 0.0, reason="the same bits", kind="study"),
    ]
    _, table, told = page._laws(found)
    assert "| models | 1 of 2 | 1.0e-03 | 1e-09 | b |" in table and "| study | 1 of 1 | – | – | – |" in table
    assert told.splitlines() == [
        "- failed: b (1.0e-03).",
        "- not supported: backend native; backend default.qubit: runs on the CPU only, not on 'cuda'; 'torch' does.",
        "- a study, qinn, twice (0.0e+00); a study, spline_inn, twice (0.0e+00): the same bits.",
    ]


def row(name, n, batch, seconds, error=0.0):
    facts = {"backend": name, "precision": "complex64", "n_qubits": n, "batch": batch, "mode": "gradient", "layers": 4}
    return ScanRow(**facts, threads=1, status="ok", seconds=seconds, error=error, rounds=5)


def test_the_sentence_says_from_where_the_gpu_is_faster():
    rows = [row("native, one core", n, batch, 2.0 ** (n - 8) * batch) for n in (4, 8, 12) for batch in (1, 4)]
    rows += [row("torch:cuda", n, batch, 3.0) for n in (4, 8, 12) for batch in (1, 4)]
    (said,) = page.sentences(rows)
    at_best = "at most 21.3× (at 12 / 4)"
    assert said == (
        "- `torch:cuda` against native, one core: faster at batch 1 from 12 qubits on, at batch 4 from 8 qubits on; "
        f"{at_best}."
    )
    (said,) = page.sentences([row("native, one core", 4, 1, 1.0), row("torch:cuda", 4, 1, 0.9, 0.1)])
    assert "not faster at the largest circuit of any batch; at most 1.11× (at 4 / 1)" in said


def lost(name, mode, n, batch, reason, status="skipped"):
    facts = {"backend": name, "precision": "complex64", "n_qubits": n, "batch": batch, "mode": mode, "layers": 4}
    return ScanRow(**facts, threads=1, status=status, reason=reason)


def test_gaps_are_one_line_for_each_kind_of_reason():
    late, sizes = "the 340 s of the whole run were used up", [(n, b) for n in places.QUBITS for b in (64, 512, 4096)]
    rows = [row("torch:cuda", 4, 64, 1.0), row("native, one core", 4, 64, 1.0).model_copy(update={"rounds": 1})]
    for mode in places.MODES:
        for name in ("torch:cuda", "native, one core"):
            rows += [lost(name, mode, n, b, late) for n, b in sizes if b > 64 or n == 20]
        rows += [lost("jax, one core", mode, n, b, late) for n, b in sizes]
    rows += [lost("torch:cuda", "nll", 12, 64, "the 340 s of the whole run leave no 38 s for it")]
    for name, size in (("torch:cuda", "142 GiB"), ("torch:cuda", "2.05e+03 GiB"), ("native, one core", "96 GiB")):
        reason = f"predicted {size}, more than the allowed 39.6 GiB of the GPU"
        rows.append(lost(name, "nll", 8 if size == "142 GiB" else 16, 64, reason))
    assert list(notes.gaps(rows)) == [
        "Nothing was measured of `jax, one core`. Sizes without any time are not in the tables either.",
        "Time was not left for: `torch:cuda` at 20 / 64, at 4 to 20 / 512 and 4096, likelihood at 12 / 64; "
        "`native, one core` at 20 / 64, at 4 to 20 / 512 and 4096; `jax, one core` at 4 to 20 / 64 to 4096.",
        "One step only, timed apart: `native, one core` gradient at 4 / 64.",
        "Predicted to take more than the allowed 39.6 GiB of the GPU: `torch:cuda` likelihood at 8 and 16 / 64; "
        "`native, one core` likelihood at 16 / 64.",
    ]


def test_the_notes_on_every_point_name_that_point_and_no_other():
    points = {places.Place(mode, n, b) for mode in places.MODES for n in (4, 12) for b in (64, 8192)}
    for k in range(1, 2 ** len(points)):
        held = [place for j, place in enumerate(sorted(points)) if k >> j & 1]
        assert sorted(named(notes.spans(held))) == held


def named(text):
    """The points that a text of `spans` names, read back."""
    mode, found = None, []
    for part in text.split(", "):
        words = part.split(" at ") if not part.startswith("at ") else ["", part.removeprefix("at ")]
        mode = {"gradient": "gradient", "likelihood": "nll"}.get(words[0], mode)
        ns, batches = ([int(n) for n in side.split(" and ")] for side in words[1].split(" / "))
        modes = [mode] if mode else places.MODES
        found += [places.Place(one, n, b) for one in modes for n in ns for b in batches]
    return found


def test_wishes_come_first_and_nothing_is_lost():
    everything = list(places.all_places(places.places(places.QUBITS, places.BATCHES), places.tiers(2)))
    ordered = places.wished_first(everything)
    assert sorted(map(str, ordered)) == sorted(map(str, everything))
    assert [(place[1:], rival.name) for place, rival in ordered[:5]] == [
        *(((n, batch), "jax:cuda") for n, batch in ((8, 8192), (12, 64), (12, 8192))),
        *(((16, 8192), name) for name in ("torch:cuda", "torch:complex128:cuda")),
    ]
    wished = [(place, rival.name) for place, rival in everything]
    for names, modes, sizes in places.WISHES:
        assert all((places.Place(m, *size), name) in wished for m in modes for size in sizes for name in names)


@pytest.mark.slow
def test_a_later_run_goes_on_from_an_earlier_one(dry, tmp_path, monkeypatch):
    out = dry[3]
    document = json.loads((out / "gpu.json").read_text(encoding="utf8"))
    gone = ("torch:cuda", "native, one core")
    document["rows"] = [row for row in document["rows"] if row["backend"] not in gone]
    document["laws"] += [
        laws.Law("x", "passed", 0.0, 1.0, kind="circuits")._asdict(),
        laws.Law("y", "failed", 2.0, 1.0, kind="training")._asdict(),
    ]
    for old in (*document["rows"], *document["laws"]):
        old.pop("run", None)
    before = tmp_path / "before.json"
    before.write_text(json.dumps({**document, "provenance": document.pop("runs")[0]}), encoding="utf8")
    told = []
    monkeypatch.setattr(check, "LAWS", {"circuits": None, "training": None})
    monkeypatch.setattr(check, "LAW_SECONDS", 0.0)
    monkeypatch.setattr(check, "_say", told.append)
    words = [*DRY, "--more", str(before), "--budget-total", "100"]
    found = ran(words, tmp_path / "after", code=1)
    kept = [row for row in document["rows"] if row["seconds"]]
    assert found["rows"][: len(kept)] == [row | {"run": 0} for row in kept]
    timed = {(row["backend"], row["mode"]) for row in found["rows"][len(kept) :] if row["seconds"]}
    assert timed == {(name, mode) for name in gone for mode in places.MODES}
    assert all(row["run"] == 1 for row in found["rows"][len(kept) :])
    assert [(law["kind"], law["status"], law["run"]) for law in found["laws"]] == [
        ("losses of all timed points", "passed", 0),
        ("circuits", "passed", 0),
        ("training", "failed", 1),
        ("losses of all timed points", "passed", 1),
    ]
    text = (tmp_path / "after" / "gpu.md").read_text(encoding="utf8")
    assert "- Run 1: no GPU; " in text and "- Run 2: no GPU; " in text
    assert "- Run 2 timed `native, one core`, `torch:cuda` at 2 / 3; its laws are training, losses of all timed" in text
    assert [run["device"] for run in found["runs"]] == ["cpu", "cpu"]


@pytest.mark.slow
def test_points_of_a_later_run_are_compared_with_native_too(dry, tmp_path):
    document = json.loads((dry[3] / "gpu.json").read_text(encoding="utf8"))
    document["rows"] = [row for row in document["rows"] if row["backend"] != "torch:cuda"]
    before = tmp_path / "before.json"
    before.write_text(json.dumps(document), encoding="utf8")
    found = ran([*WITHOUT, "--more", str(before), "--budget-total", "100"], tmp_path / "after")
    assert 0 < found["laws"][-1]["value"] < 1e-4 and found["laws"][-1]["name"].startswith("torch:cuda")


def test_a_file_of_another_card_or_of_something_else_is_refused(dry, tmp_path, capsys):
    document = json.loads((dry[3] / "gpu.json").read_text(encoding="utf8"))
    document["runs"][0]["gpu"] = "Card A"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document), encoding="utf8")
    words = [*WITHOUT, "--out", str(tmp_path / "out"), "--more"]
    assert check.main([*words, str(other)]) == 2
    assert capsys.readouterr().err == f"{other} was measured on Card A, and this is no GPU; the same is needed\n"
    other.write_text('{"rows": 3}', encoding="utf8")
    assert check.main([*words, str(other)]) == 2
    assert capsys.readouterr().err == f"{other} is no gpu.json of this check\n"
    assert check.main([*words, str(tmp_path / "none.json")]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err
    assert check.main([*WITHOUT, "--out", str(tmp_path / "out"), "--page", str(other)]) == 2
    assert "has no lines" in capsys.readouterr().err and not (tmp_path / "out" / "gpu.json").exists()


def test_trainings_are_held_to_the_cpu_in_double_precision_only(monkeypatch):
    curves = {"float64": 1e-7, "float32": 0.5}
    monkeypatch.setattr(laws, "_trained", lambda name, device, precision: curves[precision] * (device != "cpu"))
    monkeypatch.setattr(laws, "curves", lambda value: torch.full((2, 5), float(value)).numpy())
    found = list(laws.training("cuda"))
    assert [(law.status, law.limit) for law in found] == [("passed", 1e-6), ("told", None)] * len(laws.TRAINED)
    assert [law.value for law in found[:2]] == pytest.approx([1e-7, 0.5])
    curves["float64"] = 1e-5
    assert next(laws.training("cuda")).status == "failed"


@pytest.mark.parametrize(
    ("faster", "onset"),
    [
        ([False, False, True], 12),
        ([True, False, True], 12),
        ([True, True, True], 4),
        ([True, True, False], None),
    ],
)
def test_faster_from_here_means_at_all_larger_ones(faster, onset):
    assert page.onsets({(n, 64): one for n, one in zip((4, 8, 12), faster, strict=True)}) == {64: onset}


ASKS = """
import sys, torch
asked = []
for owner, names in ((torch.cuda, ["is_available", "_lazy_init", "is_current_stream_capturing"]),
                     (torch.accelerator, ["is_available", "current_accelerator"])):
    for name in names:
        setattr(owner, name, lambda *_, name=name, **__: asked.append(name))
for module in sys.argv[1:]:
    __import__(module)
print(asked)
"""


def test_what_workers_are_forked_from_does_not_ask_for_a_gpu():
    modules = [registry.module_of("model", name) for name in registry.names("model")]
    words = [sys.executable, "-c", ASKS, "qinn_bench.study.preloaded", "qinn_bench.study.run_cell", *modules]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_workers_find_what_sums_in_a_fixed_order_need_on_a_gpu():
    assert local._environment(1)["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
