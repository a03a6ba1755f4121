"""What exists, read from the text of files: the same as imported, without torch, and in time for a typo."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import qinn_bench.metrics
import reference_models
from qinn_bench import catalogue, file_text, registry
from qinn_bench.cli.main import main
from qinn_bench.file_text import Made
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.study import study_files
from qinn_bench.values import Refused, Use

ROOT = Path(__file__).parents[1]
QUICK = ROOT / "benchmarks" / "studies" / "quick.toml"
TOYS = ROOT / "benchmarks" / "studies" / "toys.toml"
HEAVY = {"torch", "sklearn", "pennylane", "matplotlib"}


@pytest.mark.parametrize("kind", ["model", "data"])
def test_models_and_data_are_read_as_they_are_imported(kind):
    for name in registry.names(kind):
        read = catalogue.made(kind, name)
        assert file_text.made(kind, catalogue.file_of(kind, name)) == read, (
            f"the text of {name} does not say what it is"
        )
        assert read == catalogue._imported(kind, name)
        assert all(type(value) is type(registry.knob_defaults(kind, name)[knob]) for knob, value in read.knobs.items())
    if kind == "model":
        assert catalogue.roles() == {name: registry.role(name) for name in registry.names("model")}


def test_metrics_are_read_as_they_are_imported():
    read = catalogue.metrics()
    assert read.keys() == all_metrics().keys() == catalogue.own_metrics().keys()
    for name, metric in all_metrics().items():
        source = f"{metric.compute.__module__}:{metric.compute.__qualname__}"
        assert read[name] == catalogue._measured(metric)
        assert read[name][:5] == (name, metric.title, metric.needs, metric.stated, source)


@pytest.mark.parametrize("kind", ["model", "data"])
def test_knobs_are_filled_in_as_the_registry_does(kind):
    for name in registry.names(kind):
        later = {knob: not value for knob, value in registry.later(kind, name).items() if isinstance(value, bool)}
        for knobs in ({}, registry.later(kind, name), later):
            use = Use(name=name, knobs=knobs)
            assert catalogue.spell_out(kind, use) == registry.spell_out(kind, use)


def test_every_column_of_ours_has_a_heading_and_a_meaning():
    declared = [column for one in catalogue.metrics().values() for column in one.columns]
    assert all(column.short and column.meaning for column in [*declared, *catalogue.COMPUTED.values()])
    assert all(one.columns for one in catalogue.metrics().values())
    names = [column.name for column in declared] + list(catalogue.COMPUTED)
    assert len(names) == len(set(names))


def test_a_star_stands_for_an_observable():
    column = catalogue.column_of("w1_m_ll")
    assert column is not None and (column.name, column.short, column.shown) == ("w1_m_ll", "raw W₁ m_ll", False)
    assert catalogue.column_of("clipped_w1_mean").shown and not catalogue.column_of("w1_mean").shown
    assert catalogue.column_of("nothing") is None
    assert (catalogue.stem_of("w1_m_ll"), catalogue.stem_of("w1_mean"), catalogue.stem_of("nll")) == ("w1_", "", "")
    assert catalogue.stem_of("clipped_w1_m_ll") == "clipped_w1_" and catalogue.measure_of("w1_m_ll").name == "w1"


@pytest.mark.parametrize(
    ("source", "knobs"),
    [
        ("N = 3\ndef build(dim, *, n: int = N): ...", {"n": 3}),
        ("def build(dim, *, a=-1.5, b='x', c=True, data=None): ...", {"a": -1.5, "b": "x", "c": True}),
        ("def build(dim): ...", {}),
    ],
)
def test_knobs_are_read_from_text(source, knobs, tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(f'"""A model.\n\nMore."""\n{source}\n')
    found = file_text.made("model", tmp_path / "own.py")
    assert found is not None and (found.about, found.knobs, found.role) == ("A model.", knobs, "model")


@pytest.mark.parametrize(
    "source",
    [
        "def build(dim, *, n=len('abc')): ...",
        "from x import build",
        "def build(dim, **knobs): ...",
        "def (",
        "build = 3",
    ],
)
def test_what_the_text_does_not_say_is_imported(source, tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(source)
    monkeypatch.setattr(catalogue, "file_of", lambda kind, name: tmp_path / f"{name}.py")

    def build(dim, *, n=3):
        """A maker that only an import knows."""

    monkeypatch.setattr(registry, "find", lambda kind, name: SimpleNamespace(build=build, __doc__="Odd."))
    said = Made("Odd.", {"n": 3}, frozenset({"dim", "n"}), "model", {}, False, ("flat",), False)
    assert catalogue.made("model", "odd") == said


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (Use(name="qin"), "no model is called 'qin'; there are: affine_inn"),
        (Use(name="qinn", knobs={"upload": 1}), "model 'qinn' has no knob 'upload'; there are: barrier"),
        (Use(name="qinn", knobs={"uploads": "x"}), "knob 'uploads' is 'x', expected int"),
    ],
)
def test_what_is_refused_is_refused_as_the_registry_does(use, said):
    with pytest.raises(Refused, match=said) as early:
        catalogue.check("model", use)
    with pytest.raises(Refused) as late:
        registry.spell_out("model", use)
    assert str(early.value) == str(late.value)


def loaded(arguments):
    """What the command line has loaded when it has run, and its exit code."""
    code = (
        "import sys\nfrom qinn_bench.cli.main import main\n"
        f"code = main({arguments!r})\nprint(code, *sys.modules, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    last, said = found.stderr.splitlines()[-1].split(), found.stderr.splitlines()[0]
    return int(last[0]), set(last[1:]), said + found.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"swd", "w1"', '"swd", "w11"', "no metric is called 'w11'; there are: "),
        ('"clipped_w1_m_ll"', '"clipped_w1_mll"', "no column is called 'clipped_w1_mll'; there are: "),
        ("uploads = 7", "upload = 7", "model 'qinn' has no knob 'upload'; there are: "),
        ('model = "spline_inn"', 'model = "spline"', "no model is called 'spline'; there are: "),
        ('data = ["zjets"]', 'data = ["zjet"]', "no data is called 'zjet'; there are: "),
        ("seeds = 5", 'backends = ["naitve"]', "no backend is called 'naitve'; there are: "),
    ],
)
def test_a_typo_in_a_study_costs_no_import_of_torch(old, new, said, tmp_path):
    study = tmp_path / "typo.toml"
    study.write_text(QUICK.read_text(encoding="utf8").replace(old, new, 1), encoding="utf8")
    code, modules, told = loaded(["run", str(study)])
    assert code == 2 and said in told and not HEAVY & modules


def test_a_typo_in_a_column_reads_no_data_that_cannot_know_it(tmp_path):
    """The toys load torch to draw their rows; only the column of an observable has to be looked for there."""
    study = tmp_path / "typo.toml"
    study.write_text(TOYS.read_text(encoding="utf8").replace('"parameters"', '"parameterz"', 1), encoding="utf8")
    code, modules, told = loaded(["run", str(study)])
    assert code == 2 and "no column is called 'parameterz'; there are: " in told and not HEAVY & modules


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table", str(QUICK), "--columns", "nll,w1_mll"], "no column is called 'w1_mll'; there are: "),
        (["run", str(QUICK), "-m", "qnn"], "'quick' has no row 'qnn'; there are: truth, gaussian"),
        (["run", str(QUICK), "--data=moons"], "'quick' has no data set 'moons'; there are: zjets"),
        (["match", "-d", "zjets", "--params", "9", "-m", "qnn"], "no model is called 'qnn'; there are: "),
        (["status", "nowhere.toml"], "there is no study file 'nowhere.toml'"),
    ],
)
def test_a_typo_in_a_word_costs_none_either(arguments, said):
    code, modules, told = loaded(arguments)
    assert code == 2 and said in told and not HEAVY & modules


def test_the_list_needs_no_torch_and_names_columns(capsys):
    code, modules, told = loaded(["list"])
    assert code == 0 and not HEAVY & modules and "spline_inn" in told and "swd" in told
    assert main(["list", "metrics", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["columns"]["train_s"].startswith("CPU time") and "w1_*" in listed["columns"]


@pytest.mark.parametrize(
    ("kind", "source", "said"),
    [
        ("models", "def build(", "is broken: its import ends in SyntaxError"),
        ("models", "import nosuch\ndef build(dim, *, n=len('a')): ...", "No module named 'nosuch'"),
        ("models", "ROLE = 'judge'\ndef build(dim): ...", "it states ROLE, expected ABOUT = About(role=...)"),
        ("models", "CITATION = 'nobody'", "it has no build"),
        ("metrics", "METRICS = (", "is broken: its import ends in SyntaxError"),
        ("metrics", "import nosuch\nMETRICS = tuple(nosuch.all)", "No module named 'nosuch'"),
    ],
)
def test_a_broken_file_is_listed_with_its_reason_and_harms_no_other(kind, source, said, tmp_path, monkeypatch, capsys):
    package = reference_models if kind == "models" else qinn_bench.metrics
    name = f"broken_{len(source)}"  # What was imported once is kept by its name.
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert said in listed[kind][name] and "nll" in listed["metrics"] and "qinn" in listed["models"]
    assert study_files.load_study(QUICK).name == "quick"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("arguments", [["list"], ["list", "metrics"], ["data", "list"], ["data", "info", "zjets"]])
def test_lists_fit_their_terminal(arguments, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


def test_third_parties_are_asked_only_for_what_is_not_ours(monkeypatch):
    ours, asked, find = all_metrics()["swd"], [], registry.find
    monkeypatch.setattr(registry, "_installed", lambda kind: {"theirs": "their.module"} if kind == "metric" else {})

    def found(kind, name):
        asked.append(name)
        theirs = SimpleNamespace(METRICS=(replace(ours, name="theirs", columns=()),))
        return theirs if name == "theirs" else find(kind, name)

    monkeypatch.setattr(registry, "find", found)
    study_files.check_metrics(("swd", "nll"))
    study_files.check_columns(("swd", "nll_claimed", "seeds"), ())
    assert not asked and catalogue.column_of("w1_m_ll")
    study_files.check_metrics(("theirs",))
    study_files.check_columns(("theirs_of_anything",), ())
    assert "theirs" in asked


def test_a_study_of_the_project_is_found_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["status", "quick"], ["claims", "check", "rousselot2024"]):
        assert main([*words, "--results", str(tmp_path)]) in (0, 5)
    assert main(["capacity", "quik"]) == main(["status", "quik"]) == 2
    said = capsys.readouterr().err
    known = sorted(path.stem for path in (ROOT / "benchmarks" / "studies").glob("*.toml"))
    assert said.count(f"by name there are: {', '.join(known)}") == 2
    (tmp_path / "quick").write_text("name = 3")
    assert main(["status", "quick"]) == 2 and "quick" in capsys.readouterr().err


@pytest.mark.parametrize(("knobs", "least"), [({"blocks": -1}, 1), ({"blocks": 0}, 1), ({"hidden": 0}, 1)])
def test_a_size_below_the_smallest_is_refused_before_anything_is_built(knobs, least):
    with pytest.raises(Refused, match=f"at least {least} was expected"):
        registry.spell_out("model", Use(name="affine_inn", knobs=knobs))
    assert registry.spell_out("model", Use(name="qinn", knobs={"preparation": 0}))
    with pytest.raises(Refused, match="at least 0 was expected"):
        registry.spell_out("model", Use(name="qinn", knobs={"preparation": -1}))
