"""What Linux does for a family of processes: a signal at the death of the parent, and orphans that are handed on."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Of ``prctl(2)``."""


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when its parent is gone, and end it if that is so already; whether it can."""
    able = _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    return able


def outlive_parent() -> None:
    """Undo `die_with_parent`."""
    _prctl(PR_SET_PDEATHSIG, 0)


def adopt() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> set[int]:
    """The processes whose parent this one is, zombies included; empty where there is no ``/proc``."""
    pids = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(stat.read_text(encoding="utf8", errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                pids.add(int(stat.parent.name))
    return pids


def kill_group(leader: int) -> None:
    """Kill a process and all of its group."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(leader, signal.SIGKILL)


def wait_for_end(processes: list[int], seconds: float = 5.0) -> None:
    """Wait, so long at most, until none of these processes runs any more; zombies do not."""
    deadline = time.monotonic() + seconds
    while any(_runs(pid) for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf8", errors="replace").rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def out_of_memory_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it started; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="utf8").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
