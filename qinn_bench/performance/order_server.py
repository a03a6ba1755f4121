"""A process beside this one that answers orders, a line of JSON each, by one line of JSON."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

ENDING = 10.0
"""Seconds within which a killed process is gone."""


class Ended(RuntimeError):
    """The process ended where an answer was expected."""


class Server:
    """Runs `words`, with `variables` in its environment, from the first order on; after an end the next restarts it.

    The process and all that it forks are in a session of their own, so that ending it ends them too.
    """

    def __init__(self, words: list[str], variables: Mapping[str, str]) -> None:
        self.words, self.variables = words, dict(variables)
        self._process: subprocess.Popen[str] | None = None

    @property
    def started(self) -> bool:
        """Whether the process runs, as far as is known."""
        return self._process is not None

    def ask(self, order: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """The answer to an order, or nothing if it does not come within `seconds` of wall time: it is then ended.

        Raises:
            Ended: the process ended without an answer.
        """
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            self.end()
            raise Ended from None
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            return dict(json.loads(line))
        self.end()
        if ready:
            raise Ended
        return None

    def end(self) -> None:
        """End the process and all it has forked."""
        if self._process:
            process, self._process = self._process, None
            os.killpg(process.pid, signal.SIGKILL)
            try:
                process.communicate(timeout=ENDING)
            except subprocess.TimeoutExpired:  # What left its session holds on to its output.
                assert process.stdout
                process.stdout.close()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | self.variables,
            start_new_session=True,
        )
