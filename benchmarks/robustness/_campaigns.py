"""What the campaigns of faults share: a process that has imported everything and forks for each call of the program."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STUDY = """
name = "{name}"
data = ["moons[events=400]"]
seeds = {seeds}
samples = 100
mass_draws = 500
metrics = ["nll", "swd"]
[budgets.tiny]
steps = 10
batch = 32
[[models]]
model = "gaussian"
[[models]]
model = "product_of_marginals"
"""
"""A study of quick cells, with its name and its number of seeds left open."""
SILENT = ("peak_memory_mb",)


@dataclass(frozen=True)
class Ended:
    """How a call of the program ended: its exit code (-9 by a signal, None if it hung), and what it said."""

    code: int | None
    said: str
    seconds: float


def import_all() -> None:
    """Import what `qinn-bench run` does, once for all calls."""
    for name in ("cli.main", "cli.run", "cli.list", "cli.status", "study.preloaded", "study.planning"):
        importlib.import_module(f"qinn_bench.{name}")


def start(arguments: list[str], log: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Call ``qinn-bench ARGUMENTS`` in a fork of this process, its output into a file; the number of the process."""
    main = importlib.import_module("qinn_bench.cli.main").main
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
        prepare()
        code = main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        importlib.import_module("traceback").print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """The exit code of a call, None if it did not end in time; it is then killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def call(arguments: list[str], log: Path, seconds: float, prepare: Callable[[], None] = lambda: None) -> Ended:
    """Call the program and wait for its end."""
    began = time.monotonic()
    code = wait(start(arguments, log, prepare), seconds)
    return Ended(code, log.read_text(encoding="utf8", errors="replace"), time.monotonic() - began)


def content(results: Path, study: str) -> dict[str, tuple[dict[str, object], dict[str, bytes]]]:
    """What the records of a study say and hold, without times: equal for equal runs."""
    store = importlib.import_module("qinn_bench.records.store")
    found = {}
    for record in store.load_all(results, study):
        said = record.model_dump(exclude={"cost", "provenance", "resources"})
        arrays = store.load_arrays(results, record) if store.has_arrays(results, record) else {}
        found[record.key] = said, {name: np.ascontiguousarray(one).tobytes() for name, one in arrays.items()}
    return found


def leftovers(results: Path) -> list[str]:
    """Files that should not be there when nothing runs."""
    return [str(path) for path in results.rglob("*") if path.name.startswith(".") or path.suffix in (".part", ".log")]


def family(of: int) -> dict[int, int]:
    """The living descendants of a process, each with its parent."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(encoding="utf8", errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found: dict[int, int] = {}
    more = {of}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more and pid not in found}
        found |= {pid: parents[pid] for pid in more}
    return found
