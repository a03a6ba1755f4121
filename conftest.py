"""Fixtures of several files, a limit for every test, an environment that binds git to nothing, examples as tests."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from _pytest.doctest import DoctestModule

from qinn_bench import outside, registry, repository
from qinn_bench.records import certified, measures

SECONDS, SLOW_SECONDS = 1800, 4 * 3600
"""The wall time of a test, and of one that is marked slow, after which it hangs: many times what any needs."""
EXAMPLE = ">>> "
GENERATORS = ("zjets", "qg_jets", "top_jets", "jet_classes", "jet_finding", "pythia_runs")
OPTIONAL = {f"qinn_bench/data/generators/{name}.py": ("hep", ("pythia8mc", "fastjet")) for name in GENERATORS}
"""Modules that cannot be imported without an extra, with its name and what it installs."""

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


@pytest.fixture(autouse=True)
def nothing_is_named():
    """No test finds the folders and files that an earlier one named."""
    yield
    if outside.state():
        outside.of_options({})


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


class LeftOut(pytest.File):
    """A module whose examples cannot run here."""

    def collect(self):
        """Skip it, with the reason."""
        extra, _ = OPTIONAL[self.path.relative_to(self.config.rootpath).as_posix()]
        pytest.skip(f"its examples need the extra [{extra}]")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Look for examples only where the text has some: to import every module would take half a minute."""
    collected = yield
    if file_path.suffix == ".py" and EXAMPLE not in file_path.read_text(encoding="utf8"):
        return [one for one in collected if not isinstance(one, DoctestModule)]
    root = parent.config.rootpath
    place = file_path.relative_to(root).as_posix() if file_path.is_relative_to(root) else ""
    _, needed = OPTIONAL.get(place, ("", ()))
    lacking = [name for name in needed if find_spec(name) is None]
    return [LeftOut.from_parent(parent, path=file_path)] if lacking else collected
