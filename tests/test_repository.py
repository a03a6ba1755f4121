"""git is asked about the repository that is named, whatever the environment of a hook says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qinn_bench import repository
from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.records import provenance
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
WHO = ("-c", "user.name=a", "-c", "user.email=a@b")


def made(folder, text):
    """A repository with one commit of one file."""
    folder.mkdir()
    repository.git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "a.txt").write_text(text)
    repository.git(folder, "add", "a.txt")
    done = repository.git(folder, *WHO, "commit", "--quiet", "--message", text)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two repositories; the environment is that of a hook of the second, which has something staged."""
    first, second = made(tmp_path / "first", "one"), made(tmp_path / "second", "two")
    (second / "staged.txt").write_text("staged")
    repository.git(second, "add", "staged.txt")
    for name, value in {
        "GIT_DIR": second / ".git",
        "GIT_INDEX_FILE": second / ".git" / "index",
        "GIT_WORK_TREE": second,
        "GIT_OBJECT_DIRECTORY": second / ".git" / "objects",
        "GIT_COMMON_DIR": second / ".git",
        "GIT_PREFIX": "sub/",
    }.items():
        monkeypatch.setenv(name, str(value))
    return first, second


def test_the_environment_of_a_hook_does_not_choose_the_repository(two):
    first, second = two
    said = [repository.git(folder, "log", "--format=%s").stdout.strip() for folder in two]
    assert said == ["one", "two"]
    with Checkouts(first) as checkouts:
        assert checkouts.commit("HEAD") == repository.git(first, "rev-parse", "HEAD").stdout.strip()
        assert (checkouts.at("HEAD") / "a.txt").read_text() == "one"
        assert (checkouts.at(".") / "a.txt").read_text() == "one"
        with pytest.raises(Refused):
            checkouts.commit(repository.git(second, "rev-parse", "HEAD").stdout.strip())
    assert repository.git(second, "diff", "--cached", "--name-only").stdout == "staged.txt\n"


def test_the_commit_of_a_record_is_that_of_the_source(two):
    assert provenance.commit()["commit"] == repository.git(ROOT, "rev-parse", "HEAD").stdout.strip()


def test_every_variable_that_git_calls_local_is_dropped(monkeypatch):
    listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    for name in (names := listed.stdout.split()):
        monkeypatch.setenv(name, "x")
    assert not set(names) & set(repository.environment())
    assert os.environ["PATH"] == repository.environment()["PATH"]


def test_a_missing_git_is_an_exit_code_and_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository.git(tmp_path, "status").returncode == 127
    assert not repository.is_repository(tmp_path)


def test_names_that_are_not_utf8_survive(tmp_path):
    folder = made(tmp_path / "first", "one")
    try:
        (folder / os.fsdecode(b"\xff\xfe.txt")).write_text("odd")
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    with Checkouts(folder) as checkouts:
        assert (checkouts.at(".") / os.fsdecode(b"\xff\xfe.txt")).read_text() == "odd"


@pytest.mark.parametrize("path", sorted((ROOT / "qinn_bench").rglob("*.py")), ids=lambda path: path.stem)
def test_git_is_called_in_one_place(path):
    if path.name != "repository.py":
        assert not re.search(r"""["']git["'],""", path.read_text(encoding="utf8"))


def test_tests_and_scripts_that_run_in_a_hook_leave_its_repository_alone(two):
    second = two[1]
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests" / "test_runs.py"),
        "-k",
        "asv_gets",
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert repository.git(second, "log", "--all", "--format=%s").stdout.split() == ["two"]
    words = [sys.executable, str(ROOT / "benchmarks" / "same_numbers.py"), "no such commit"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1 and done.stderr.startswith("git has no working tree of no such commit")
    assert repository.git(second, "worktree", "list").stdout.count("\n") == 1
