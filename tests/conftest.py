"""Fixtures that several files of tests use, a limit for every test, and an environment that binds git to nothing."""

import os
import signal
import threading
from contextlib import contextmanager

import pytest

from qinn_bench import repository

SECONDS, SLOW_SECONDS = 1800, 4 * 3600
"""The wall time of a test, and of one that is marked slow, after which it hangs: many times what any needs."""

for bound in set(os.environ) - set(repository.environment()):
    del os.environ[bound]  # In a hook, the repositories that tests make would be that of the user.


@contextmanager
def limited(seconds):
    """Ends what takes longer, be it a wait for a process, a lock or a file, by an error that says so.

    The alarm clock of the process is left to the code that is tested.
    """

    def late(number, frame):
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGUSR1, late)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with limited(SLOW_SECONDS if item.get_closest_marker("slow") else SECONDS):
        return (yield)


@pytest.fixture
def table(tmp_path):
    """Writes lines to a CSV file and returns its path."""

    def write(*lines):
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
