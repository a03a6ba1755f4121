"""Cells run on a Dask cluster as they do here, in a shared folder or sent back; what is lost is run again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from qinn_bench.cli.main import main
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.study import campaign, planning, run_cell, study_files
from qinn_bench.study.campaign import CellEvent
from qinn_bench.study.schedulers import remote_cell
from qinn_bench.values import Refused

distributed = pytest.importorskip("distributed", reason="needs the extra [clusters]")
dask_cluster = pytest.importorskip("qinn_bench.study.schedulers.dask_cluster")

ROOT = Path(__file__).parents[1]
STUDY = """
name = "small"
data = ["moons[events=400]"]
seeds = {seeds}
samples = 100
mass_draws = 500
metrics = ["swd"]
[budgets.tiny]
steps = {steps}
batch = 32
[[models]]
model = "product_of_marginals"
"""
SLURM = """
jobs = 3
cores = 8
processes = 8
memory = "24 GB"
walltime = "24:00:00"
queue = "long"
directives = ["--constraint=avx2"]
prologue = ["module load python"]
"""
CONDOR = """
jobs = 3
cores = 2
memory = "8 GB"
disk = "4 GB"
directives = ["+MaxRuntime = 86400"]
"""


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and a worker in this process."""
    alone = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**alone, silence_logs=50) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield dask_cluster.DaskScheduler(client=client)


@pytest.fixture
def at_once(monkeypatch):
    """Workers run cells in their own process; `ran` has how often each was."""
    ran = []

    def execute_one(order, limits, show, kept):
        ran.append(order)
        show(CellEvent(order, step=3))
        show(CellEvent(order, record=run_cell.run_cell(order)))

    monkeypatch.setattr(campaign, "execute_one", execute_one)
    return ran


def planned(tmp_path, seeds=2, steps=1):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "small.toml"
    path.write_text(STUDY.format(seeds=seeds, steps=steps))
    return path, planning.plan(study_files.load_study(path), tmp_path / "results")


def run(cluster, orders, **limits):
    events = []
    cluster.execute(orders, Limits(**limits), events.append)
    assert not [path for path in orders[0].results.rglob("*") if path.name.startswith(".")], "nothing is left behind"
    return events


def content(results):
    """What the records say and hold, without times."""
    return {
        one.key: (
            one.model_dump(exclude={"cost", "provenance", "resources"}),
            {name: array.tobytes() for name, array in store.load_arrays(results, one).items()},
        )
        for one in store.load_all(results, "small")
    }


def test_workers_that_share_the_folder_write_there(cluster, at_once, tmp_path):
    _, orders = planned(tmp_path)
    events = run(cluster, orders, timeout=60.0)
    assert len(at_once) == 2 and all(one.results == orders[0].results for one in at_once)
    assert sorted(e.order.cell.seed for e in events if e.record and e.record.status == "ok") == [0, 1]
    assert any(event.step == 3 for event in events), "steps are told while a cell runs"
    before = content(orders[0].results)
    assert campaign.pending(orders) == [] and len(before) == 2


def test_records_of_other_workers_are_sent_back_and_are_the_same(cluster, at_once, tmp_path, monkeypatch):
    _, orders = planned(tmp_path / "a")
    run(cluster, orders)
    _, apart = planned(tmp_path / "b")
    monkeypatch.setattr(dask_cluster, "_token", lambda *_: "seen by nobody")
    events = run(cluster, apart)
    assert {one.results for one in at_once[2:]}.isdisjoint({apart[0].results}) and len(at_once) == 4
    assert all(event.record.status == "ok" for event in events if event.record)
    assert content(apart[0].results) == content(orders[0].results)
    stale = store.load(apart[0].results, "small", apart[0].key)
    store.save(apart[0].results, stale.model_copy(update={"measured": {}}))
    (again,) = campaign.pending(apart)
    trained = []
    monkeypatch.setattr(run_cell, "_train_and_measure", lambda *a: trained.append(a))
    run(cluster, [again])
    assert not trained and store.load(apart[0].results, "small", again.key).measured == stale.measured


def test_a_cell_that_another_campaign_has_finished_is_taken_over(cluster, at_once, tmp_path, monkeypatch):
    _, orders = planned(tmp_path, seeds=1)
    hand_over = dask_cluster._OnCluster._hand_over

    def late(self, one):
        run_cell.run_cell(orders[0])
        hand_over(self, one)

    monkeypatch.setattr(dask_cluster._OnCluster, "_hand_over", late)
    (event,) = run(cluster, orders)
    assert event.note == "run by another campaign meanwhile" and event.record.status == "ok" and not at_once


def test_cells_of_two_folders_with_the_same_key_are_told_apart(cluster, at_once, tmp_path):
    orders = [planned(tmp_path / name, seeds=1)[1][0] for name in "ab"]
    assert orders[0].key == orders[1].key
    events = run(cluster, orders)
    assert {one.order.results for one in events if one.record} == {order.results for order in orders}
    assert {one.order.results for one in events if one.step} == {order.results for order in orders}
    assert content(orders[0].results) == content(orders[1].results) != {}


class Gone:
    """A client whose scheduler goes away at the first call of `at`."""

    def __init__(self, at):
        self.at, self.status, self.scheduler = at, "running", SimpleNamespace(address="tcp://127.0.0.1:1")

    def _reached(self, place):
        if self.at == place:
            self.status = "closed"
        if self.status == "closed":
            raise distributed.client.ClosedClientError("Client is closed.")

    def nthreads(self):
        return {"a": 2}

    def subscribe_topic(self, *_):
        self._reached("subscribe")

    def unsubscribe_topic(self, *_):
        self._reached("unsubscribe")

    def submit(self, *_, **__):
        self._reached("submit")
        return Answer(self)


class Answer:
    """A future that says that it has finished, as one does when the scheduler goes away before its result is here."""

    status = "finished"

    def __init__(self, client):
        self.client = client

    def add_done_callback(self, call):
        call(self)

    def done(self):
        return True

    def cancel(self):
        self.client._reached("cancel")

    def result(self, timeout):
        if self.client.at == "result":
            self.client.status = "closed"
        raise asyncio.CancelledError


@pytest.mark.parametrize("at", ["subscribe", "submit", "result"])
def test_a_scheduler_that_goes_away_between_two_looks_ends_the_campaign_with_what_is_left(at, tmp_path):
    _, orders = planned(tmp_path, seeds=3)
    events = run(dask_cluster.DaskScheduler(client=Gone(at)), orders)
    assert sorted(event.order.key for event in events if event.problem) == sorted(order.key for order in orders)
    assert {event.problem for event in events} == {"the Dask scheduler at tcp://127.0.0.1:1 is lost"}


def test_a_record_that_does_not_come_is_asked_for_again_and_then_given_up(tmp_path):
    _, orders = planned(tmp_path, seeds=1)
    events = run(dask_cluster.DaskScheduler(client=Gone("never")), orders)
    assert [event.problem for event in events][-1] == "the cluster has lost the cell 3 times"
    assert len([event for event in events if "run again" in event.note]) == 2


def test_what_fails_on_a_worker_ends_with_the_reason(cluster, tmp_path, monkeypatch):
    _, orders = planned(tmp_path, seeds=1)

    def execute_one(*_):
        raise Refused("no worker can be started: why")

    monkeypatch.setattr(campaign, "execute_one", execute_one)
    (event,) = run(cluster, orders)
    assert "no worker can be started: why" in event.problem and event.record is None
    error = distributed.KilledWorker("task", "worker", 3)
    monkeypatch.setattr(campaign, "execute_one", lambda *_: (_ for _ in ()).throw(error))
    lost = dask_cluster._OnCluster(cluster, Limits(), events := [], {})
    lost.show = events.append
    lost._failed(orders[0], error)
    assert events[0].record.status == "lost" and events[0].record.reason == "4 workers that ran it were lost"


def test_a_record_of_another_cell_is_not_taken_from_a_worker(tmp_path):
    _, (first, second) = planned(tmp_path)
    run_cell.save(first, {})
    files = remote_cell.files_of(first.results, "small", first.key)
    with pytest.raises(ValueError, match="was expected"):
        remote_cell.put_files(second.results, "small", second.key, files)
    with pytest.raises(Refused, match="damaged"):
        remote_cell.put_files(first.results, "small", first.key, files | {"arrays": b"no arrays"})


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    path, _ = planned(tmp_path)
    words = ["run", str(path), "--results", str(tmp_path / "results")]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:1'" in capsys.readouterr().err
    for wrong, said in (
        (["--scheduler", "tcp://127.0.0.1:1", "--cluster", "slurm"], "one of them was expected"),
        (["--cluster", "slurm"], "needs --cluster-config"),
        (["--dry-run"], "--cluster and --cluster-config were expected"),
        (["--cluster", "lsf", "--cluster-config", str(path), "--dry-run"], "no batch system is called 'lsf'"),
    ):
        assert main([*words, *wrong]) == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "noted"), [("tcp://127.0.0.1:1", False), ("tcp://10.0.0.5:1", True), ("tls://10.0.0.5:1", False)]
)
def test_a_way_that_is_not_encrypted_is_named(address, noted):
    assert bool(dask_cluster.DaskScheduler(address, client=object()).note) is noted


def test_job_scripts_are_printed_and_nothing_is_submitted(tmp_path, capsys):
    path, _ = planned(tmp_path)
    (tmp_path / "slurm.toml").write_text(SLURM)
    (tmp_path / "condor.toml").write_text(CONDOR)
    words = ["run", str(path), "--results", str(tmp_path / "results"), "--dry-run"]
    assert main([*words, "--cluster", "slurm", "--cluster-config", str(tmp_path / "slurm.toml")]) == 0
    script = capsys.readouterr().out
    for line in (
        "#SBATCH -p long",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH -t 24:00:00",
        "#SBATCH --constraint=avx2",
        "module load python",
    ):
        assert line in script.splitlines()
    assert "--nthreads 1" in script and "--nworkers 8" in script
    assert main([*words, "--cluster", "htcondor", "--cluster-config", str(tmp_path / "condor.toml")]) == 0
    script = capsys.readouterr().out
    assert "MY.DaskWorkerCores = 2" in script and "+MaxRuntime = 86400" in script and "Queue" in script
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("system", "settings", "said"),
    [
        ("slurm", SLURM + 'disk = "4 GB"', "disk is a setting of htcondor"),
        ("htcondor", CONDOR.replace('disk = "4 GB"\n', ""), "disk is missing"),
        ("slurm", SLURM.replace("processes = 8", "processes = 3"), "no multiple of 3"),
        ("slurm", SLURM.replace('queue = "long"', 'queue = "long\\nrm -r"'), "queue"),
        ("slurm", SLURM.replace('"--constraint=avx2"', '"x\\nrm -r"'), "directives"),
        ("slurm", SLURM + "nodes = 3", "nodes"),
    ],
)
def test_settings_of_jobs_that_are_wrong_are_refused(tmp_path, capsys, system, settings, said):
    path, _ = planned(tmp_path)
    (tmp_path / "jobs.toml").write_text(settings)
    words = ["run", str(path), "--cluster", system, "--cluster-config", str(tmp_path / "jobs.toml"), "--dry-run"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.strip().splitlines()) == 1


COMMANDS = ("dask scheduler", "dask worker", "qinn-bench run small.toml")


def commands():
    """The lines of the page that start a cluster by hand and run a study on it, at another port."""
    lines = [line.split("#")[0].split() for line in (ROOT / "docs" / "clusters.md").read_text("utf8").splitlines()]
    found = [next(words for words in lines if " ".join(words).startswith(command)) for command in COMMANDS]
    return [[word.replace("8786", PORT) for word in words] for words in found]


PORT = "18786"


@pytest.fixture
def by_hand(tmp_path):
    """Starts what a line of the page says, in a folder, and ends it."""
    started = []

    def start(words, folder=tmp_path):
        command = [sys.executable, "-m", "dask", *words[1:]] if words[0] == "dask" else words
        environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_cluster_started_by_hand_gives_the_same_bits_and_loses_nothing_with_a_worker(tmp_path, by_hand):
    text = STUDY.format(seeds=6, steps=20) + '[[models]]\nmodel = "affine_inn"\nknobs = { blocks = 2, hidden = 4 }\n'
    (tmp_path / "small.toml").write_text(text)
    assert main(["run", str(tmp_path / "small.toml"), "--results", str(tmp_path / "here"), "-j", "1"]) == 0
    scheduler, worker, run_words = commands()
    by_hand(scheduler)
    first = by_hand(worker)
    own = [sys.executable, "-m", "qinn_bench.cli.main", *run_words[1:]]
    running = by_hand(own)
    deadline = time.monotonic() + 600
    while len(list((tmp_path / "results").glob("records/small/*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(first.pid, signal.SIGKILL)
    by_hand(worker)
    assert running.wait(timeout=900) == 0
    assert content(tmp_path / "results") == content(tmp_path / "here")


@pytest.mark.slow
def test_a_worker_keeps_the_server_of_its_cells_and_starts_another_when_it_is_lost(tmp_path):
    _, (first, second) = planned(tmp_path)
    kept, events = campaign.KeptServer(), []
    campaign.execute_one(first, Limits(timeout=300.0), events.append, kept)
    server = kept.server
    assert server is kept.usable()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    campaign.execute_one(second, Limits(timeout=300.0), events.append, kept)
    assert [event.record.status for event in events if event.record] == ["ok", "ok"] and kept.server is not server
    kept.server.end()
