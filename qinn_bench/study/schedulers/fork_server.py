"""The process that workers are forked from: it has imported what cells need, and ends each with all its children.

The campaign talks to it through a socket in lines of JSON; a worker's two pipes travel beside the line that starts it.
When the campaign is gone the socket ends, and every worker with it. When this process is gone the kernel ends them.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from qinn_bench import kernel, limits
from qinn_bench.study.worker import work

PIPES = 2
"""Of a worker: one for its steps, one for what it prints."""


def serve(handle: int, modules: list[str], home: str) -> None:
    """Import `modules`, tell the campaign at the other end of the socket `handle`, and do as it asks until it ends.

    The package has to be that of the campaign, whose folder is `home`.
    """
    here = Path(__file__).parents[2]
    if here != Path(home):
        sys.exit(f"workers would run the code in {here}, not that in {home}")
    kernel.adopt()
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # Its cells will say so.
            sys.stderr.write(f"{limits.sentence(error)}\n")
    kernel.outlive_parent()  # From here on the end of the socket is the sign, and workers are ended in order.
    with socket.socket(fileno=handle) as campaign:
        server = _Server(campaign)
        try:
            server.tell(ready=os.getpid(), held=limits.held())
            server.listen()
        finally:
            server.end_all()


@dataclass
class _Server:
    campaign: socket.socket
    pids: dict[int, int] = field(default_factory=dict)
    pipes: list[int] = field(default_factory=list)
    lines: bytes = b""

    def tell(self, **news: Any) -> None:
        self.campaign.sendall(json.dumps(news).encode() + b"\n")

    def listen(self) -> None:
        """Do what the campaign asks, and tell it of workers that ended, until it is gone."""
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self.campaign.fileno(), awake], [], [])
            if awake in ready:
                os.read(awake, 4096)
                self.reap()
            if self.campaign.fileno() in ready:
                with suppress(ConnectionError):
                    data, pipes, _, _ = socket.recv_fds(self.campaign, 2**16, 64)
                    self.pipes += pipes
                    if data:
                        self.lines += data
                        self.obey()
                        continue
                return

    def obey(self) -> None:
        *whole, self.lines = self.lines.split(b"\n")
        for line in whole:
            asked = json.loads(line)
            if "start" in asked:
                self.start(asked)
            elif "kill" in asked:
                if asked["kill"] in self.pids:
                    kernel.kill_group(self.pids[asked["kill"]])
            else:
                self.tell(pong=asked["ping"])

    def start(self, asked: dict[str, Any]) -> None:
        (steps, output), self.pipes = self.pipes[:PIPES], self.pipes[PIPES:]
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.write(output, f"no process could be started: {limits.sentence(error)}\n".encode())
            self.tell(ended=asked["start"], code=1)
        else:
            if pid == 0:
                self._become_worker(asked, steps, output, server)
            self.pids[asked["start"]] = pid
            self.tell(started=asked["start"], pid=pid)
        for pipe in (steps, output):
            os.close(pipe)

    def _become_worker(self, asked: dict[str, Any], steps: int, output: int, server: int) -> NoReturn:
        code = 1
        try:
            os.setsid()
            _end_with(server)
            kernel.adopt()
            _forget_signals()
            self.campaign.close()
            _redirect(output)
            work(asked["order"], steps, asked["memory"], asked["threads"])
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                sys.stderr.write(f"{end.code}\n")
        except BaseException:
            with suppress(BaseException):
                traceback.print_exc()
        finally:
            with suppress(BaseException):
                sys.stdout.flush(), sys.stderr.flush()
            os._exit(code & 0xFF)

    def reap(self) -> None:
        """Tell of workers that ended, after killing what is left of them.

        A process that was not waited for keeps its number, so that nobody else's group is killed.
        """
        for number, pid in list(self.pids.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                kernel.kill_group(pid)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                del self.pids[number]
                self._end_orphans()
                self.tell(ended=number, code=code)

    def _end_orphans(self) -> None:
        """End what workers that are gone have left: with a session of its own, it was in no group that was killed."""
        for pid in kernel.children() - set(self.pids.values()):
            with suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)

    def end_all(self) -> None:
        for pid in self.pids.values():
            kernel.kill_group(pid)
        for pid in self.pids.values():
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.pids.clear()
        self._end_orphans()


def _end_with(server: int) -> None:
    """End this process and its group once the process that it was forked from is gone: nobody waits for it any more."""

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(1)
        kernel.kill_group(os.getpid())

    if not kernel.die_with_parent(server):
        threading.Thread(target=watch, daemon=True).start()


def _forget_signals() -> None:
    """Handle signals as a process does that nobody told anything: a background job has an interrupt ignored."""
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(one, signal.SIG_DFL)


def _redirect(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0), os.dup2(output, 1), os.dup2(output, 2)
    os.close(nothing)
