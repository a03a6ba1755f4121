"""Calls of git that mean the repository they name, whatever the environment of a hook says."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

SECONDS = 600
"""A call of git that takes longer has failed."""
LOCAL = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""Variables that bind git to one repository; git sets them for its hooks. Its own list is added to this one."""


def is_repository(root: Path) -> bool:
    """Whether `root` is the top of a git repository or of a worktree of one, and git is installed."""
    return shutil.which("git") is not None and (root / ".git").exists()


def git(root: Path, *words: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Run git on the repository at `root`; its outcome and what it printed; names of files are given back as they are.

    Where git is not installed, cannot be started or takes too long, the exit code is 127 and `stderr` says why.
    """
    command = ["git", "-C", str(root), *words]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            check=False,
            env=environment(),
            stdin=subprocess.DEVNULL,
            encoding="utf8",
            errors="surrogateescape",
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def environment() -> dict[str, str]:
    """The environment without what binds git to another repository, and without questions at a terminal."""
    bound = {*LOCAL, *_said_by_git()}
    return {name: value for name, value in os.environ.items() if name not in bound} | {"GIT_TERMINAL_PROMPT": "0"}


@lru_cache
def _said_by_git() -> tuple[str, ...]:
    """The variables that the installed git calls local to a repository."""
    words = ["git", "rev-parse", "--local-env-vars"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(done.stdout.split())
