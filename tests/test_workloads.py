"""Workloads: all of them run, their versions follow their source, and their counters are exact."""

from __future__ import annotations

import json
import sys
import types
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import torch

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.performance import model_loads, suite_loads, workloads
from qinn_bench.performance.counters import count, golden
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.counters.golden import Known
from qinn_bench.performance.versions import version_of
from qinn_bench.performance.workloads import WORKLOADS, Workload
from qinn_bench.values import Refused, Use
from tests.data_at_hand import AT_HAND

SOURCE = '''"""A workload of its own."""
from qinn_bench import seeds
from qinn_bench.performance import engine

ROUNDS = 100

def helper(n):
    return sum(range(n))

def unused(n):
    return n

def make():
    def step():
        return tuple(helper(3) for _ in range(ROUNDS))
    return step

def measured():
    return lambda: seeds.seed_of("name")
'''


def module_of(tmp_path, source, monkeypatch):
    """A module of the folder of performance, made of this source."""
    path = tmp_path / f"loads{abs(hash(source))}.py"
    path.write_text(source, encoding="utf8")
    name = f"qinn_bench.performance.{path.stem}"
    spec = spec_from_file_location(name, path)
    made = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, made)
    spec.loader.exec_module(made)
    for value in vars(made).values():
        if isinstance(value, types.FunctionType):
            value.__module__ = "qinn_bench.performance.loads"
    return made


def version(tmp_path, monkeypatch, old="", new="", factory="make"):
    assert old in SOURCE
    return version_of(
        getattr(module_of(tmp_path, SOURCE.replace(old, new, 1) if old else SOURCE, monkeypatch), factory)
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [("helper(3)", "helper(4)"), ("sum(range(n))", "sum(range(n + 1))"), ("ROUNDS = 100", "ROUNDS = 101")],
)
def test_an_edited_workload_has_another_version(tmp_path, monkeypatch, old, new):
    assert version(tmp_path, monkeypatch, old, new) != version(tmp_path, monkeypatch)


def test_what_a_workload_does_not_use_is_none_of_its_version(tmp_path, monkeypatch):
    assert version(tmp_path, monkeypatch, "return n\n", "return 2 * n\n") == version(tmp_path, monkeypatch)
    assert version(tmp_path, monkeypatch, '"""A workload', '"""Another workload') == version(tmp_path, monkeypatch)


def test_measured_code_is_none_of_the_version(tmp_path, monkeypatch):
    before = version(tmp_path, monkeypatch, factory="measured")
    monkeypatch.setattr("qinn_bench.seeds.seed_of", lambda *names: 0)
    assert version(tmp_path, monkeypatch, factory="measured") == before


def test_the_folder_is_none_of_the_version(monkeypatch):
    before = version_of(suite_loads.start)
    monkeypatch.setattr(suite_loads, "__file__", "/elsewhere/suite_loads.py")
    assert version_of(suite_loads.start) == before


def test_helpers_and_constants_of_real_workloads_are_part_of_their_version(monkeypatch):
    before = version_of(model_loads.model)
    monkeypatch.setattr(model_loads, "DATA", Use(name="moons"))
    assert version_of(model_loads.model) != before
    monkeypatch.undo()
    monkeypatch.setattr(model_loads, "_step", lambda *_: ())
    assert version_of(model_loads.model) != before


def test_every_model_metric_and_data_set_is_a_workload():
    assert set(WORKLOADS["model"].grid["name"]) == set(registry.names("model"))
    assert set(WORKLOADS["metric"].grid["name"]) == set(all_metrics())
    assert set(WORKLOADS["data"].grid["name"]) == set(registry.names("data"))


def ran(use):
    """Whether a use makes a step that runs; work that cannot run here is told in words."""
    try:
        done = workloads.make(use)()
    except Refused as refusal:
        return str(refusal)
    assert isinstance(done, tuple)
    return ""


def test_the_first_point_of_each_workload_makes_and_steps():
    why = {name: ran(next(workload.uses())) for name, workload in WORKLOADS.items() if name != "tabled"}
    assert {name for name, said in why.items() if "not built" not in said and said} <= {"engine_cuda"}


@pytest.mark.slow
def test_all_workloads_make_and_step():
    why = {str(use): ran(use) for use in workloads.uses()}
    lost = {use for use, said in why.items() if said and not use.startswith("engine_cuda")}
    lost -= {f"data[name={name}]" for name in registry.names("data") if name not in AT_HAND}
    unfit = {use for use in lost if "but was asked for flat rows of 2 numbers" in why[use]}
    assert all(use.startswith("model") for use in lost)
    assert all(use.endswith(("what=step]", "what=sample]", "what=log_prob]")) for use in lost - unfit)


@pytest.mark.parametrize("what", ["train", "sleep"])
def test_what_models_do_not_do_is_refused(what):
    with pytest.raises(Refused, match=r"models do not '.*'; there are: build, step, sample, log_prob"):
        model_loads.model("gaussian", what, "native", 4)


@pytest.mark.slow
def test_counters_repeat_in_fresh_processes():
    uses = [
        *WORKLOADS["engine_depth"].uses(),
        *(
            Use(name="model", knobs={"name": n, "what": "step", "backend": "torch", "rows": 16})
            for n in ("qinn", "spline_inn")
        ),
        Use(name="metric", knobs={"name": "swd", "rows": 100}),
        Use(name="data", knobs={"name": "moons"}),
    ]
    first, again = (list(count.counted(uses)) for _ in range(2))
    assert [one.workload for one in first] == uses
    known = {str(one.workload): Known(version=one.version, counters=one.counters) for one in first}
    assert golden.compare(known, again) == []


def planted(rounds):
    """A hundred rounds of work, or more."""

    def make():
        numbers = torch.ones(8)
        return lambda: tuple(numbers.add(1.0).sum() for _ in range(rounds))

    return make


def test_one_percent_of_planted_work_is_found(monkeypatch):
    def found(rounds):
        monkeypatch.setitem(WORKLOADS, "planted", Workload("planted", "", {}, planted(rounds)))
        return Counted(workload=Use(name="planted"), version="1", counters=count.count(Use(name="planted")))

    base = found(200)
    known = {"planted": Known(version="1", counters=base.counters)}
    assert all(golden.compare(known, [found(200)]) == [] for _ in range(5))
    changes = {change.counter: change for change in golden.compare(known, [found(202)])}
    assert changes["operations"].share == pytest.approx(0.01)
    assert (changes["operations"].before, changes["operations"].after) == (400, 404)
    grown = {change.counter: change.kind for change in golden.compare(known, [found(204)])}
    assert grown["operations"] == grown["bytes"] == "grown"


def counted(**numbers):
    return Counted(workload=Use(name="w"), version=numbers.pop("version", "1"), counters=numbers)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (1000, 1000, None),
        (1000, 1001, "moved"),
        (1000, 1010, "moved"),
        (1000, 1011, "grown"),
        (1000, 999, "less"),
        (0, 1, "grown"),
    ],
)
def test_a_change_is_told_to_the_digit(before, after, kind):
    known = {"w": Known(version="1", counters={"calls": before})}
    changes = golden.compare(known, [counted(calls=after)])
    assert [change.kind for change in changes] == ([] if kind is None else [kind])
    assert all(f"calls {before} -> {after}" in str(change) for change in changes)


def test_a_peak_has_a_tolerance():
    known = {"w": Known(version="1", counters={"peak_bytes": 1_000_000})}
    assert golden.compare(known, [counted(peak_bytes=1_009_000)]) == []
    assert [change.kind for change in golden.compare(known, [counted(peak_bytes=1_020_000)])] == ["grown"]
    assert golden.compare({"w": Known(version="1", counters={"peak_bytes": 100})}, [counted(peak_bytes=3000)]) == []


def test_another_version_is_not_compared():
    known = {"w": Known(version="1", counters={"calls": 1})}
    assert [change.kind for change in golden.compare(known, [counted(calls=9, version="2")])] == ["version"]


def test_new_and_lost_counters_are_told():
    known = {"w": Known(version="1", counters={"calls": 1})}
    assert [(c.kind, c.counter) for c in golden.compare(known, [counted(flops=2)])] == [
        ("gone", "calls"),
        ("new", "flops"),
    ]
    assert [c.kind for c in golden.compare({}, [counted(flops=2)])] == ["new"]


def here(uses):
    """Counters taken in this process."""
    return (Counted(workload=u, version=WORKLOADS[u.name].version, counters=count.count(u)) for u in uses)


def test_the_verb_keeps_checks_and_blocks(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(count, "counted", here)
    path, words = tmp_path / "golden.json", ["counters", "data[name=moons]", "--golden"]
    assert main([*words, str(path), "--check"]) == 0
    assert "no counters are known for Python" in capsys.readouterr().out
    assert main([*words, str(path), "--accept"]) == 0
    assert main([*words, str(path), "--check"]) == 0
    assert "1 workloads ask for what they did" in capsys.readouterr().out
    content = json.loads(path.read_text(encoding="utf8"))
    content[golden.environment()]["data[name=moons]"]["counters"]["calls"] -= 100
    path.write_text(json.dumps(content), encoding="utf8")
    assert main([*words, str(path), "--check"]) == 1
    said = capsys.readouterr().out
    assert "GROWN data[name=moons]: calls" in said
    assert "qinn-bench counters 'data[name=moons]' --accept" in said


def test_a_broken_file_of_counters_is_refused(tmp_path):
    (tmp_path / "golden.json").write_text("[1]", encoding="utf8")
    with pytest.raises(Refused, match="does not hold known counters"):
        golden.load(tmp_path / "golden.json")
