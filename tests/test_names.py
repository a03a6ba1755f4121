"""One word for one thing: a public name is defined once in the package."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_TWO_FIELDS = {"Observable"}
"""A quantity computed from an event, and an operator whose mean a circuit answers: both are called so by everybody."""
SAME = {"Arrays"}
"""The same type on two floors that do not know each other."""


def defined(path):
    """The classes and types that a file defines at its top; constants are in capitals and count for their file."""
    for node in ast.parse(path.read_text(encoding="utf8")).body:
        names = [node.name] if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def test_every_public_name_means_one_thing():
    places = defaultdict(set)
    for path in (ROOT / "qinn_bench").rglob("*.py"):
        for name in defined(path):
            places[name].add(str(path.relative_to(ROOT)))
    several = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in several.items() if name not in OF_TWO_FIELDS | SAME} == {}
