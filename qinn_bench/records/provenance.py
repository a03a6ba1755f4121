"""Where and with what a number was made."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from qinn_bench.repository import git, is_repository
from qinn_bench.values import Knob

LIBRARIES = ("torch", "numpy", "scipy", "normflows", "pennylane", "scikit-learn")


def provenance(threads: int) -> dict[str, Knob]:
    """Commit, versions, machine and time of this process, which computes on so many threads."""
    versions: dict[str, Knob] = {name: version(name) for name in (*LIBRARIES, "qinn-bench")}
    return (
        versions
        | commit()
        | {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "processor": processor(),
            "system": platform.system(),
            "threads": threads,
            "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )


def commit() -> dict[str, Knob]:
    """The commit of the source and whether files differ from it; nothing where the source is no git checkout."""
    root = Path(__file__).parents[2]
    if not is_repository(root):
        return {}
    head, changed = git(root, "rev-parse", "HEAD"), git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": head.stdout.strip(), "dirty": bool(changed.stdout.strip())}


def processor() -> str:
    """The name of the processor, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf8", errors="replace").splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
