"""The workflows: who may write, what is pinned, that nothing from outside gets into a shell, and that retries work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).parents[1] / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TEXT = (FOLDER / "nightly.yml").read_text(encoding="utf8")


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


def parsed(path):
    return yaml.safe_load(path.read_text(encoding="utf8"))


def steps(path):
    return [step for one in parsed(path)["jobs"].values() for step in one["steps"]]


def scripts(*paths):
    """What the steps hand to the shell."""
    return [step["run"] for path in paths or FILES for step in steps(path) if "run" in step]


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
    used = [one for path in FILES for one in re.findall(r"uses: (.*)", path.read_text(encoding="utf8"))]
    assert len(used) >= 8
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[\d.]+", one) for one in used)


def test_nothing_is_pasted_into_a_script():
    found = scripts()
    assert len(found) == 14
    assert not any("${{" in script for script in found)


@pytest.mark.parametrize("script", scripts())
def test_scripts_are_shell(script):
    subprocess.run(["bash", "-n", "-c", script], check=True)


def test_a_regression_has_its_exit_code():
    assert "needs.measure.outputs.code == '1'" in job("publish")
    assert "qinn-bench nightly --budget 15m" in job("measure")


def test_every_change_is_checked_as_make_test_does_and_nothing_may_write():
    path = FOLDER / "pull_request.yml"
    on, told = parsed(path)[True], "\n".join(scripts(path))  # YAML reads the key "on" as a truth value.
    assert "pull_request" in on and "pull_request_target" not in on
    assert parsed(path)["permissions"] == {"contents": "read"}
    assert ": write" not in path.read_text(encoding="utf8") and "secrets." not in path.read_text(encoding="utf8")
    makefile = (FOLDER.parents[1] / "Makefile").read_text(encoding="utf8")
    for command in ("ruff check .", "ruff format --check .", "mypy", '-m "not slow"'):
        assert command in told and command in makefile
    assert all("timeout-minutes" in one for path in FILES for one in parsed(path)["jobs"].values())


def git(folder, *words):
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    names = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    found = subprocess.run(
        ["git", *words], cwd=folder, env=own | names, check=True, capture_output=True, text=True, timeout=60
    )
    return found.stdout


def keep(folder, temporary):
    """Run the step that keeps a night, as the workflow does."""
    script = next(step["run"] for step in steps(FOLDER / "nightly.yml") if step.get("name", "").startswith("Keep"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"RUNNER_TEMP": str(temporary), "PAUSE": "0"}
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, timeout=120)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_push_that_failed_is_tried_again(tmp_path, lost):
    """The first night makes the branch, the second adds to it, a third with nothing new leaves it; pushes are lost."""
    remote, clone, night = tmp_path / "remote.git", tmp_path / "clone", tmp_path / "night"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(tmp_path, "clone", "-q", str(remote), str(clone))
    (clone / "code.py").write_text("1")
    git(clone, "add", ".")
    git(clone, "commit", "-qm", "code")
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/main")
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    for number in (1, 2, 2):
        left = tmp_path / "left"
        left.write_text("x" * lost)
        hook.write_text(f'#!/bin/sh\n[ -s "{left}" ] || exit 0\nprintf %s "$(cut -c2- "{left}")" > "{left}"\nexit 1\n')
        hook.chmod(0o755)
        for name in ("runs", "machines"):
            (night / name).mkdir(parents=True, exist_ok=True)
        (night / "runs" / f"{number}.jsonl").write_text(str(number))
        (night / "machines" / "m.json").write_text("{}")
        for ending in ("md", "html"):
            (night / f"report.{ending}").write_text(str(number))
        git(clone, "checkout", "-qf", "-B", "main", "origin/main")
        done = keep(clone, tmp_path)
        assert done.returncode == 0, done.stderr.decode()
    files = git(remote, "ls-tree", "-r", "--name-only", "nightly-results").split()
    assert files == ["machines/m.json", "report.html", "report.md", "runs/1.jsonl", "runs/2.jsonl"]
    assert len(git(remote, "log", "--format=%s", "nightly-results").splitlines()) == 3
