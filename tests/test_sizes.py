"""No file is too long to be read at once, and no function to be understood at once."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for name in ("qinn_bench", "reference_models", "benchmarks") for path in (ROOT / name).rglob("*.py")
)
LINES, STATEMENTS = 300, 50
"""Lines of a file without the examples in its docstrings, and of a function without its docstring."""


def length(function):
    """The lines of a function; its docstring does not count."""
    first = function.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    lines = function.end_lineno - function.lineno + 1
    return lines - (first.end_lineno - first.lineno + 1) if text else lines


def examples(tree):
    """The lines of the examples, each from where it begins to the end of its docstring."""
    texts = [node.value.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_text(node.value)]
    lines = [[line.strip() for line in text.splitlines()] for text in texts]
    starts = [[at for at, line in enumerate(own) if line == "Example:" or line.startswith(">>> ")] for own in lines]
    return sum(len(own) - at[0] for own, at in zip(lines, starts, strict=True) if at)


def _is_text(value):
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf8")
    tree = ast.parse(text)
    assert len(text.splitlines()) - examples(tree) <= LINES
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {one.name: length(one) for one in functions if length(one) > STATEMENTS} == {}
