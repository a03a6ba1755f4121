"""The workflow of the nightly run: who may write, what is pinned, and that nothing from outside gets into a shell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / ".github/workflows/nightly.yml").read_text(encoding="utf8")


def below(text, key):
    """The lines below ``key:``, which stands first in its line, without their common indent; comments are left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    at = lines.index(f"{key}:")
    inside = []
    for line in lines[at + 1 :]:
        if not line.startswith(" "):
            break
        inside.append(line)
    indent = len(inside[0]) - len(inside[0].lstrip())
    return "\n".join(line[indent:] for line in inside)


def job(name):
    return below(below(TEXT, "jobs"), name)


def scripts():
    """What the steps hand to the shell."""
    for indent, script in re.findall(r"^( +)(?:- )?run: \|\n((?:\1 +.*\n|\n)+)", TEXT, re.M):
        yield "\n".join(line[len(indent) + 2 :] for line in script.splitlines())
    yield from re.findall(r"run: ([^|\n].*)", TEXT)


def test_only_the_job_that_publishes_may_write():
    assert below(TEXT, "permissions") == "contents: read"
    assert below(job("measure"), "permissions") == "contents: read"
    assert below(job("publish"), "permissions") == "contents: write\nissues: write"
    assert TEXT.count(": write") == 2 and "write-all" not in TEXT


def test_the_job_that_measures_keeps_no_credentials_and_the_other_runs_nothing_of_the_project():
    measure, publish = job("measure"), job("publish")
    assert measure.count("actions/checkout@") == measure.count("persist-credentials: false") == 2
    assert "secrets." not in TEXT and "github.token" not in measure
    assert not re.search(r"python|make |pip |\.venv", publish)


def test_actions_are_pinned_by_commit():
    used = re.findall(r"uses: (.*)", TEXT)
    assert len(used) >= 6
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[\d.]+", one) for one in used)


def test_nothing_is_pasted_into_a_script():
    found = list(scripts())
    assert len(found) == 5
    assert not any("${{" in script for script in found)


@pytest.mark.parametrize("script", list(scripts()))
def test_scripts_are_shell(script):
    subprocess.run(["bash", "-n", "-c", script], check=True)


def test_a_regression_has_its_exit_code():
    assert "needs.measure.outputs.code == '1'" in job("publish")
    assert "qinn-bench nightly --budget 15m" in job("measure")
