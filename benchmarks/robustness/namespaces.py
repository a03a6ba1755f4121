"""Three Dask workers as hosts of their own (network namespaces), one of them cut off in the middle of a campaign.

A bridge with an address for the scheduler and the campaign; each worker has a namespace with an address of its own on
it, one of them without the folder of results, so that it sends its records back. While cells run, the link of one
worker is taken down and stays down. The campaign has to complete with the records of an undisturbed one, bit for bit.
It needs root and the program `ip`; without, the script says why and leaves it out, with exit code 0.

    python benchmarks/robustness/namespaces.py --rounds 3 --seeds 12
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import _campaigns

NAME, PORT, SECONDS, WORKERS = "hosts", 18791, 3600, (1, 2, 3)
BAD = ("not completed", "hangs", "cells lost", "records torn or different", "files left behind", "tracebacks")
TIMEOUTS = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
LISTENS = 300
"""Seconds in which the scheduler has to listen: a busy machine takes long to import what it needs."""
DASK = [sys.executable, "-m", "dask"]


class Hosts:
    """The bridge `qbPIDb`, the namespaces `qbPIDn1` and so on, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"qb{os.getpid() % 10**5}"
        self.net = f"10.{os.getpid() % 250}.{random.Random(os.getpid()).randrange(250)}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def why_not(self) -> str:
        """Why there can be no namespaces here; empty where there can."""
        if not shutil.which("ip"):
            return "there is no program 'ip'"
        if os.geteuid():
            return "only root may make network namespaces"
        try:
            ip("netns", "add", f"{self.name}try")
            ip("netns", "del", f"{self.name}try")
        except subprocess.CalledProcessError as error:
            return f"no namespace can be made ({error.stderr.decode(errors='replace').strip()})"
        return ""

    def make(self) -> None:
        """Make the bridge, and a namespace with an address for each worker."""
        ip("link", "add", f"{self.name}b", "type", "bridge")
        ip("addr", "add", f"{self.net}.254/24", "dev", f"{self.name}b")
        ip("link", "set", f"{self.name}b", "up")
        for at in WORKERS:
            space, here, there = (f"{self.name}{kind}{at}" for kind in "nhi")
            ip("netns", "add", space)
            ip("link", "add", here, "type", "veth", "peer", "name", there)
            ip("link", "set", there, "netns", space)
            ip("link", "set", here, "master", f"{self.name}b", "up")
            ip("netns", "exec", space, "ip", "addr", "add", f"{self.net}.{at}/24", "dev", there)
            ip("netns", "exec", space, "ip", "link", "set", there, "up")
            ip("netns", "exec", space, "ip", "link", "set", "lo", "up")

    def cut(self, at: int) -> None:
        """Take the link of a worker down."""
        ip("link", "set", f"{self.name}h{at}", "down")

    def remove(self) -> None:
        """End what runs and remove the namespaces and the bridge."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()
        for words in (*(("netns", "del", f"{self.name}n{at}") for at in WORKERS), ("link", "del", f"{self.name}b")):
            with suppress(subprocess.CalledProcessError):
                ip(*words)

    def start(self, name: str, words: list[str]) -> None:
        """Start a process in a group of its own, with its output in a file."""
        with (self.folder / f"{name}.txt").open("ab") as log:
            environment = os.environ | TIMEOUTS
            self.processes[name] = subprocess.Popen(
                words, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_cluster(self, hidden: Path) -> str:
        """Start the scheduler and the workers, the last without the folder `hidden`; the address of the scheduler."""
        address = f"tcp://{self.net}.254:{PORT}"
        listen = ["--host", f"{self.net}.254", "--port", str(PORT), "--no-dashboard"]
        self.start("scheduler", [*DASK, "scheduler", *listen])
        for _ in range(LISTENS):
            with suppress(OSError), socket.create_connection((f"{self.net}.254", PORT), 1):
                break
            time.sleep(1)
        for at in WORKERS:
            own = ["--host", f"{self.net}.{at}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            words = [*DASK, "worker", address, *own]
            if at == WORKERS[-1]:
                covered = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
                words = ["unshare", "--mount", "sh", "-c", covered, str(hidden), *words]
            self.start(f"worker{at}", ["ip", "netns", "exec", f"{self.name}n{at}", *words])
        return address


def ip(*words: str) -> None:
    """Call the program `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def main() -> int:
    """Run the rounds and print a table of counts; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=6, help="of each of two models: cells of a round are twice that")
    options = parser.parse_args()
    counts = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="qinn-hosts-") as folder:
        root = Path(folder)
        if why := Hosts(root).why_not():
            print(f"left out: {why}")
            return 0
        _campaigns.import_all()
        study = root / f"{NAME}.toml"
        study.write_text(_campaigns.STUDY.format(name=NAME, seeds=options.seeds), encoding="utf8")
        quiet = _campaigns.call(["run", str(study), "--results", str(root / "quiet"), "-j1"], root / "log.txt", SECONDS)
        if quiet.code:
            sys.exit(f"the undisturbed campaign failed: {quiet.said}")
        truth, rng = _campaigns.content(root / "quiet", NAME), random.Random(1)
        for number in range(options.rounds):
            place = root / f"round{number}"
            place.mkdir()
            once(Hosts(place), study, truth, rng, counts)
            print(f"{number + 1} of {options.rounds} rounds: {dict(counts)}", file=sys.stderr, flush=True)
    print(f"| 3 hosts, one cut off, {options.rounds} rounds of {2 * options.seeds} cells | |\n|---|---:|")
    for what in (*BAD, *(name for name in sorted(counts) if name not in BAD)):
        print(f"| {what} | {counts[what]} |")
    return int(any(counts[what] for what in BAD))


def once(hosts: Hosts, study: Path, truth: dict, rng: random.Random, counts: Counter[str]) -> None:
    """One round: start all, cut a worker off once some cells are finished, wait, look."""
    results = hosts.folder / "results"
    results.mkdir()
    try:
        hosts.make()
        own = [sys.executable, "-m", "qinn_bench.cli.main", "run", str(study), "--results", str(results)]
        hosts.start("campaign", [*own, "--scheduler", hosts.start_cluster(results)])
        campaign, deadline = hosts.processes["campaign"], time.monotonic() + SECONDS
        some = rng.randrange(1, max(2, len(truth) // 2))
        while campaign.poll() is None and time.monotonic() < deadline and finished(results) < some:
            time.sleep(0.2)
        at = rng.choice(WORKERS)
        hosts.cut(at)
        counts["cut off while cells ran" if campaign.poll() is None else "cut off too late"] += 1
        counts["of these, workers that sent records back"] += at == WORKERS[-1]
        code = None
        with suppress(subprocess.TimeoutExpired):
            code = campaign.wait(timeout=max(1.0, deadline - time.monotonic()))
        counts["hangs"] += code is None
        counts["not completed"] += code != 0
        said = (hosts.folder / "campaign.txt").read_text(encoding="utf8", errors="replace")
        counts["tracebacks"] += "Traceback" in said
        if code or "Traceback" in said:
            print(said[-3000:], file=sys.stderr)
    finally:
        hosts.remove()
    found = _campaigns.content(results, NAME)
    counts["cells lost"] += len(truth.keys() - found.keys())
    counts["records torn or different"] += sum(one != truth.get(key) for key, one in found.items())
    counts["cells that ended well"] += sum(one == truth.get(key) for key, one in found.items())
    _campaigns.call(["clean", "--results", str(results)], hosts.folder / "clean.txt", SECONDS)
    counts["files left behind"] += len(_campaigns.leftovers(results))


def finished(results: Path) -> int:
    """How many records there are."""
    return len(list(results.glob(f"records/{NAME}/*.json")))


if __name__ == "__main__":
    sys.exit(main())
