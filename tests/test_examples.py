"""Every public class that a reader meets shows how it is used, by an example that runs as a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNSEEN = {
    "qinn_bench/cli": "its classes are the command line's own",
    "qinn_bench/laws": "what the verb check asks of a file, and on which cases",
    "qinn_bench/performance": "it measures this project, and is used by its verbs",
    "qinn_bench/quantum/compiler": "what a circuit is turned into before a kernel runs it",
    "qinn_bench/quantum/pennylane": "PennyLane calls it, through a device or a backend",
    "qinn_bench/quantum/simulators": "a backend calls it",
    "qinn_bench/records": "records are read and written by functions; the nouns are in values",
    "qinn_bench/study": "what a campaign passes between its processes",
}
"""Rooms whose classes need no example, with the reason; files that are `SEEN` are asked for one all the same."""
SEEN = {"qinn_bench/study/selection.py", "qinn_bench/study/run_study.py"}
EXCEPTIONS: dict[str, str] = {
    "qinn_bench.locks.NoLocks": "an error that a file system without locks causes",
    "qinn_bench.locks.Lock": "held by the campaign that runs a cell",
    "qinn_bench.sources.Module": "a parsed file, for the fingerprints of code",
}
"""Classes without an example, with the reason."""


def public_classes():
    """The public classes of the seen rooms, as dotted names with their docstrings; protocols are met and not made."""
    for path in sorted([*(ROOT / "qinn_bench").rglob("*.py"), *(ROOT / "reference_models").rglob("*.py")]):
        place = path.relative_to(ROOT).as_posix()
        if place not in SEEN and any(place.startswith(f"{room}/") for room in UNSEEN):
            continue
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            if not any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
                dotted = ".".join(Path(place).with_suffix("").parts)
                yield f"{dotted}.{node.name}", ast.get_docstring(node) or ""


CLASSES = dict(public_classes())


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_public_class_has_an_example(name):
    assert name in EXCEPTIONS or ">>> " in CLASSES[name], f"{name} shows nobody how it is used"


def test_every_exception_is_one():
    assert [name for name in EXCEPTIONS if ">>> " in CLASSES.get(name, ">>> ")] == []
    assert len(CLASSES) > 150 and len(EXCEPTIONS) <= 10
    assert all((ROOT / room).is_dir() for room in UNSEEN) and all((ROOT / file).is_file() for file in SEEN)


def test_examples_are_collected(pytestconfig):
    assert pytestconfig.getoption("doctestmodules")
    assert {"qinn_bench", "reference_models"} <= set(pytestconfig.getini("testpaths"))
