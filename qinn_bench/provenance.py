"""Where and with what a number was made."""

from __future__ import annotations

import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from qinn_bench.values import Knob

LIBRARIES = ("torch", "numpy", "scipy", "normflows", "pennylane", "scikit-learn")


def provenance() -> dict[str, Knob]:
    """Commit, versions, machine, threads and time of this process."""
    versions: dict[str, Knob] = {name: version(name) for name in (*LIBRARIES, "qinn-bench")}
    return (
        versions
        | commit()
        | {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "processor": processor(),
            "system": platform.system(),
            "threads": torch.get_num_threads(),
            "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )


def commit() -> dict[str, Knob]:
    """The commit of the source and whether files differ from it; nothing where the source is no git checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists() or shutil.which("git") is None:
        return {}

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


def processor() -> str:
    """The name of the processor, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf8").splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
