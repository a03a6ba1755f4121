"""A control group for each cell, where the system has delegated a group of its own to this process (version 2).

A process has one to itself where it was started by ``systemd-run --user --scope -p Delegate=yes qinn-bench run ...``,
or a worker of a cluster in the same way. In all other places limits of resources and `memory_watch` hold alone.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT, TOLD = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNIFIED = "0::/"
"""What the line of version 2 begins with."""
_ONE_THREAD = threading.Lock()


@dataclass
class ControlGroups:
    """The groups below `base`, in which nobody but this process lives, one for each cell by the number of its process;
    `kept` ones stay when a campaign ends, for the next.

    A group that has children with limits has no processes of its own, so that this one moves to a `leaf` of it.
    """

    base: Path
    leaf: Path
    cells: dict[int, Path] = field(default_factory=dict)
    kept: bool = False

    def add(self, pid: int, gibibytes: float) -> None:
        """Put the process of a cell into a group of its own with a limit; where that fails, other limits hold."""
        group = self.base / f"{self.leaf.name}-{pid}"
        with suppress(OSError):
            group.mkdir()
            self.cells[pid] = group
            _write(group / "memory.max", int(gibibytes * 2**30))
            for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
                with suppress(OSError):  # A kernel without swap, or one of before groups were killed whole.
                    _write(group / name, value)
            _write(group / "cgroup.procs", pid)

    def ended(self, pid: int | None) -> bool:
        """Remove the group of a cell that has ended; whether the kernel has killed something in it for its memory."""
        if pid not in self.cells:
            return False
        group, killed = self.cells.pop(pid), False
        with suppress(OSError, ValueError):
            lines = (group / "memory.events").read_text(encoding="ascii").splitlines()
            killed = any(int(line.split()[1]) > 0 for line in lines if line.startswith("oom_kill "))
        with suppress(OSError):
            group.rmdir()
        return killed

    def end(self) -> None:
        """Go back to where this process was, unless the groups are kept."""
        if not self.kept:
            self.leave()

    def leave(self) -> None:
        """Go back to where this process was."""
        for pid in list(self.cells):
            self.ended(pid)
        with suppress(OSError):
            _write(self.base / "cgroup.subtree_control", "-memory")
            _write(self.base / "cgroup.procs", os.getpid())
            self.leaf.rmdir()


def of_process() -> ControlGroups | None:
    """The groups of a process that runs cell after cell, in several threads: taken once, before the first, and kept
    to its end, since the servers that cells are forked from live on in its leaf; None where it has none to itself."""
    with _ONE_THREAD:
        return _kept()


@cache
def _kept() -> ControlGroups | None:
    if groups := delegated():
        groups.kept = True
        atexit.register(groups.leave)
    return groups


def delegated(root: Path = ROOT, told: Path = TOLD) -> ControlGroups | None:
    """The groups below that of this process; None where it has no group to itself."""
    with suppress(OSError, ValueError, StopIteration):
        lines = told.read_text(encoding="utf8").splitlines()
        place = next(line[len(UNIFIED) :].strip() for line in lines if line.startswith(UNIFIED))
        base = root / place
        members = {int(pid) for pid in (base / "cgroup.procs").read_text(encoding="ascii").split()}
        controllers = (base / "cgroup.controllers").read_text(encoding="ascii").split()
        if not place or members != {os.getpid()} or "memory" not in controllers:
            return None
        groups = ControlGroups(base, base / f"qinn-bench-{os.getpid()}")
        groups.leaf.mkdir()
        try:
            _write(groups.leaf / "cgroup.procs", os.getpid())
            _write(base / "cgroup.subtree_control", "+memory")
        except OSError:
            groups.end()
            return None
        return groups
    return None


def _write(path: Path, value: int | str) -> None:
    """Write in one piece, as the kernel asks for; nothing is made that is not there."""
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, str(value).encode())
    finally:
        os.close(handle)
