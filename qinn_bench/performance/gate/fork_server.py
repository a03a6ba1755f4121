"""The process that launches are forked from: it has imported the heavy libraries, and nothing of this project.

Run as a script with the libraries' names as arguments; it reads orders, one line of JSON each, and answers each by one
line. Its children import the project from the folder that they are told, so that two versions can be timed in turns.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import cycle
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

if __package__:
    from qinn_bench.performance import answering
    from qinn_bench.performance.gate.step_timing import summary, timed
else:  # A script, whose children alone import a version of the project: its neighbours are found by their places.
    sys.path[:0] = map(str, Path(__file__).parents[:2])
    import answering  # type: ignore[import-not-found,no-redef]
    from step_timing import summary, timed  # type: ignore[import-not-found,no-redef]

    del sys.path[:2]

SIDES = ("base", "head")
OURS = ("qinn_bench", "reference_models")
ROUND_SECONDS = 0.008
"""A step is repeated within a round until it lasts about this long."""
LAUNCH_SECONDS = 1.4
"""CPU seconds that the rounds of a launch may take, both sides together; long steps get fewer rounds."""
ROUNDS = (6, 40)
FIRST = cycle((SIDES, SIDES[::-1]))
CORES = cycle(sorted([*os.sched_getaffinity(0)] * 2) if hasattr(os, "sched_getaffinity") else [0])
"""Each twice in a row, so that either side is forked first for it."""
LAYOUT = Random(0)
"""Moves what a child allocates; else equal folders can differ by 8 %, and by the same in every launch."""
WARM_UPS = 2
WARMED_SECONDS = 0.1
"""Steps shorter than this run once untimed before each round, for the other side has had the caches."""


class VersionProcess:
    """A child process that holds one version of a workload and does what it is told through pipes."""

    def __init__(self, folder: str, fork: bool) -> None:
        told, self._tell = os.pipe()
        self._said, say = os.pipe()
        if fork:
            LAYOUT.random()  # every child is forked with another state of it
            if (child := os.fork()) == 0:
                _child(folder, told, say, (self._tell, self._said))
            self.pid = child
        else:
            words = [sys.executable, "-P", __file__, "--side", folder, str(told), str(say)]
            self.pid = subprocess.Popen(words, pass_fds=(told, say)).pid
        os.close(told)
        os.close(say)
        self._answers = os.fdopen(self._said, encoding="utf8")

    def tell(self, **order: Any) -> None:
        """Send an order; the answer is read later, so that both sides can prepare at once."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._tell, (json.dumps(order) + "\n").encode())

    def answer(self) -> dict[str, Any]:
        """The answer to the last order; if the process has ended, how."""
        line = self._answers.readline()
        if line:
            return dict(json.loads(line))
        _, status = os.waitpid(self.pid, 0)
        self.pid, code = 0, os.waitstatus_to_exitcode(status)
        ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return {"status": "error", "reason": f"the process {ended}"}

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer."""
        self.tell(**order)
        return self.answer()

    def end(self) -> None:
        """End the process, whatever it does."""
        os.close(self._tell)
        self._answers.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def launch(order: dict[str, Any]) -> dict[str, Any]:
    """One launch: both sides prepare the workload in fresh processes and take turns, base head head base.

    Returns the CPU and wall seconds of a step by round and side, or which sides failed and why.
    """
    # Who is forked first finds other memory: each side is, in every second launch.
    sides = {name: VersionProcess(order[name], order["fork"]) for name in next(FIRST)}
    try:
        for name in sides:
            sides[name].tell(do="make", use=order["use"])
        made = {name: sides[name].answer() for name in SIDES}
        failed = {name: made[name] for name in SIDES if made[name]["status"] != "ok"}
        if failed:
            return {"failed": failed}
        share_a_core(side.pid for side in sides.values())
        return _rounds(order, sides, made)
    finally:
        for side in sides.values():
            side.end()


def share_a_core(pids: Iterable[int]) -> None:
    """Hold processes that take turns to one core, another one with every call.

    Cores differ in speed from moment to moment, by what else their hardware does; a comparison must not see that.
    """
    if hasattr(os, "sched_setaffinity"):
        core = next(CORES)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, {core})


def _rounds(order: dict[str, Any], sides: dict[str, VersionProcess], made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    clock = made["head"]["clock"]
    lasting = made["base"]["seconds"]
    number = order["number"] or max(1, min(1000, ceil(ROUND_SECONDS / max(lasting, 1e-9))))
    fewest, most = ROUNDS
    warm = lasting < WARMED_SECONDS
    lasts = 2 * (number + warm) * lasting
    rounds = max(fewest, min(most, int(LAUNCH_SECONDS / max(lasts, 1e-9))))
    cpu: dict[str, list[float]] = {name: [] for name in SIDES}
    wall: dict[str, list[float]] = {name: [] for name in SIDES}
    for i in range(rounds):
        for name in sides if i % 2 == 0 else reversed(sides):
            extra = order["extra"] if name == "head" else 0.0
            said = sides[name].ask(do="round", number=number, extra=extra, warm=warm, clock=clock)
            if said["status"] != "ok":
                return {"failed": {name: said}}
            cpu[name].append(said["cpu"])
            wall[name].append(said["wall"])
    results = {name: made[name]["results"] for name in SIDES}
    versions = {name: made[name]["version"] for name in SIDES}
    return {"number": number, "clock": clock, "cpu": cpu, "wall": wall, "results": results, "versions": versions}


def listing(order: dict[str, Any]) -> dict[str, Any]:
    """The workloads that each side has by default."""
    sides = {name: VersionProcess(order[name], order["fork"]) for name in SIDES}
    try:
        return {name: side.ask(do="list") for name, side in sides.items()}
    finally:
        for side in sides.values():
            side.end()


def _child(folder: str, told: int, say: int, others: tuple[int, ...]) -> None:
    """What a forked child does until it is ended."""
    _moved = [bytearray(LAYOUT.randrange(1 << 16)) for _ in range(32)]
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for descriptor in others:
            os.close(descriptor)
        serve_side(folder, told, say)
    finally:
        os._exit(1)


def serve_side(folder: str, told: int, say: int) -> None:
    """Answer orders about the version of the project in a folder."""
    held: dict[str, Any] = {}
    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "list": lambda _: {"uses": [use.model_dump() for use in _imported(folder).uses()]},
        "make": lambda order: _made(_imported(folder), order["use"], held),
        "round": lambda order: timed(held["step"], order["number"], order["extra"], order["warm"], order["clock"]),
    }

    def answer(order: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"status": "ok"} | answers[order["do"]](order)
        except Exception as error:
            refused = type(error).__name__ == "Refused"
            reason = str(error) if refused else f"{type(error).__name__}: {error}"
            return {"status": "unsupported" if refused else "error", "reason": reason[:300]}

    with os.fdopen(told, encoding="utf8") as orders:
        answering.serve(orders, say, answer)


def _imported(folder: str) -> Any:
    """The workloads of the version in a folder.

    An editable installation finds its own source first, wherever the path points; such finders are left out.

    Raises:
        ImportError: the project came from elsewhere.
    """
    if folder not in sys.path:
        sys.meta_path[:] = [finder for finder in sys.meta_path if not _hijacks(finder)]
        sys.path[:] = [
            folder,
            *(entry for entry in sys.path if not (Path(entry or ".") / OURS[0] / "values.py").exists()),
        ]
        os.chdir(folder)
    workloads = import_module("qinn_bench.performance.workloads")
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in OURS and file and not Path(file).is_relative_to(folder):
            raise ImportError(f"{name} was imported from {file}, not from {folder}")
    return workloads


def _hijacks(finder: Any) -> bool:
    """Whether a finder of modules is one that an installation of this project has put there."""
    known = getattr(finder, "known_source_files", ())
    return any(name in known for name in OURS) or "qinn_bench" in type(finder).__module__


def _made(workloads: Any, asked: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    values = import_module("qinn_bench.values")
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    step = held["step"] = workloads.make(values.Use(**asked))
    gc.collect()
    gc.freeze()
    results = [step() for _ in range(WARM_UPS)][-1]
    kind = getattr(workloads, "WORKLOADS", {}).get(asked["name"])
    clock = "cuda" if getattr(kind, "device", "cpu") == "cuda" else str(getattr(kind, "clock", "cpu"))
    took = [timed(step, 1, clock=clock) for _ in range(2)]
    return {
        "seconds": min(one["cpu" if clock == "cpu" else "wall"] for one in took),
        "results": summary(results),
        "version": str(getattr(kind, "version", "")),
        "clock": clock,
    }


def serve(libraries: list[str]) -> None:
    """Answer orders from standard input; what libraries print does not mix with the answers."""
    answers = answering.private_output()
    for name in libraries:
        with contextlib.suppress(ImportError):
            import_module(name)
    if loaded := [name for name in sys.modules if name.partition(".")[0] in OURS]:
        raise ImportError(f"{loaded[0]} was imported before the fork")
    gc.collect()
    gc.freeze()
    answering.serve(sys.stdin, answers, lambda order: launch(order) if order["do"] == "launch" else listing(order))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        serve_side(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        serve(sys.argv[1:])
