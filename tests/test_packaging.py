"""What others install: workflow, container file, extras, and a plug-in of QUARK against its documented interface."""

from __future__ import annotations

import re
import sys
import tomllib
import types
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from qinn_bench import quark_plugin
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
QUICK = {"study": "quick", "records": str(ROOT / "results/published/quick.jsonl.gz"), "columns": "parameters,nll,swd"}


class Core(ABC):
    """QUARK's base class, as its documentation states it: two methods are owed, two have defaults."""

    @abstractmethod
    def preprocess(self, data): ...

    @abstractmethod
    def postprocess(self, data): ...

    def get_metrics(self):
        return {}

    def get_unique_name(self):
        return None


@pytest.fixture
def quark(monkeypatch):
    """A framework that makes modules by name, as QUARK does."""
    made = {}
    factory = types.SimpleNamespace(register=made.__setitem__, create=lambda name, arguments: made[name](**arguments))
    for name, own in {"quark.core": {"Core": Core}, "quark.plugin_manager.factory": vars(factory)}.items():
        module = types.ModuleType(name)
        vars(module).update(own)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setitem(sys.modules, name.partition(".")[0], types.ModuleType("quark"))
    monkeypatch.setitem(sys.modules, "quark.plugin_manager", types.ModuleType("quark.plugin_manager"))
    return factory


def test_a_pipeline_of_quark_has_the_numbers_of_the_table(quark):
    quark_plugin.register()
    module = quark.create(quark_plugin.NAME, QUICK | {"model": "spline_inn"})
    assert isinstance(module, Core)
    assert module.preprocess("from above") == "from above"
    above = module.postprocess(None)
    assert above == module.get_metrics() and list(above) == ["zjets · spline_inn"]
    nll = above["zjets · spline_inn"]["nll"]
    assert nll["unit"] == "nats" and 17 < nll["value"] < 19 and 0 < nll["uncertainty"] < 1
    assert above["zjets · spline_inn"]["parameters"]["value"] == 365


def test_names_of_results_differ_where_parameters_do_and_are_names_of_files():
    names = {
        quark_plugin.QuarkStudy("quick", model=model, seed=seed).get_unique_name() for model in "ab" for seed in (0, 1)
    }
    assert len(names) == 4 and all(re.fullmatch(r"[\w-]+", name) for name in names)


def test_what_cannot_be_had_is_refused():
    with pytest.raises(Refused, match="no study file"):
        quark_plugin.QuarkStudy("no_such_study", records=QUICK["records"]).preprocess(None)


def test_cibuildwheel_builds_for_every_python_that_is_supported_and_tries_each_wheel():
    told = PROJECT["tool"]["cibuildwheel"]
    versions = {one.rpartition(" ")[2] for one in PROJECT["project"]["classifiers"] if ":: 3." in one}
    assert {f"cp{one.replace('.', '')}-*" for one in versions} == set(told["build"].split())
    assert "musllinux" in told["skip"] and "doctor" in told["test-command"]


def test_the_container_has_what_the_suite_needs_and_nothing_of_the_folder_that_it_is_made_in():
    text = (ROOT / "Containerfile").read_text("utf8")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.12-slim"] * 2
    assert "--constraint constraints.txt" in text and 'ENTRYPOINT ["qinn-bench"]' in text and "USER 1000" in text
    ignored = (ROOT / ".dockerignore").read_text("utf8").splitlines()
    assert {".git", ".venv", "results/records"} <= set(ignored)


def test_every_extra_of_a_make_target_exists():
    extras = set(PROJECT["project"]["optional-dependencies"])
    asked = re.findall(r"editable '\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text("utf8"))
    assert {one for names in asked for one in names.split(",")} <= extras
    assert {"quark", "notebooks", "docs"} <= extras
