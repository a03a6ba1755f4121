"""Finished work is kept whatever happens to its successor, and one cell's misfortune is nobody else's."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qinn_bench import limits, locks, registry
from qinn_bench.cli.main import main
from qinn_bench.limits import Limits
from qinn_bench.metrics import _collect
from qinn_bench.records import store
from qinn_bench.study import campaign, planning, run_cell, study_files
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.schedulers import local
from qinn_bench.values import Refused

STUDY = """
name = "small"
data = ["moons[events=400]"]
seeds = 1
samples = 100
mass_draws = 500
metrics = ["swd"]
[budgets.tiny]
steps = 3
batch = 32
"""
MODEL = """
\"\"\"A model of somebody else.\"\"\"
import os, signal, subprocess, sys, time
from reference_models.bounds.product_of_marginals import ProductOfMarginals
{top}
class Model(ProductOfMarginals):
    def initialise(self, rows, rng):
        {lines}
def build(dim, *, data):
    return Model(dim, data)
"""
METRIC = """
\"\"\"A metric of somebody else.\"\"\"
from qinn_bench.dataset import Metric
from qinn_bench.values import Estimate
def compute(evidence):
    {lines}
METRICS = [Metric("odd", "odd", "samples", compute)]
"""


@pytest.fixture(autouse=True)
def quick_servers(monkeypatch):
    """Servers that import only what every worker needs: the models of these tests train nothing."""
    monkeypatch.setattr(campaign, "_modules", lambda orders: [])


def planned(tmp_path, *models, metrics=("swd",)):
    path = tmp_path / "small.toml"
    text = STUDY.replace('["swd"]', json.dumps(list(metrics)))
    path.write_text(text + "".join(f'[[models]]\nmodel = "{model}"\n' for model in models))
    return path, planning.plan(study_files.load_study(path), tmp_path / "results")


def ran(orders, **limit):
    """What became of each cell, by row."""
    events = []
    campaign.execute(orders, Limits(**limit), events.append)
    ended = {one.order.row: one for one in events if one.record or one.problem}
    assert not [path for path in orders[0].results.rglob("*") if path.name.startswith(".")]
    return ended, events


def files(tmp_path):
    """All but what cells have printed."""
    every = (tmp_path / "results").rglob("*.*")
    return {path.name: path.read_bytes() for path in every if path.suffix not in (".toml", ".txt")}


def stale(order):
    """Its record as if an older version had measured it."""
    record = store.load(order.results, order.study, order.key)
    store.save(order.results, record.model_copy(update={"measured": {}}))


FAILURES = {
    "raises": "raise RuntimeError('no')",
    "exits": "os._exit(3)",
    "dies": "os.kill(os.getpid(), 9)",
    "starves": "raise MemoryError",
}


def test_a_failure_never_replaces_a_finished_record(tmp_path, plug_in):
    flag = tmp_path / "flag"
    for name, how in FAILURES.items():
        plug_in("model", name, MODEL.format(top="", lines=f"if os.path.exists({str(flag)!r}): {how}"))
    _, orders = planned(tmp_path, *FAILURES, "truth")
    assert all(event.record.status == "ok" for event in ran(orders)[0].values())
    before = files(tmp_path)
    flag.touch()
    ended, _ = ran(campaign.afresh(orders))
    assert {row for row, event in ended.items() if event.problem} == set(FAILURES)
    assert all(event.record.status == "ok" for event in ended.values())
    after = files(tmp_path)
    for key in (order.key for order in orders if order.row in FAILURES):
        assert {name for name in before if name.startswith(key)} == {f"{key}.json", f"{key}.npz"}
        assert all(after[name] == before[name] for name in before if name.startswith(key))
    late = ran(campaign.afresh(orders[-1:]), timeout=0.01)[0]["truth"]
    assert late.record.status == "ok" and late.problem.startswith("timeout: stopped after its limit")
    assert files(tmp_path) == after


@pytest.mark.slow
def test_a_metric_that_fails_when_it_is_measured_again_leaves_the_old_numbers(tmp_path, plug_in, capsys):
    path, orders = planned(tmp_path, "product_of_marginals")
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 0
    before = store.load(orders[0].results, "small", orders[0].key)
    arrays = files(tmp_path)[f"{orders[0].key}.npz"]
    plug_in("metric", "odd", METRIC.format(lines="raise ValueError('no')"))
    path, orders = planned(tmp_path, "product_of_marginals", metrics=("swd", "odd"))
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 3
    said = capsys.readouterr().err
    assert "product_of_marginals seed 0: metric 'odd': ValueError: no" in said and "Traceback" not in said
    after = store.load(orders[0].results, "small", orders[0].key)
    assert after.metrics == before.metrics and files(tmp_path)[f"{orders[0].key}.npz"] == arrays
    # In a cell that is trained now, it is a column without a number.
    metrics = ran(campaign.afresh(orders))[0]["product_of_marginals"].record.metrics
    assert metrics["odd"].value is None and metrics["odd"].note == "ValueError: no"
    assert metrics["swd"] == before.metrics["swd"]


@pytest.mark.parametrize(
    "lines", ["return 3", "return {'odd': 3.0}", "return {'nll': Estimate(value=0.0)}", "return None"]
)
def test_what_is_no_estimate_of_a_metric_of_that_name_is_none_with_a_reason(tmp_path, plug_in, lines):
    plug_in("metric", "odd", METRIC.format(lines=lines))
    _, orders = planned(tmp_path, "gaussian", metrics=("swd", "nll", "odd"))
    record = run_cell.run_cell(orders[0])
    assert record.status == "ok" and record.metrics["odd"].value is None and record.metrics["odd"].note
    assert record.metrics["nll"].value is not None


def test_torn_numbers_of_truth_against_truth_are_drawn_again(tmp_path):
    _, orders = planned(tmp_path, "memoriser")
    first = run_cell.run_cell(orders[0])
    kept = {path: path.read_bytes() for path in (orders[0].results / "nulls").iterdir()}
    for path in kept:
        path.write_bytes(b'[{"swd": 0.')
    assert run_cell.run_cell(replace(orders[0], fresh=True)).flags == first.flags
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_worker_that_ends_badly_after_it_has_saved_has_finished(tmp_path, plug_in):
    top = "import qinn_bench.records.store as store\nkeep = store.save\n"
    top += (
        f"def save(*given):\n    keep(*given)\n    os._exit(7)\nif os.getpid() != {os.getpid()}:\n    store.save = save"
    )
    plug_in("model", "late", MODEL.format(top=top, lines="pass"))
    _, orders = planned(tmp_path, "late")
    ended, _ = ran(orders)
    assert ended["late"].record.status == "ok" and not ended["late"].problem


def test_an_interrupt_of_fresh_keeps_what_was_not_run_again(tmp_path, monkeypatch, capsys):
    path, orders = planned(tmp_path, "product_of_marginals", "truth")
    ran(orders)
    before = files(tmp_path)
    assert all(order.fresh for order in campaign.afresh(orders))

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "execute", interrupted)
    assert main(["run", str(path), "--results", str(tmp_path / "results"), "--fresh"]) == 130
    assert "the other 2 keep the records that they had" in " ".join(capsys.readouterr().err.split())
    assert files(tmp_path) == before


def test_a_finished_study_is_rid_of_what_killed_campaigns_left(tmp_path):
    path, orders = planned(tmp_path, "truth")
    verb = ["run", str(path), "--results", str(tmp_path / "results")]
    assert main(verb) == 0
    before = files(tmp_path)
    folder = store.record_path(orders[0].results, "small", orders[0].key).parent
    for name in (f".{orders[0].key}.lock", ".0123.part", f"{orders[0].key}.log"):
        (folder / name).touch()
    assert main(verb) == 0 and files(tmp_path) == before
    assert not [one for one in folder.iterdir() if one.name.startswith(".")]


def test_a_record_of_another_schema_is_named_and_left_out(tmp_path, capsys):
    path, orders = planned(tmp_path, "product_of_marginals", "truth")
    verb = [str(path), "--results", str(tmp_path / "results")]
    assert main(["run", *verb]) == 0
    first = store.record_path(orders[0].results, "small", orders[0].key)
    first.write_text(first.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    kept = first.read_bytes()
    capsys.readouterr()
    assert main(["status", *verb]) == 3
    said = capsys.readouterr().out
    assert (
        "1 ok, 0 to run" in said and f"{first} is left out: it is not a record of this version, but of schema 2" in said
    )
    assert main(["run", *verb]) == 3
    assert "truth" in capsys.readouterr().out and first.read_bytes() == kept
    assert main(["run", *verb, "--fresh", "-m", "product_of_marginals"]) == 0


def test_a_cell_that_another_campaign_runs_is_waited_for_and_not_run_twice(tmp_path):
    _, orders = planned(tmp_path, "product_of_marginals", "truth")
    for order in orders:
        store.record_path(order.results, order.study, order.key).parent.mkdir(parents=True, exist_ok=True)
    lock = locks.take(store.lock_path(orders[0].results, "small", orders[0].key))
    events = []

    def show(event):
        events.append(event)
        if event.record and event.order.row == "truth":  # The other campaign finishes.
            run_cell.save(orders[0], {}, status="diverged", reason="elsewhere")
            lock.release()

    campaign.execute(orders, Limits(), show)
    notes = [event.note for event in events if event.note]
    assert f"process {os.getpid()}" in notes[0] and notes[-1] == "run by another campaign meanwhile"
    assert [event.record.reason for event in events if event.record and event.order.row == "product_of_marginals"] == [
        "elsewhere"
    ]


def test_two_campaigns_at_once_train_every_cell_once(tmp_path):
    _, orders = planned(tmp_path, "truth", "product_of_marginals", "memoriser")
    started = []
    both = [threading.Thread(target=campaign.execute, args=(orders, Limits(), started.append)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(300)
    begun = [event.order.row for event in started if event == CellEvent(event.order)]
    assert sorted(begun) == sorted(order.row for order in orders)
    assert len(campaign.finished(orders)) == 3


def test_a_lost_server_is_no_crash_of_its_cells(tmp_path, plug_in):
    once = tmp_path / "once"
    deed = f"open({str(once)!r}, 'w').close(); os.kill(os.getppid(), 9); time.sleep(99)"
    lines = f"if not os.path.exists({str(once)!r}): {deed}"
    plug_in("model", "parricide", MODEL.format(top="", lines=lines))
    _, orders = planned(tmp_path, "product_of_marginals", "parricide", "truth")
    ended, events = ran(orders, workers=2)
    assert {row: event.record.status for row, event in ended.items()} == dict.fromkeys(ended, "ok")
    assert any("runs again" in event.note for event in events)


RUBBISH = """for fd in range(3, 32):
            try: os.write(fd, b'rubbish' + bytes([10]))
            except OSError: pass
        time.sleep(99)"""
ENDS = {
    "quits": ("os._exit(0)", "crashed", "exit code 0 and no record"),
    "leaves": ("sys.exit(0)", "crashed", "exit code 0 and no record"),
    "torch": (
        "raise RuntimeError('DefaultCPUAllocator: can' + chr(39) + 't allocate memory')",
        "out-of-memory",
        "alloc",
    ),
    "cpp": ("raise RuntimeError('std::bad_alloc')", "out-of-memory", "bad_alloc"),
    "blas": ("os.write(2, b'OpenBLAS error: Memory allocation failed'); os._exit(1)", "out-of-memory", "OpenBLAS"),
    "chatty": (RUBBISH, "crashed", "through the pipe"),
    "odd": ("raise ValueError(chr(0xdc80) + chr(27) + '[31m')", "crashed", "ValueError: [31m"),
    "full": ("raise OSError(28, 'No space left on device')", "crashed", "No space left"),
    "killed": ("os.killpg(0, 9)", "crashed", "killed by signal 9"),
}


def test_whatever_ends_a_cell_is_its_status(tmp_path, plug_in):
    for name, (lines, _, _) in ENDS.items():
        plug_in("model", name, MODEL.format(top="", lines=lines))
    _, orders = planned(tmp_path, *ENDS, "truth")
    ended, _ = ran(orders)
    found = {name: (ended[name].record.status, ended[name].record.reason) for name in ENDS}
    assert {name: status for name, (status, _) in found.items()} == {
        name: right for name, (_, right, _) in ENDS.items()
    }
    assert all(says in found[name][1] for name, (_, _, says) in ENDS.items()), found
    assert ended["truth"].record.status == "ok"


def test_children_end_with_their_cell(tmp_path, plug_in):
    seconds = f"1{os.getpid()}"  # A sleep that nobody else sleeps.
    lines = f"subprocess.Popen(['sleep', '{seconds}'], start_new_session=True); os.fork() or time.sleep(9999)"
    plug_in("model", "parent", MODEL.format(top="", lines=lines))
    _, orders = planned(tmp_path, "parent")
    assert ran(orders)[0]["parent"].record.status == "ok"
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if seconds.encode() in path.read_bytes()]
    assert not left


def test_a_module_in_the_working_folder_is_not_imported(tmp_path, monkeypatch):
    _, orders = planned(tmp_path, "truth")
    for name in ("torch", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{os.pathsep}.")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert ran(orders)[0]["truth"].record.status == "ok" and not (tmp_path / "ran").exists()


def test_a_worker_refuses_to_run_other_code_than_was_planned(tmp_path):
    _, orders = planned(tmp_path, "truth")
    other = [replace(order, inputs=order.inputs | {"training": "another"}) for order in orders]
    record = ran(other)[0]["truth"].record
    assert record.status == "crashed" and "is not that with which the cell was planned" in record.reason


def test_a_disk_that_is_full_ends_cells_and_not_the_campaign(tmp_path, monkeypatch, capsys):
    path, _ = planned(tmp_path, "product_of_marginals", "truth")

    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.Worker, "start", lambda worker, server, limits: setattr(worker, "code", 1))
    monkeypatch.setattr(store, "write_together", full)
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 3
    said = capsys.readouterr().err
    assert said.count("this could not be recorded (No space left on device)") == 4 and "Traceback" not in said


def test_a_folder_of_results_that_cannot_be_is_refused(tmp_path, capsys):
    path, _ = planned(tmp_path, "truth")
    (tmp_path / "file").touch()
    assert main(["run", str(path), "--results", str(tmp_path / "file")]) == 2
    assert "can hold no records" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--jobs", "0"], "--jobs is 0"),
        (["--jobs", "99999"], "the cores of this machine"),
        (["--threads", "-1"], "--threads is -1"),
        (["--threads", "99999"], "the cores of this machine"),
        (["--timeout", "nan"], "--timeout is nan"),
        (["--timeout", "inf"], "--timeout is inf"),
        (["--timeout", "0"], "--timeout is 0"),
        (["--memory", "-1"], "--memory is -1"),
        (["--memory", "inf"], "--memory is inf"),
        (["--memory", "0.0001"], "that a worker holds before its cell"),
    ],
)
def test_limits_that_make_no_sense_are_refused(tmp_path, capsys, given, says):
    path, _ = planned(tmp_path, "truth")
    assert main(["run", str(path), "--results", str(tmp_path / "results"), *given]) == 2
    assert says in capsys.readouterr().err


def test_data_that_are_drawn_obey_the_limits_too():
    with (
        pytest.raises(Refused, match=r"longer than --timeout 0\.1 s"),
        limits.kept_to("drawing x", Limits(timeout=0.1)),
    ):
        time.sleep(10)
    with (
        pytest.raises(Refused, match="more memory than --memory 1000 GiB"),
        limits.kept_to("drawing x", Limits(memory=1000.0)),
    ):
        raise RuntimeError("not enough memory: you tried to allocate 8000000000 bytes.")
    with pytest.raises(Refused, match="drawing x ends in ZeroDivisionError"), limits.kept_to("drawing x", None):
        raise ZeroDivisionError


def test_the_memory_of_drawn_data_is_limited():
    code = (
        "import numpy as np\nfrom qinn_bench.limits import Limits, held, kept_to\n"
        "with kept_to('drawing x', Limits(memory=held() / 2**30 + 0.1)): np.ones(10**8)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "drawing x takes more memory than" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('at import')", "its import ends in RuntimeError: at import"),
        ("import sys; sys.exit(0)", "its import ends in SystemExit"),
        ("def f(): f()\nf()", "RecursionError"),
        ("x = 1", "it has no build"),
        ("build = 3", "its build is no function"),
        ("def build(dim, *, sizes=[1]): pass", "the default of its knob 'sizes' is [1]"),
        ("def build(dim, *, size): pass", "the default of its knob 'size' is none"),
        (
            "from qinn_bench.about import About\nABOUT = About(role='king')\ndef build(dim): pass",
            "its ABOUT: 'role' is",
        ),
        ("ROLE = 'floor'\ndef build(dim): pass", "it states ROLE, expected ABOUT = About(role=...)"),
        ("ABOUT = 3\ndef build(dim): pass", "its ABOUT is of type int, expected About(...)"),
        ("def build(:", "SyntaxError"),
    ],
)
def test_a_broken_model_is_listed_with_its_reason_and_harms_nothing_else(tmp_path, plug_in, capsys, text, says):
    plug_in("model", "bad", text)
    assert main(["list", "models"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert says in shown[shown.index(" bad ") :]
    path, _ = planned(tmp_path, "truth")
    path.write_text("floors = true\n" + path.read_text())
    assert {order.row for order in planning.plan(study_files.load_study(path), tmp_path)} >= {
        "truth",
        "product_of_marginals",
    }
    path, _ = planned(tmp_path, "truth")
    path.write_text(path.read_text() + '[[models]]\nmodel = "bad"\n')
    assert main(["run", str(path), "--results", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("x = 1", "it has no METRICS"),
        ("METRICS = 3", "its METRICS are no list of metrics"),
        (METRIC.replace('"odd", "odd"', '"nll", "odd"').format(lines="return {}"), "another family defines already"),
        (
            "from qinn_bench.dataset import Metric\nMETRICS = [Metric('l', 'l', 'samples', lambda e: {})]",
            "no function of a file",
        ),
    ],
)
def test_a_broken_metric_is_listed_with_its_reason_and_harms_nothing_else(plug_in, text, says):
    before = set(_collect.all_metrics())
    plug_in("metric", "bad", text)
    assert set(_collect.all_metrics()) == before and says in _collect.broken_families()["bad"]


def test_nobody_takes_the_name_of_one_of_ours(plug_in):
    plug_in("model", "gaussian", "raise RuntimeError")
    assert registry.find("model", "gaussian").__name__ == "reference_models.bounds.gaussian"


def test_a_module_that_is_never_imported_to_its_end_is_broken(plug_in, monkeypatch):
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 0.2)
    plug_in("model", "slow", "import time; time.sleep(100)")
    assert "takes longer than 0.2 s" in registry.broken("model")["slow"]


def test_arrays_that_are_damaged_keep_their_record(tmp_path):
    _, orders = planned(tmp_path, "product_of_marginals")
    ran(orders)
    stale(orders[0])
    packed = store.record_path(orders[0].results, "small", orders[0].key).with_suffix(".npz")
    packed.write_bytes(packed.read_bytes()[:500])
    before = files(tmp_path)
    event = ran(orders)[0]["product_of_marginals"]
    assert event.record.status == "ok" and "is damaged" in event.problem and files(tmp_path) == before


def test_measuring_again_leaves_the_arrays_alone(tmp_path):
    _, orders = planned(tmp_path, "product_of_marginals")
    ran(orders)
    before = store.load_arrays(orders[0].results, campaign.finished(orders)[0])
    stale(orders[0])
    assert campaign.pending(orders) and ran(orders)[0]["product_of_marginals"].record.measured
    after = store.load_arrays(orders[0].results, campaign.finished(orders)[0])
    assert all(np.array_equal(after[name], before[name], equal_nan=True) for name in before)


@pytest.mark.parametrize("text", ["raise RuntimeError('at import')", "def build(:", "x = 1"])
def test_a_broken_file_among_ours_is_listed_and_harms_nothing_else(tmp_path, capsys, text):
    for kind, package in registry.PACKAGES.items():
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "torn.py").write_text(text)
        sys.modules[package].__path__.append(str(folder))
    try:
        registry._load.cache_clear()
        assert main(["list"]) == 0
        said = capsys.readouterr().out
        assert [line.split()[1:2] for line in said.splitlines() if line.split()[:1] == ["torn"]] == [
            ["model"],
            ["data"],
            ["metric"],
        ]
        path, _ = planned(tmp_path, "truth")
        path.write_text("floors = true\n" + path.read_text())
        assert main(["status", str(path), "--results", str(tmp_path / "results")]) == 0
    finally:
        for kind, package in registry.PACKAGES.items():
            sys.modules[package].__path__.remove(str(tmp_path / kind))
            sys.modules.pop(f"{package}.torn", None)
        registry._load.cache_clear()
