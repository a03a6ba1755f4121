"""No file is too long to be read at once, and no function to be understood at once."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for name in ("qinn_bench", "reference_models", "benchmarks") for path in (ROOT / name).rglob("*.py")
)
LINES, STATEMENTS = 300, 50
"""Lines of a file, and of a function without its docstring."""


def length(function):
    """The lines of a function; its docstring does not count."""
    first = function.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    lines = function.end_lineno - function.lineno + 1
    return lines - (first.end_lineno - first.lineno + 1) if text else lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf8")
    assert len(text.splitlines()) <= LINES
    functions = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {one.name: length(one) for one in functions if length(one) > STATEMENTS} == {}
