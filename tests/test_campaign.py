"""A study end to end: planned, run in processes of its own, resumed, killed, retried, and refused when it is wrong."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.study import campaign, grid, planning, run_cell, study_files
from qinn_bench.values import Refused

STUDY = """
name = "small"
data = ["moons[events=2000]"]
seeds = 2
samples = 300
mass_draws = 2000
metrics = ["nll", "swd"]
[budgets.tiny]
steps = {steps}
batch = 64
[[models]]
model = "truth"
[[models]]
model = "spline_inn"
knobs = {{ blocks = 2, hidden = 4, bins = 3 }}
"""
QINN = """
[[models]]
model = "qinn"
knobs = { uploads = 2, fidelity = 0.0 }
"""


def start(words):
    """A campaign that handles an interrupt, also where a background job is tested, whose children ignore it."""
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=heed)


def descendants(pid):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            parents.setdefault(int(parent), []).extend([int(path.parent.name)] * (state != "Z"))
    children = parents.get(pid, [])
    return [*children, *(one for child in children for one in descendants(child))]


def runs(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(STUDY.format(steps=20))
    return path


def command(study, results, *more):
    return [sys.executable, "-m", "qinn_bench.cli.main", "run", str(study), "--results", str(results), "-j1", *more]


def test_run_resume_and_render(study, tmp_path, capsys):
    results = tmp_path / "results"
    verb = ["run", str(study), "--results", str(results), "-j", str(min(2, os.cpu_count()))]
    assert main(verb) == 0
    first = capsys.readouterr().out
    assert "spline_inn" in first and "truth" in first
    files = {path: path.stat().st_mtime_ns for path in (results / "records").rglob("*.json")}
    assert len(files) == 4 and not list(results.rglob("*.log"))
    assert main(verb) == 0
    assert {path: path.stat().st_mtime_ns for path in (results / "records").rglob("*.json")} == files
    assert capsys.readouterr().out == first
    assert main(["status", str(study), "--results", str(results)]) == 0
    assert "4 ok, 0 to run" in capsys.readouterr().out
    for style in ("md", "latex", "csv", "json", "text"):
        assert main(["table", str(study), "--results", str(results), "--format", style]) == 0
        assert "spline" in capsys.readouterr().out
    assert main(["figure", str(study), "--results", str(results)]) == 0
    every = capsys.readouterr().out.split()
    assert all(Path(line).stat().st_size > 1000 for line in every)
    kept = {path: Path(path).read_bytes() for path in every}
    assert main(["figure", str(study), "--results", str(results), "-m", "spline_inn", "-s", "0"]) == 0
    some = [line for line in capsys.readouterr().out.splitlines() if line]
    assert some and not set(some) & set(every), "figures of a part do not replace those of all"
    assert all(Path(path).read_bytes() == content for path, content in kept.items())


def test_a_cell_gives_the_same_bits_alone_or_beside_another(study, tmp_path):
    numbers = []
    for folder, jobs in (("a", 1), ("b", 2)):
        loaded = study_files.load_study(study)
        orders = planning.plan(loaded, tmp_path / folder)
        campaign.execute(orders, Limits(workers=jobs), lambda _: None)
        records = campaign.finished(orders)
        arrays = [store.load_arrays(tmp_path / folder, record) for record in records]
        numbers.append(([record.metrics for record in records], arrays))
    assert numbers[0][0] == numbers[1][0]
    for left, right in zip(numbers[0][1], numbers[1][1], strict=True):
        assert all(np.array_equal(left[name], right[name], equal_nan=True) for name in left)


def test_a_new_metric_is_measured_without_training(study, tmp_path):
    results = tmp_path / "results"
    assert main(["run", str(study), "--results", str(results)]) == 0
    before = {path: path.read_bytes() for path in results.rglob("*.npz")}
    study.write_text(study.read_text().replace('"swd"]', '"swd", "mmd"]'))
    orders = planning.plan(study_files.load_study(study), results)
    assert len(campaign.pending(orders)) == 4
    assert main(["run", str(study), "--results", str(results)]) == 0
    records = campaign.finished(orders)
    assert all("mmd" in record.metrics and "swd" in record.metrics for record in records)
    assert all(np.load(path).files == np.load(path).files for path in before)
    assert not campaign.pending(orders)


def test_killed_at_any_moment_no_finished_cell_is_lost(study, tmp_path):
    study.write_text(STUDY.format(steps=400))
    results, done = tmp_path / "results", []
    for _ in range(2):
        process = start(command(study, results))
        deadline = time.monotonic() + 60
        while (
            time.monotonic() < deadline
            and process.poll() is None
            and len(list((results / "records").rglob("*.json"))) <= len(done)
        ):
            time.sleep(0.05)
        process.kill()
        process.wait(10)
        kept = {path.name: path.read_bytes() for path in (results / "records").rglob("*.json")}
        assert all(kept[name] == content for name, content in done)
        done = list(kept.items())
    assert done
    assert subprocess.run(command(study, results), capture_output=True, check=False, timeout=300).returncode == 0
    kept = {path.name: path.read_bytes() for path in (results / "records").rglob("*.json")}
    assert len(kept) == 4 and all(kept[name] == content for name, content in done)


def within(seconds, wanted):
    deadline = time.monotonic() + seconds
    while not wanted() and time.monotonic() < deadline:
        time.sleep(0.05)
    return wanted()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    "sign", [*(pytest.param(sign, marks=pytest.mark.slow) for sign in (signal.SIGTERM, signal.SIGINT)), signal.SIGKILL]
)
def test_a_cell_ends_with_its_campaign(study, tmp_path, sign):
    study.write_text(STUDY.format(steps=1_000_000_000))
    process = start(command(study, tmp_path / "results", "-m", "spline_inn"))
    try:
        # The server of the workers and a worker, each in a session of its own.
        assert within(90, lambda: len(descendants(process.pid)) >= 2)
        family = descendants(process.pid)
        process.send_signal(sign)
        assert process.wait(30) in (128 + sign, -sign)
        assert within(20, lambda: not any(map(runs, family)))
    finally:
        process.kill()
        process.wait(10)
    assert not [path for path in (tmp_path / "results").rglob(".*") if sign != signal.SIGKILL]


def test_a_timeout_is_a_record_that_says_so_and_can_be_retried(study, tmp_path, capsys):
    results = tmp_path / "results"
    verb = ["run", str(study), "--results", str(results), "-m", "spline_inn", "-s", "0"]
    orders = [one for one in planning.plan(study_files.load_study(study), results) if one.row == "spline_inn"]
    campaign.execute(orders[:1], Limits(timeout=0.01), lambda _: None)
    assert main(["status", str(study), "--results", str(results)]) == 3
    assert "timeout: stopped after its limit of 0.01 s" in capsys.readouterr().out
    assert main(verb) == 3
    assert main([*verb, "--retry"]) == 0


def test_a_missing_device_is_unsupported_with_its_reason(study, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    study.write_text('devices = ["cuda"]\n' + study.read_text())
    orders = planning.plan(study_files.load_study(study), tmp_path)
    record = run_cell.run_cell(orders[0])
    assert record.status == "unsupported" and "no CUDA device" in record.reason


@pytest.mark.parametrize(
    ("backend", "says"),
    [("lightning.gpu", "lightning.gpu"), ("shots:64", "cannot train through a Jacobian")],
)
def test_a_backend_that_cannot_run_a_cell_is_unsupported_with_its_reason(backend, says, tmp_path, monkeypatch):
    monkeypatch.setattr(run_cell.backends, "why_not", lambda name, device: name * (name == "lightning.gpu"))
    path = tmp_path / "small.toml"
    path.write_text(STUDY.format(steps=20).replace("seeds = 2", f'seeds = 1\nbackends = ["{backend}"]') + QINN)
    orders = planning.plan(study_files.load_study(path), tmp_path)[2:]
    campaign.execute(orders, Limits(), lambda _: None)
    record = campaign.finished(orders)[0]
    assert record.status == "unsupported" and says in record.reason


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"spline_inn"', '"spline_in"', "no model is called 'spline_in'; there are: "),
        ("moons[events=2000]", "mons", "no data is called 'mons'; there are: "),
        ("moons[events=2000]", "moons[event=1]", "has no knob 'event'"),
        ('"swd"', '"swdd"', "no metric is called 'swdd'; there are: "),
        ("seeds = 2", "sseeds = 2", "no key is called 'sseeds'; there are: "),
        ("seeds = 2", 'backends = ["tpu"]', "no backend is called 'tpu'; there are: "),
        ("seeds = 2", 'backends = ["shots:0"]', "expected a positive whole number such as shots:1024"),
        ('name = "small"', "name = small", "is not valid TOML"),
        ("bins = 3", "bin = 3", "has no knob 'bin'"),
        ("seeds = 2", "[match]\nparameters = 7", "the study asks for 7"),
    ],
)
def test_a_wrong_study_is_one_sentence_and_exit_code_2(study, capsys, old, new, says):
    study.write_text(study.read_text().replace(old, new))
    if "[match]" in new:
        study.write_text(STUDY.format(steps=20) + "\n[match]\nparameters = 7\n")
    assert main(["run", str(study)]) == 2
    text = capsys.readouterr().err
    assert says in text and text.count("\n") == 1 and "Traceback" not in text


def test_a_missing_study_and_an_empty_filter_are_refused(study, capsys):
    assert main(["run", "nowhere.toml"]) == 2
    assert "there is no study file 'nowhere.toml'" in capsys.readouterr().err
    assert main(["run", str(study), "-m", "nothing"]) == 2
    assert "has no row 'nothing'; there are: truth, spline_inn" in capsys.readouterr().err


def test_rows_of_the_same_label_are_refused(study):
    study.write_text(study.read_text() + '[[models]]\nmodel = "spline_inn"\n')
    with pytest.raises(Refused, match="give each its own label"):
        study_files.load_study(study)


def test_rows_of_one_label_may_be_on_different_data(study):
    first = '[[models]]\nmodel = "spline_inn"\nlabel = "flow"\ndata = ["moons"]\nknobs = { blocks = 2 }\n'
    other = first.replace("moons", "gmm8").replace("2 }", "3 }")
    text = study.read_text().replace("data = [", 'data = ["gmm8[events=400]", ', 1)
    study.write_text(text + first + other)
    orders = planning.plan(study_files.load_study(study), study.parent)
    blocks = {order.cell.data.name: order.cell.model.knobs["blocks"] for order in orders if order.family == "flow"}
    assert blocks == {"gmm8": 3, "moons": 2}
    study.write_text(text + first + other + other)
    with pytest.raises(Refused, match="'flow' on data 'gmm8'"):
        study_files.load_study(study)


def test_a_record_says_what_its_model_costs(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(STUDY.format(steps=20) + QINN)
    order = next(o for o in planning.plan(study_files.load_study(path), tmp_path) if o.cell.model.name == "qinn")
    record = run_cell.run_cell(order)
    spent = record.resources
    # The batch and the points of the barrier, each with the circuit and its two tangents.
    assert spent.circuit_evaluations == 2 * 64 * 3
    assert 0 < spent.rank <= record.parameters.total and spent.rank_rows > 0
    assert spent.cpu_to_best_s > 0 and spent.peak_memory_mb > 50
    stale = record.model_copy(update={"measured": record.measured | {"resources": "old"}, "resources": None})
    store.save(tmp_path, stale, store.load_arrays(tmp_path, record))
    assert run_cell.run_cell(order).resources == spent.model_copy(update={"cpu_to_best_s": None})


def test_floors_and_ceilings_join_a_study_and_the_memoriser_is_caught(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text("floors = true\n" + STUDY.format(steps=5).replace("seeds = 2", "seeds = 1"))
    orders = planning.plan(study_files.load_study(path), tmp_path)
    bounds = {"truth", "gaussian", "elementwise", "product_of_marginals", "memoriser", "oracle"}
    assert [order.row for order in orders[:2]] == ["truth", "spline_inn"] and {o.row for o in orders[2:]} < bounds
    assert len(orders) == 7
    records = {order.row: run_cell.run_cell(order) for order in orders}
    flagged = {row: record.flags for row, record in records.items() if record.flags}
    assert set(flagged) == {"memoriser"} and flagged["memoriser"][0].kind == "memoriser"
    assert {row: record.role for row, record in records.items()} == dict.fromkeys(bounds, "floor") | {
        "oracle": "ceiling",
        "spline_inn": "model",
    }


def test_no_oracle_joins_where_the_density_is_not_known(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text("floors = true\n" + STUDY.format(steps=5).replace("moons[events=2000]", "zjets"))
    rows = {order.row for order in planning.plan(study_files.load_study(path), tmp_path)}
    assert "oracle" not in rows and {"memoriser", "gaussian"} < rows


def test_a_planted_test_set_leak_is_caught(tmp_path, monkeypatch):
    """A model that replays the very rows it is judged by, as a study would run it."""
    module = registry.find("model", "memoriser")
    plain = module.Memoriser.__init__
    monkeypatch.setattr(
        module.Memoriser, "__init__", lambda model, dim, data: plain(model, dim, replace(data, train=data.test))
    )
    path = tmp_path / "small.toml"
    path.write_text(STUDY.format(steps=5).replace('"truth"', '"memoriser"').replace("2000", "4000"))
    found = run_cell.run_cell(planning.plan(study_files.load_study(path), tmp_path)[0]).flags
    assert {flag.kind for flag in found} >= {"leak"} and "memoriser" not in {flag.kind for flag in found}


LADDER = """
name = "ladder"
data = ["moons[events=400]"]
seeds = 1
sizes = [60, 150, 5000]
[match]
tolerance = 0.2
[budgets.b]
steps = 1
[[models]]
model = "spline_inn"
ladder = [{ blocks = 2, hidden = 2, bins = 3 }, { blocks = 2, hidden = 7, bins = 3 }]
"""


def test_a_ladder_meets_sizes_by_its_nearest_rung_and_says_which_it_misses(tmp_path):
    path = tmp_path / "ladder.toml"
    path.write_text(LADDER)
    orders = planning.plan(study_files.load_study(path), tmp_path)
    assert [order.size for order in orders] == [60, 150, 5000]
    assert [order.cell.model.knobs["hidden"] for order in orders] == [2, 7, 7]
    assert not orders[0].skip and not orders[1].skip and "the nearest is spline_inn" in orders[2].skip
    path.write_text(LADDER.replace("[match]\ntolerance = 0.2\n", "").replace("sizes = [60, 150, 5000]\n", ""))
    with pytest.raises(Refused, match="has a ladder"):
        study_files.load_study(path)


def test_controls_can_be_kept_to_some_sizes(tmp_path):
    path = tmp_path / "some.toml"
    text = LADDER.replace("seeds = 1\n", "seeds = 1\ncontrols = true\ncontrol_sizes = [150]\n")
    text += '\n[[models]]\nmodel = "qinn"\nknobs = { fidelity = 0.0 }\nladder = [{ uploads = 4 }, { uploads = 11 }]\n'
    path.write_text(text)
    orders = planning.plan(study_files.load_study(path), tmp_path)
    controlled = {order.control_of for order in orders if order.cell.control}
    assert controlled == {"qinn · 150"}
    path.write_text(text.replace("[150]", "[7]"))
    with pytest.raises(Refused, match="none of its sizes"):
        study_files.load_study(path)
    path.write_text(text.replace("controls = true", "equal_controls = true"))
    with pytest.raises(Refused, match="says equal_controls, but has no controls"):
        study_files.load_study(path)


EQUAL = """seeds = 1
controls = true
equal_controls = true
samples = 100
mass_draws = 2000
metrics = ["swd"]
"""


QINN = '\n[[models]]\nmodel = "qinn"\nknobs = { fidelity = 0.0, mmd = 0.0 }\n'


@pytest.mark.parametrize("row", ["ladder = [{ uploads = 4 }, { uploads = 11 }]", 'shape = "balanced"'])
def test_a_control_without_entanglers_can_have_the_size_of_its_model(tmp_path, row):
    """Its model is larger in one knob; the other controls have the model of the row."""
    path = tmp_path / "equal.toml"
    text = LADDER[: LADDER.index("[[models]]")].replace("[60, 150, 5000]", "[150]")
    path.write_text(text.replace("seeds = 1\n", EQUAL) + QINN + row)
    study = study_files.load_study(path)
    orders = {order.cell.control: order.cell.model for order in planning.plan(study, tmp_path)}
    model, larger = orders[""], orders["unentangled"]
    assert {name for name in model.knobs if larger.knobs[name] != model.knobs[name]} == {"uploads"}
    assert orders["frozen"] == orders["tanh"] == model
    for slot in grid.slots(study, grid.draw(study)):
        assert slot.may_have(orders[slot.cell.control])


@pytest.mark.slow
def test_such_a_control_is_run_tuned_and_told(tmp_path, capsys):
    path, results = tmp_path / "equal.toml", tmp_path / "results"
    text = LADDER[: LADDER.index("[[models]]")].replace("[60, 150, 5000]", "[150]").replace("seeds = 1\n", EQUAL)
    path.write_text(text + "[tuning]\ntrials = 2\nmass_draws = 2000\n" + QINN + 'shape = "balanced"')
    assert main(["run", str(path), "--results", str(results), "-j", "1"]) == 0
    records = {one.cell.control: one for one in store.load_all(results, "ladder")}
    model, control = records[""], records["unentangled"]
    assert abs(control.parameters.total / model.parameters.total - 1) < 0.07
    assert records["frozen"].cell.model == model.cell.model != control.cell.model
    capsys.readouterr()
    assert main(["status", str(path), "--results", str(results)]) == 0
    assert "6 finished" in (told := capsys.readouterr().out) or "0 to run" in told
    assert main(["table", str(path), "--results", str(results)]) == 0
    assert "not of this version" not in capsys.readouterr().out
