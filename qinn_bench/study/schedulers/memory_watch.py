"""What the processes of each cell hold together: a limit of one process alone is no limit for its children."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

EVERY_SECONDS = 2.0
"""How often is looked."""
PAGE = os.sysconf("SC_PAGE_SIZE")
OWN = ("Pss_Anon:", "Pss_Shmem:")
"""What counts of a process: what it has written, pages that several have in common being shared out among them; not
the libraries that were mapped from files."""


class MemoryWatch:
    """Looks now and then whether the sessions of some leaders hold more than a limit, where the system tells."""

    def __init__(self, gibibytes: float | None) -> None:
        self.limit = None if gibibytes is None else gibibytes * 2**30
        self.looked = time.monotonic()

    def beyond(self, leaders: Collection[int]) -> dict[int, int]:
        """The leaders whose sessions of several processes hold too much now, each with what they hold; mostly none."""
        if self.limit is None or not leaders or time.monotonic() - self.looked < EVERY_SECONDS:
            return {}
        self.looked = time.monotonic()
        found = {}
        for leader, members in sessions(leaders).items():
            if len(members) > 1 and sum(members.values()) > self.limit:
                held = sum(map(own_bytes, members))
                if held > self.limit:
                    found[leader] = held
        return found


def sessions(leaders: Collection[int]) -> dict[int, dict[int, int]]:
    """The processes of the sessions that these processes lead, each with the bytes that it holds in memory."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = stat.read_text(encoding="utf8", errors="replace").rpartition(")")[2].split()
            session, pages = int(fields[3]), int(fields[21])
            if session in leaders:
                found[session][int(stat.parent.name)] = pages * PAGE
    return found


def own_bytes(pid: int) -> int:
    """What a process has written to memory, with its share of what it has in common with others; 0 where not told."""
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(OWN))
    return 0
