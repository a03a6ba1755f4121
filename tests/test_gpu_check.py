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

from qinn_bench import registry, workers
from qinn_bench.performance.scan import Row

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "gpu"
sys.path.insert(0, str(FOLDER))

torch.set_num_threads(1)
laws, page, places = map(importlib.import_module, ("_laws", "_page", "_places"))
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
    found, *_ = dry
    rows = [Row.model_validate(row) for row in found["rows"]]
    names = [rival.name for tier in places.tiers(2) for rival in tier]
    assert sorted((row.backend, row.mode) for row in rows) == sorted((n, mode) for n in names for mode in places.MODES)
    assert all((row.seconds is not None) == (row.status == "ok") and (row.seconds or row.reason) for row in rows)
    ran_here = {row.backend for row in rows if row.status == "ok"}
    assert {"torch:cuda", "torch:complex128:cuda", "torch, all cores", "default.qubit:cuda"} <= ran_here
    assert ("jax:cuda" in ran_here) == (find_spec("jax") is not None)
    assert {row.clock for row in rows if row.backend == "native, one core"} == {"cpu"}
    assert {row.clock for row in rows if row.backend.endswith((":cuda", "all cores"))} == {"wall"}


def test_a_dry_run_says_so_and_has_no_date(dry):
    found, text, _, _ = dry
    assert text.startswith("**dry run on the CPU; nothing about a GPU was measured.**")
    assert "finished_utc" not in found["provenance"] and "commit 0123456789ab" in text and "no GPU" in text


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
    assert "the 3.5 s of the whole run were used up" in (tmp_path / "gpu.md").read_text(encoding="utf8")


@pytest.fixture
def planned(tmp_path):
    """A check that has not begun, with a card of 80 GiB."""
    options = argparse.Namespace(device="cuda", out=tmp_path, commit="", budget_total=100.0, step=3.0, sample=0.1)
    made = check.Check(options)
    made.card = 80 * 2**30
    return made


GPU = places.Rival("torch:cuda", "torch", gpu=True)


def test_what_does_not_fit_or_is_too_slow_is_not_tried(planned):
    place = places.Place("nll", 16, 8192)
    assert "more than the allowed 40 GiB of the GPU" in planned._held_back(GPU, place).reason
    assert planned._held_back(GPU, places.Place("gradient", 12, 512)) is None
    slow = places.Rival("native, one core", "native")
    assert planned._held_back(slow, places.Place("gradient", 12, 512)) is None
    planned.rows.append(row("native, one core", 8, 512, 1.0))
    assert planned._held_back(slow, places.Place("gradient", 12, 512)).reason == (
        "predicted 24 s a step, more than the allowed 3 s"
    )


def test_a_gpu_that_is_not_busy_is_given_more(planned):
    place = places.Place("gradient", 12, 512)
    planned.rows[:] = [row("torch:cuda", 8, 512, 0.019)]
    assert planned._held_back(GPU, place) is None
    planned.rows[:] = [row("torch:cuda", 8, 512, 1.0)]
    assert "predicted 24 s a step" in planned._held_back(GPU, place).reason


def test_what_ends_its_process_twice_is_left_out(planned):
    lost = places.Tried("crashed", "its process ended")
    for k in range(2):
        assert planned._held_back(GPU, places.Place("gradient", 4, 64)) is None
        planned.rows.append(check._row(GPU, places.Place("nll", 4 + k, 64), lost))
    assert planned._held_back(GPU, places.Place("gradient", 4, 64)).reason == (
        "it ended badly 2 times before: its process ended"
    )


def test_a_jump_of_jax_memory_is_predicted_from_its_largest_point(planned):
    jax = places.Rival("jax:cuda", "jax", gpu=True)
    known = row("jax:cuda", 12, 512, 0.001).model_copy(update={"peak_bytes": 8 * 2**30})
    planned.rows.append(known)
    assert planned._held_back(jax, places.Place("gradient", 12, 1024)) is None
    assert planned._held_back(jax, places.Place("gradient", 12, 4096)).reason == (
        "predicted 64 GiB, more than the allowed 40 GiB of the GPU"
    )


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
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf8"))
    assert found["rows"] and [Row.model_validate(row) for row in found["rows"]]


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
    assert set(laws.trainable()) == {
        name for name in registry.names("model") if registry.find("model", name).ROLE == "model"
    } | {"gaussian", "elementwise"}


def test_the_page_has_a_line_for_each_kind_and_each_law_that_does_not_hold():
    found = [
        laws.Law("a", "passed", 1e-12, 1e-9, kind="models"),
        laws.Law("b", "failed", 1e-3, 1e-9, kind="models"),
        laws.Law("backend native", "not supported", reason="runs on the CPU only", kind="simulators"),
        laws.Law("a study, qinn", "passed", reason="with a certificate", kind="study"),
        laws.Law("a study, qinn, twice", "told", 0.0, reason="the same bits", kind="study"),
    ]
    _, table, told = page._laws(found)
    assert "| models | 1 of 2 | 1.0e-03 | 1e-09 | b |" in table and "| study | 1 of 1 | – | – | – |" in table
    assert told.splitlines() == [
        "- failed: b 1.0e-03.",
        "- not supported: backend native: runs on the CPU only.",
        "- a study, qinn, twice 0.0e+00: the same bits.",
    ]


def row(name, n, batch, seconds, error=0.0):
    facts = {"backend": name, "precision": "complex64", "n_qubits": n, "batch": batch, "mode": "gradient", "layers": 4}
    return Row(**facts, threads=1, status="ok", seconds=seconds, error=error, rounds=5)


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
    words = [sys.executable, "-c", ASKS, "qinn_bench.preloaded", "qinn_bench.run", *modules]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_workers_find_what_sums_in_a_fixed_order_need_on_a_gpu():
    assert workers._environment(1)["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
