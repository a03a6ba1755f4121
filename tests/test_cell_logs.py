"""What a cell printed is kept, however much, and what its children hold counts as its own memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qinn_bench.limits import Limits
from qinn_bench.study import campaign, cell_log, planning, study_files
from qinn_bench.study.cell_log import HEAD, TAIL, CellLog, log_path
from qinn_bench.study.schedulers import control_groups, memory_watch
from qinn_bench.study.schedulers.memory_watch import MemoryWatch, own_bytes, sessions

MODEL = """
\"\"\"A model of somebody else.\"\"\"
import os, sys, time
from reference_models.bounds.product_of_marginals import ProductOfMarginals
class Model(ProductOfMarginals):
    def initialise(self, rows, rng):
        {lines}
def build(dim, *, data):
    return Model(dim, data)
"""
STUDY = """
name = "small"
data = ["moons[events=400]"]
seeds = 1
samples = 100
mass_draws = 500
metrics = ["swd"]
[budgets.tiny]
steps = 3
batch = 32
"""
FORKS = "if os.fork() and os.fork() and os.fork(): pass\n        kept = b'x' * (500 << 20); time.sleep(100)"


def test_a_log_keeps_the_beginning_and_the_end():
    log = CellLog()
    for _ in range(100):
        log.add(b"a" * 1000)
    log.add(b"the end\n")
    kept = log.content()
    assert kept.startswith(b"a" * HEAD) and kept.endswith(b"the end\n") and len(kept) < HEAD + TAIL + 100
    assert f"[{100_008 - HEAD - TAIL} bytes are left out]".encode() in kept and log.last(8) == "the end\n"
    short = CellLog()
    short.add(b"little")
    assert short.content() == b"little" and short.last(100) == "little"


def test_a_log_is_written_where_there_is_something_to_be_told(tmp_path):
    path = log_path(tmp_path, "small", "abc")
    log = CellLog()
    log.keep(path, "timeout: stopped")
    assert path.read_bytes() == b"\n[timeout: stopped]\n" or path.read_bytes() == b"[timeout: stopped]\n"
    log.keep(path, "")
    assert not path.exists(), "the log of an earlier failure goes with it"
    (tmp_path / "file").write_text("")
    log.keep(tmp_path / "file" / "x.txt", "a disk that takes no log is no failure")


@pytest.fixture
def family():
    """A process with two children that hold 40 MB each, in a session of its own."""
    code = "import os, time; os.fork() and os.fork(); x = b'x' * 40_000_000; print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    for _ in range(3):
        process.stdout.readline()
    yield process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell")
def test_what_a_session_holds_is_the_sum_of_its_processes(family):
    members = sessions([family])[family]
    assert len(members) == 3 and family in members
    assert 110e6 < sum(map(own_bytes, members)) < 180e6
    watch = MemoryWatch(0.1)
    assert watch.beyond([family]) == {}, "not looked at all the time"
    watch.looked = time.monotonic() - memory_watch.EVERY_SECONDS
    assert watch.beyond([family]).keys() == {family}
    for limit in (None, 1.0):
        other = MemoryWatch(limit)
        other.looked -= 100
        assert other.beyond([family]) == {}


def test_cells_leave_logs_and_answer_for_their_children(tmp_path, plug_in, monkeypatch):
    monkeypatch.setattr(campaign, "_modules", lambda orders: [])
    models = {
        "fails": "print('so far so good'); raise RuntimeError('no')",
        "prints": "sys.stdout.write('y' * 10**6)",
        "forks": FORKS,
    }
    for name, lines in models.items():
        plug_in("model", name, MODEL.format(lines=lines))
    path = tmp_path / "small.toml"
    path.write_text(STUDY + "".join(f"[[models]]\nmodel = {json.dumps(name)}\n" for name in [*models, "truth"]))
    orders = planning.plan(study_files.load_study(path), tmp_path / "results")
    events = []
    campaign.execute(orders, Limits(memory=1.7, timeout=300.0), events.append)
    ended = {event.order.row: event.record for event in events if event.record}
    logs = {order.row: cell_log.log_path(order.results, order.study, order.key) for order in orders}
    assert ended["fails"].status == "crashed" and ended["prints"].status == ended["truth"].status == "ok"
    assert ended["forks"].status == "out-of-memory" and "GiB together; 1.7 are allowed" in ended["forks"].reason
    told = logs["fails"].read_text()
    assert told.startswith("so far so good\nTraceback") and told.endswith("[crashed: RuntimeError: no]\n")
    assert "bytes are left out" in logs["prints"].read_text() and not logs["truth"].exists()
    assert logs["forks"].read_text().endswith("1.7 are allowed]\n")


@pytest.fixture
def groups(tmp_path):
    """Files that stand in for a control group of this process, and what tells of it."""

    def stand_in(procs=None, controllers="cpu memory pids"):
        base = tmp_path / "user.slice" / "run.scope"
        leaf = base / f"qinn-bench-{os.getpid()}"
        base.mkdir(parents=True, exist_ok=True)
        (base / "cgroup.procs").write_text(f"{os.getpid()}\n" if procs is None else procs)
        (base / "cgroup.controllers").write_text(controllers)
        (base / "cgroup.subtree_control").write_text("")
        (tmp_path / "told").write_text("0::/user.slice/run.scope\n")
        return base, leaf, tmp_path / "told"

    return stand_in


def as_kernel(monkeypatch, files):
    """A new group has its files at once; removed with it."""
    mkdir, rmdir = Path.mkdir, Path.rmdir

    def made(self, *args, **more):
        mkdir(self, *args, **more)
        for name in files:
            (self / name).write_text("")

    def removed(self):
        for name in files:
            (self / name).unlink()
        rmdir(self)

    monkeypatch.setattr(Path, "mkdir", made)
    monkeypatch.setattr(Path, "rmdir", removed)


def test_a_cell_gets_a_control_group_where_one_is_delegated(groups, monkeypatch, tmp_path):
    base, leaf, told = groups()
    as_kernel(monkeypatch, ["cgroup.procs", "memory.max", "memory.oom.group", "memory.events"])
    made = control_groups.delegated(tmp_path, told)
    assert (leaf / "cgroup.procs").read_text() == str(os.getpid())
    assert (base / "cgroup.subtree_control").read_text() == "+memory"
    made.add(123, 1.5)
    cell = made.cells[123]
    assert (cell / "memory.max").read_text() == str(3 * 2**29) and (cell / "cgroup.procs").read_text() == "123"
    made.add(124, 1.0)
    (made.cells[124] / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert made.ended(124) is True and made.ended(123) is False and made.ended(None) is False
    made.end()
    assert (base / "cgroup.subtree_control").read_text() == "-memory" and not leaf.exists() and not cell.exists()


class Counted(control_groups.ControlGroups):
    """Control groups that only count what is put into them, and when they are left."""

    def __init__(self):
        super().__init__(Path("base"), Path("leaf"))
        self.added, self.ends, self.left = [], [], 0

    def add(self, pid, gibibytes):
        self.added.append((pid, gibibytes))

    def ended(self, pid):
        self.ends.append(pid)
        return False

    def leave(self):
        self.left += 1


def test_every_cell_of_a_worker_of_a_cluster_gets_a_control_group(monkeypatch, tmp_path):
    """The server that its cells are forked from lives on in the leaf, which is therefore made once."""
    made, kept, events = [], campaign.KeptServer(), []
    monkeypatch.setattr(campaign, "_modules", lambda _: [])
    monkeypatch.setattr(control_groups, "delegated", lambda: made.append(Counted()) or made[-1])
    monkeypatch.setattr(control_groups.atexit, "register", lambda _: None)
    path = tmp_path / "small.toml"
    path.write_text(STUDY.replace("seeds = 1", "seeds = 2") + '[[models]]\nmodel = "product_of_marginals"\n')
    first, second = planning.plan(study_files.load_study(path), tmp_path / "results")
    control_groups._kept.cache_clear()
    try:
        campaign.execute_one(first, Limits(memory=3.0), events.append, kept)
        campaign.execute_one(second, Limits(memory=4.0), events.append, kept)
    finally:
        control_groups._kept.cache_clear()
        kept.server.end()
    (groups,) = made
    assert [event.record.status for event in events if event.record] == ["ok", "ok"]
    assert [gibibytes for _, gibibytes in groups.added] == [3.0, 4.0] and not groups.left
    assert groups.ends == [pid for pid, _ in groups.added]
    campaign.execute([], Limits(memory=3.0), events.append)
    assert len(made) == 1, "no cells, no groups"
