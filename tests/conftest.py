"""Fixtures that several files of tests use, a limit for every test, and an environment that binds git to nothing."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from qinn_bench import registry, repository
from qinn_bench.records import certified, measures

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


def _forget():
    """What is remembered of the packages that are installed."""
    for known in (registry._installed, measures._fingerprint, certified._needs):
        known.cache_clear()


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Writes models and metrics as an installed package of somebody else has them."""
    site = tmp_path / "site"
    (site / "odd-1.0.dist-info").mkdir(parents=True)
    (site / "odd-1.0.dist-info" / "METADATA").write_text("Name: odd\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    points = []

    def write(kind, name, text):
        module = f"odd_{kind}_{name}_{time.time_ns()}"
        (site / f"{module}.py").write_text(text)
        points.append(f"[qinn_bench.{kind}]\n{name} = {module}\n")
        (site / "odd-1.0.dist-info" / "entry_points.txt").write_text("".join(points))
        _forget()

    yield write
    _forget()
