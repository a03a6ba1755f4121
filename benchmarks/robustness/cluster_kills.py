"""Kill Dask workers, the scheduler and the campaign at random moments; nothing finished may be lost or run twice.

A scheduler and two workers are started by hand, as docs/clusters.md says, and a campaign on them. What is killed is
started again. At the end the records must be equal, bit for bit, to those of a campaign on this machine that nobody
disturbed, and no record that was finished may have been written again. A call that was stopped goes on where it was,
if it is made again.
Usage: python benchmarks/robustness/cluster_kills.py [WORKERS] [SCHEDULERS] [CAMPAIGNS] [FOLDER]
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import _campaigns

PORT, SEEDS, PAUSE = "18790", 12, 30.0
DASK = [sys.executable, "-m", "dask"]
SCHEDULER = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", PORT, "--no-dashboard"]
WORKER = [*DASK, "worker", f"tcp://127.0.0.1:{PORT}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
BAD = ("finished records lost", "records torn or different", "cells run twice to completion", "hangs", "not finished")
Stamps = dict[str, tuple[int, int]]


class Cluster:
    """The scheduler, the workers and the campaign, each a process group of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.results, self.study = root, root / "results", root / "killed.toml"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start one of them, unless it runs."""
        if name in self.processes and self.processes[name].poll() is None:
            return
        own = [sys.executable, "-m", "qinn_bench.cli.main", "run", str(self.study), "--results", str(self.results)]
        words = {"scheduler": SCHEDULER, "campaign": [*own, "--scheduler", f"tcp://127.0.0.1:{PORT}"]}.get(name, WORKER)
        with (self.root / f"{name}.txt").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, cwd=self.root, stdout=log, stderr=log, start_new_session=True
            )

    def start_all(self, wait: float = 0.0) -> None:
        """Start whatever does not run."""
        for name in ("scheduler", "worker 1", "worker 2"):
            self.start(name)
        time.sleep(wait)
        self.start("campaign")

    def kill(self, name: str) -> bool:
        """Kill one of them with all its group; whether it ran."""
        process = self.processes.get(name)
        if process is None or process.poll() is not None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True

    def stamps(self) -> Stamps:
        """The state of the files of records."""
        found = {}
        for path in self.results.glob("records/killed/*.json"):
            with suppress(OSError):
                status = path.stat()
                found[path.stem] = status.st_ino, status.st_mtime_ns
        return found


def main(workers: int = 50, schedulers: int = 5, campaigns: int = 5, folder: str = "/tmp/qinn-cluster-kills") -> int:
    """Run until so many were killed, print a table of counts; 1 if anything was lost."""
    root = Path(folder).resolve()
    kept = _campaigns.Kept(root, [workers, schedulers, campaigns])
    _campaigns.import_all()
    cluster, counts = Cluster(root), kept.counts
    cluster.study.write_text(_campaigns.STUDY.format(name="killed", seeds=SEEDS), encoding="utf8")
    quiet = _campaigns.call(["run", str(cluster.study), "--results", str(root / "quiet")], root / "log.txt", 3000)
    if quiet.code:
        sys.exit(f"the undisturbed campaign failed: {quiet.said}")
    truth = _campaigns.content(root / "quiet", "killed")
    left = {"worker": workers, "scheduler": schedulers, "campaign": campaigns} | kept.more
    try:
        while any(left.values()):
            fire(cluster, random.Random(str(left)), counts, left, truth)
            kept.keep(**left)
            print(f"left to be killed: {left}; {dict(counts)}", file=sys.stderr, flush=True)
        finish(cluster, counts, truth)
        kept.end()
    finally:
        for name in ("campaign", "worker 1", "worker 2", "scheduler"):
            cluster.kill(name)
    for what in (*BAD, *(name for name in counts if name not in BAD)):
        print(f"| {what} | {counts[what]} |")
    return int(any(counts[what] for what in BAD))


def fire(cluster: Cluster, rng: random.Random, counts: Counter[str], left: dict[str, int], truth: dict) -> None:
    """Kill one of what is left to be killed, at a random moment, after all runs; start it again and look."""
    if cluster.stamps().keys() >= truth.keys():
        counts["studies finished under fire"] += 1
        cluster.kill("campaign")
        look(cluster, counts, truth, {})
        shutil.rmtree(cluster.results)
    cluster.start_all(wait=2.0)
    before = cluster.stamps()
    time.sleep(rng.uniform(1.0, PAUSE))
    kind = rng.choice([kind for kind, n in left.items() if n])
    victim = f"worker {rng.choice((1, 2))}" if kind == "worker" else kind
    if cluster.kill(victim):
        left[kind] -= 1
        counts[f"kills of a {kind}"] += 1
    look(cluster, counts, truth, before)
    if kind == "scheduler":
        code = None
        with suppress(subprocess.TimeoutExpired):
            code = cluster.processes["campaign"].wait(timeout=300)
        counts["hangs"] += code is None
        for name in ("campaign", "worker 1", "worker 2"):
            cluster.kill(name)


def look(cluster: Cluster, counts: Counter[str], truth: dict, before: Stamps) -> None:
    """Count finished records that are gone, changed or written again."""
    now = cluster.stamps()
    counts["finished records lost"] += len(before.keys() - now.keys())
    counts["cells run twice to completion"] += sum(now.get(key, mark) != mark for key, mark in before.items())
    found = _campaigns.content(cluster.results, "killed") if cluster.results.exists() else {}
    counts["records torn or different"] += sum(
        one[0]["status"] not in ("ok", "lost") or (one[0]["status"] == "ok" and one != truth[key])
        for key, one in found.items()
    )
    counts["cells recorded as lost"] += sum(one[0]["status"] == "lost" for one in found.values())


def finish(cluster: Cluster, counts: Counter[str], truth: dict) -> None:
    """Let a campaign run to its end, and compare everything."""
    cluster.kill("campaign")
    cluster.start_all(wait=2.0)
    code = None
    with suppress(subprocess.TimeoutExpired):
        code = cluster.processes["campaign"].wait(timeout=3000)
    counts["not finished"] += code != 0
    found = _campaigns.content(cluster.results, "killed")
    counts["resumed to the end, equal bit for bit"] += found == truth
    counts["files left behind"] += len(_campaigns.leftovers(cluster.results))


if __name__ == "__main__":
    sys.exit(main(*(kind(given) for kind, given in zip((int, int, int, str), sys.argv[1:], strict=False))))
