"""Whether a machine is fit to be measured on: its load, free memory and disk, and what else runs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from qinn_bench.values import Value

GIBIBYTE = 2**30
WATCHED_SECONDS = 1.0
"""How long other processes are watched."""
HEAVY = 0.2
"""A process that uses more than this share of a core is named."""
LOAD_PER_CORE = 4.0
"""Load average up to which the gate's rates of false alarms were measured."""
MEMORY_GIB, DISK_GIB = 2.0, 1.0
BUSY = 0.5
"""Share of the cores that other processes may use."""
PROC = Path("/proc")


class Rival(Value):
    """Another process and the share of a core that it uses."""

    name: str
    share: float


class Conditions(Value):
    """What a machine is like before anything is measured; None is what the system does not tell."""

    load: float
    cores: int
    memory_gib: float | None
    disk_gib: float
    rivals: tuple[Rival, ...] = ()

    def __str__(self) -> str:
        memory = "unknown memory" if self.memory_gib is None else f"{self.memory_gib:.1f} GiB of memory"
        others = ", ".join(f"{one.name} {one.share:.0%}" for one in self.rivals) or "nothing heavy"
        return (
            f"load {self.load:.1f} on {self.cores} cores, {memory} and {self.disk_gib:.1f} GiB of disk free, "
            f"beside it: {others}"
        )


def survey(folder: Path) -> Conditions:
    """Look at this machine; `folder` is where results are written."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return Conditions(
        load=load,
        cores=cores,
        memory_gib=_free_memory(),
        disk_gib=shutil.disk_usage(existing).free / GIBIBYTE,
        rivals=_rivals(),
    )


def unfit(seen: Conditions, busy: float = BUSY) -> str:
    """Why nothing can be measured under these conditions, in a sentence; empty if it can.

    `busy` is the share of the cores that other processes may use. Those that are nicer than this one yield to it and
    are not counted.
    """
    if seen.load > LOAD_PER_CORE * seen.cores:
        return f"the load is {seen.load:.1f} on {seen.cores} cores; at most {LOAD_PER_CORE * seen.cores:g} was expected"
    if seen.memory_gib is not None and seen.memory_gib < MEMORY_GIB:
        return f"{seen.memory_gib:.1f} GiB of memory are free; at least {MEMORY_GIB:g} were expected"
    if seen.disk_gib < DISK_GIB:
        return f"{seen.disk_gib:.1f} GiB of disk are free; at least {DISK_GIB:g} were expected"
    used = sum(one.share for one in seen.rivals)
    if used > busy * seen.cores:
        names = ", ".join(f"{one.name} {one.share:.0%}" for one in seen.rivals)
        return f"other processes use {used:.1f} of {seen.cores} cores ({names}); at most {busy:.0%} were expected"
    return ""


def _free_memory() -> float | None:
    """GiB that can be had without swapping."""
    path = PROC / "meminfo"
    lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
    kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), None)
    return None if kibibytes is None else int(kibibytes) * 1024 / GIBIBYTE


def _rivals() -> tuple[Rival, ...]:
    """The processes that were busy while watched, the busiest first, without this one, its children and nicer ones."""
    before = _spent()
    if not before:
        return ()
    started = time.monotonic()
    time.sleep(WATCHED_SECONDS)
    lasted = (time.monotonic() - started) * os.sysconf("SC_CLK_TCK")
    both = [(before[pid][1], name, spent) for pid, (name, spent) in _spent().items() if pid in before]
    rivals = [Rival(name=name, share=(spent - earlier) / lasted) for earlier, name, spent in both]
    return tuple(sorted((one for one in rivals if one.share > HEAVY), key=lambda one: -one.share))


def _spent() -> dict[int, tuple[str, int]]:
    """Process -> its name and the clock ticks that it has used."""
    processes, own, nice = {}, os.getpid(), os.nice(0) if hasattr(os, "nice") else 0
    for folder in PROC.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf8", errors="replace")
        except OSError:
            continue
        # The name is in parentheses and may hold any character; fields are numbered from 3 after it.
        name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        pid, parent, niceness = int(folder.name), int(fields[1]), int(fields[16])
        if own not in (pid, parent) and niceness <= nice:
            processes[pid] = name, int(fields[11]) + int(fields[12])
    return processes
