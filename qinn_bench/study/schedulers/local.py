"""Workers seen from the campaign: the server that forks them, what each has told, and how each ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qinn_bench import kernel, locks
from qinn_bench.limits import Limits
from qinn_bench.records.store import Stamp
from qinn_bench.study.cell_log import CellLog
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers.pipes import CHUNK, Pipe
from qinn_bench.values import Status

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Set for workers: two spinning thread pools on one core cost more than any model; cells run side by side instead."""
ON_GPU = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""Without the first, matrix products on a GPU have no fixed order of sums; the second has torch look for one without
taking hold of it, which what is forked later could not use."""
START_SECONDS = 300.0
"""In which the server, and then each worker, has to give its first sign of life."""
SILENCE_SECONDS = 120.0
"""After which a server that does not answer is given up, and the workers with it."""
PING_SECONDS = 10.0
KILL_SECONDS = 30.0
"""In which a server has to end a worker that it was told to kill."""
KEPT = 4096
"""Bytes of what a process printed last that are kept."""
HOME = Path(__file__).parents[2]
LONGEST_LINE = 2**16
_BOOT = """
import json, sys
told = json.loads(sys.argv[1])
sys.path[:], finders = told.pop("path"), told.pop("finders")
sys.meta_path[:] = [one for one in sys.meta_path if getattr(one, "__qualname__", type(one).__qualname__) in finders]
from qinn_bench import kernel
kernel.die_with_parent(told.pop("parent"))
from qinn_bench.study.schedulers.fork_server import serve
serve(**told)
"""
"""What a server starts with: it looks for modules where the campaign does, so that both run the same code."""


class WorkerServer:
    """The process that workers are forked from; it never imports anything from the working folder."""

    def __init__(self, modules: Sequence[str], threads: int) -> None:
        self.socket, theirs = socket.socketpair()
        self.output, self.printed, self.lines = Pipe(), b"", b""
        self.ready, self.held, self.lost = False, 0, False
        self.started = self.heard = self.pinged = time.monotonic()
        finders = [getattr(one, "__qualname__", type(one).__qualname__) for one in sys.meta_path]
        told: dict[str, Any] = {
            "path": safe_path(sys.path),
            "finders": finders,
            "home": str(HOME),
            "parent": os.getpid(),
        }
        told |= {"handle": theirs.fileno(), "modules": list(modules)}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, json.dumps(told)],
            stdin=subprocess.DEVNULL,
            stdout=self.output.theirs,
            stderr=self.output.theirs,
            pass_fds=[theirs.fileno()],
            env=_environment(threads),
            start_new_session=True,
        )
        theirs.close()
        self.output.hand_over()
        self.socket.setblocking(False)

    def ask(self, pipes: Sequence[int] = (), **request: Any) -> None:
        """Send a request, with pipes beside it; a server that cannot take it is lost."""
        data = json.dumps(request).encode() + b"\n"
        try:
            self.socket.settimeout(SILENCE_SECONDS)
            sent = socket.send_fds(self.socket, [data], list(pipes)) if pipes else 0
            self.socket.sendall(data[sent:])
            self.socket.setblocking(False)
        except OSError:
            self.lost = True

    def news(self) -> list[dict[str, Any]]:
        """What the server has told since; `lost` says whether it is gone."""
        self._listen()
        *whole, self.lines = self.lines.split(b"\n")
        told = [json.loads(line) for line in whole]
        for one in told:
            if "ready" in one:
                self.ready, self.held = True, one["held"]
        return told

    def _listen(self) -> None:
        now = time.monotonic()
        self.printed = (self.printed + self.output.read())[-KEPT:]
        try:
            while data := self.socket.recv(CHUNK):
                self.lines, self.heard = self.lines + data, now
            self.lost = True
        except BlockingIOError:
            pass
        except OSError:
            self.lost = True
        if self.ready and now - self.pinged > PING_SECONDS:
            self.pinged = now
            self.ask(ping=0)
        silent = now - self.heard if self.ready else now - self.started
        if silent > (SILENCE_SECONDS if self.ready else START_SECONDS):
            self.lost = True

    def last_words(self) -> str:
        """The end of what it printed."""
        return (self.printed + self.output.read()).decode("utf8", errors="replace")

    def end(self) -> None:
        """End it and its workers: in order if it can, by force otherwise."""
        self.socket.close()
        try:
            self.process.wait(0.0 if self.lost else 10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10.0)
        self.output.close()


@dataclass
class KeptServer:
    """The server of workers of somebody who runs one cell after another, once it has been started."""

    server: WorkerServer | None = None

    def usable(self) -> WorkerServer | None:
        """The server, if it is not lost; nobody has listened to it in the meantime."""
        if self.server:
            self.server.heard = self.server.pinged = time.monotonic()
            self.server.news()
            if self.server.lost:
                self.server.end()
                self.server = None
        return self.server


def safe_path(path: Sequence[str]) -> list[str]:
    """Where workers look for modules: where this process does, but never first in the working folder.

    The folder of this package comes last, where the working folder is it.
    """
    here, root = Path.cwd(), HOME.parent
    installed = set(sysconfig.get_paths().values())
    kept = [entry for entry in path if entry in installed or (entry and Path(entry).resolve() != here)]
    return kept if str(root) in kept else [*kept, str(root)]


def _environment(threads: int) -> dict[str, str]:
    changed = dict.fromkeys(THREADS, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONSAFEPATH": "1"} | ON_GPU
    if given := os.environ.get("PYTHONPATH"):
        here = Path.cwd()
        entries = [one for one in given.split(os.pathsep) if one and Path(one).resolve() != here]
        changed["PYTHONPATH"] = os.pathsep.join(entries)
    return dict(os.environ) | changed


@dataclass
class Worker:
    """One running cell, as far as the campaign knows of it.

    `before` is the state of the record's file when the cell started: a record that a worker has written for its own
    order is the outcome, however the process ends. `starved` are the bytes that its processes held together, if that
    was too much; `out_of_group` says that the kernel killed it for the memory of its control group.
    """

    order: Order
    number: int
    lock: locks.Lock | None
    before: Stamp
    steps: Pipe = field(default_factory=Pipe)
    output: Pipe = field(default_factory=Pipe)
    asked: float = field(default_factory=time.monotonic)
    pid: int | None = None
    alive: float | None = None
    told: tuple[Status, str] | None = None
    problems: list[str] = field(default_factory=list)
    code: int | None = None
    killed: str = ""
    timed_out: bool = False
    lines: bytes = b""
    log: CellLog = field(default_factory=CellLog)
    starved: int = 0
    out_of_group: bool = False
    kills: int = field(default_factory=kernel.out_of_memory_kills)
    ending: float | None = None

    def start(self, server: WorkerServer, limits: Limits) -> None:
        """Have the server fork it."""
        told = {"order": self.order.to_json(), "memory": limits.memory, "threads": limits.threads}
        server.ask((self.steps.theirs, self.output.theirs), start=self.number, **told)
        for pipe in (self.steps, self.output):
            pipe.hand_over()

    def read(self) -> list[int]:
        """The steps that it has told since; its output is only kept in part."""
        return self._pump()[1]

    def _pump(self) -> tuple[int, list[int]]:
        printed, told = self.output.read(), self.steps.read()
        self.log.add(printed)
        self.lines += told
        *whole, self.lines = self.lines.split(b"\n")
        steps = [step for line in whole if (step := self._understand(line)) is not None]
        if len(self.lines) > LONGEST_LINE:
            self._stray()
        return len(printed) + len(told), steps

    def _understand(self, line: bytes) -> int | None:
        try:
            match json.loads(line):
                case {"alive": True}:
                    self.alive = self.alive or time.monotonic()
                case {"step": int(step)}:
                    return step
                case {"problem": str(problem)}:
                    self.problems.append(problem)
                case {"end": [str(status), str(reason)]}:
                    self.told = status, reason  # type: ignore[assignment]
                case _:
                    self._stray()
        except (ValueError, RecursionError):
            self._stray()
        return None

    def _stray(self) -> None:
        self.killed = self.killed or "something else than its steps came through the pipe to the campaign"
        self.lines = b""

    def over(self, limits: Limits) -> bool:
        """Whether it has to be killed now: it says nothing, says something wrong, or its time is over."""
        now = time.monotonic()
        if self.alive is None and now - self.asked > START_SECONDS:
            self.killed = self.killed or f"no sign of life within {START_SECONDS:g} s"
        if limits.timeout is not None and self.alive is not None and now - self.alive > limits.timeout:
            self.timed_out = True
        return bool(self.killed) or self.timed_out or self.starved > 0

    def end(self, server: WorkerServer) -> None:
        """Have the server kill it; one that does not is lost."""
        now = time.monotonic()
        if self.ending is None:
            self.ending = now
            server.ask(kill=self.number)
        elif now - self.ending > KILL_SECONDS:
            server.lost = True

    def drain(self) -> None:
        """Read what is left in its pipes after its end, and close them; somebody else may hold them for ever."""
        for _ in range(64):
            if not self._pump()[0]:
                break
        self.close()

    def close(self) -> None:
        """Stop listening, and let others have the cell."""
        for pipe in (self.steps, self.output):
            pipe.close()
        if self.lock:
            with suppress(OSError):
                self.lock.release()
            self.lock = None

    def kill(self) -> None:
        """Kill it without its server, which is gone."""
        if self.pid is not None:
            kernel.kill_group(self.pid)

    def last_words(self) -> str:
        """The end of what it printed."""
        return self.log.last(KEPT)
