"""What the campaigns of faults share: a process that has imported everything and forks for each call of the program."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
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


class Kept:
    """Counts that outlive a script, in its folder: the same call goes on where it was stopped, another one begins anew.

    `more` is what else it has to know; both are written by `keep`.
    """

    def __init__(self, root: Path, asked: list[int]) -> None:
        self.path, self.asked = root / "state.json", asked
        before = json.loads(self.path.read_text(encoding="utf8")) if self.path.exists() else {}
        if before.get("asked") != asked:
            shutil.rmtree(root, ignore_errors=True)
            before = {}
        root.mkdir(parents=True, exist_ok=True)
        self.counts, self.more = Counter[str](before.get("counts", {})), dict[str, int](before.get("more", {}))

    def keep(self, **more: int) -> None:
        """Write what is known now, whole or not at all."""
        self.more = more
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"asked": self.asked, "counts": self.counts, "more": more}), encoding="utf8")
        part.rename(self.path)

    def end(self) -> None:
        """Forget it: the next call begins anew."""
        self.path.unlink(missing_ok=True)


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


def plug_in(site: Path, models: dict[str, str]) -> None:
    """Install models of somebody else, each the text of a module, as a package of this process and of its forks."""
    info = site / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n", encoding="utf8")
    points = "".join(f"{name} = odd_{name}\n" for name in models)
    (info / "entry_points.txt").write_text(f"[qinn_bench.model]\n{points}", encoding="utf8")
    for name, text in models.items():
        (site / f"odd_{name}.py").write_text(text, encoding="utf8")
    if str(site) not in sys.path:
        sys.path.insert(0, str(site))


def rows(*models: str) -> str:
    """The rows of a study, one for each model."""
    return "".join(f'[[models]]\nmodel = "{name}"\n' for name in models)


def busy() -> str:
    """What else the machine does, in words, without which no time on the wall says anything."""
    return f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"


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
