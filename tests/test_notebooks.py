"""The notebooks run from their first cell to their last, in an empty folder; as notebooks too where jupytext is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.py"))
CELL = re.compile(r"^# %%(?: \[markdown\])?$", re.MULTILINE)
HAS = all(importlib.util.find_spec(name) for name in ("jupytext", "nbconvert", "ipykernel"))
ENVIRONMENT = {**os.environ, "MPLBACKEND": "agg"}
SECONDS = 1200


def test_there_are_three_and_the_page_of_python_names_them():
    assert [path.stem for path in NOTEBOOKS] == ["claim", "first_study", "own_qnode"]
    page = (ROOT / "docs/python.md").read_text("utf8")
    assert all(f"](notebooks/{path.name})" in page for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_text_and_code_in_turns_and_says_what_it_is(path):
    text = path.read_text("utf8")
    assert text.startswith("# ---\n# jupyter:") and "formats: py:percent" in text
    cells = CELL.split(text)[1:]
    assert cells[0].strip().startswith("# # ") and len(cells) >= 6
    compile(text, str(path), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(not HAS, reason="jupytext, nbconvert and ipykernel are not all here (extra notebooks)")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_as_a_notebook_every_code_cell_has_been_executed(path, tmp_path):
    out = tmp_path / f"{path.stem}.ipynb"
    words = [sys.executable, "-m", "jupytext", "--to", "ipynb", "--execute", "--run-path", str(tmp_path)]
    done = subprocess.run(
        [*words, "--output", str(out), str(path)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads(out.read_text("utf8"))["cells"]
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
