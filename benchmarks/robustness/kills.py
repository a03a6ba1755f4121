"""Kill campaigns, their workers and the server that forks them at random moments; nothing finished may be lost.

Every round starts the study in a folder that killed rounds have left, sends one signal at a random moment and looks at
each record that was finished before: it must be there, whole, and say the same. At the end, and whenever all cells are
finished, the records must be equal, bit for bit, to those of a campaign that nobody disturbed. `--fresh` rounds train
finished cells again under fire. A call that was stopped goes on where it was, if it is made again.
Usage: python benchmarks/robustness/kills.py [KILLS] [FOLDER]
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import _campaigns

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PAUSE = 1.0
"""The most seconds between two signals."""


def main(kills: int = 200, folder: str = "/tmp/qinn-kills") -> int:
    """Run the rounds and print a table of counts; 1 if anything was lost."""
    root = Path(folder).resolve()
    kept = _campaigns.Kept(root, [kills])
    counts = kept.counts
    study, log = root / "killed.toml", root / "log.txt"
    study.write_text(_campaigns.STUDY.format(name="killed", seeds=12), encoding="utf8")
    _campaigns.import_all()
    quiet = _campaigns.call(["run", str(study), "--results", str(root / "quiet")], log, 600)
    if quiet.code != 0:
        sys.exit(f"the undisturbed campaign failed: {quiet.said}")
    truth = _campaigns.content(root / "quiet", "killed")
    fired, results = kept.more.get("fired", 0), root / "shot"
    while fired < kills:
        rng = random.Random(counts["rounds"])
        if rng.random() < 0.05:
            shutil.rmtree(results, ignore_errors=True)
        fired += shoot(study, results, log, rng, truth, counts)
        kept.keep(fired=fired)
        print(f"{fired} of {kills} signals", file=sys.stderr, flush=True)
    last = _campaigns.call(["run", str(study), "--results", str(results), "--retry"], log, 600)
    counts["resumed to the end, equal bit for bit"] += last.code == 0 and _campaigns.content(results, "killed") == truth
    counts["files left behind"] += len(_campaigns.leftovers(results))
    kept.end()
    bad = ("finished records lost", "records torn or different", "hangs", "processes left", "files left behind")
    for what in (*bad, *(name for name in counts if name not in bad)):
        print(f"| {what} | {counts[what]} |")
    return int(any(counts[what] for what in bad) or not counts["resumed to the end, equal bit for bit"])


def shoot(study: Path, results: Path, log: Path, rng: random.Random, truth: dict, counts: Counter) -> int:
    """One round: start, fire until the campaign is gone or finished, look. The number of signals that hit."""
    before = _campaigns.content(results, "killed") if results.exists() else {}
    done = {key for key, (said, _) in before.items() if said["status"] == "ok"}
    more = ["--fresh"] if len(done) == len(truth) else ["--retry"]
    pid, fired, deadline = _campaigns.start(["run", str(study), "--results", str(results), "-j1", *more], log), 0, 0.0
    deadline = time.monotonic() + 300
    seen: set[int] = set()
    code = None
    while code is None and time.monotonic() < deadline:
        time.sleep(rng.uniform(0.0, PAUSE))
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        relatives = _campaigns.family(pid)
        seen |= set(relatives)
        victim, kind = _victim(pid, relatives, rng)
        if not kind:
            continue
        sign = rng.choice(SIGNALS)
        with suppress(ProcessLookupError):
            os.kill(victim, sign)
            fired += 1
            counts[f"{sign.name} to a {kind}"] += 1
        if kind == "campaign":
            code = _campaigns.wait(pid, 60)
            if code is None:
                counts["hangs"] += 1
                code = -9
    if code is None:
        counts["hangs"] += 1
        _campaigns.wait(pid, 0)
    counts["rounds"] += 1
    _ended(seen, counts)
    after = _campaigns.content(results, "killed") if results.exists() else {}
    counts["finished records lost"] += sum(after.get(key, ({"status": ""},))[0]["status"] != "ok" for key in done)
    counts["records torn or different"] += sum(
        said["status"] == "ok" and (said, arrays) != truth[key] for key, (said, arrays) in after.items()
    )
    return fired


def _victim(campaign: int, relatives: dict[int, int], rng: random.Random) -> tuple[int, str]:
    servers = [pid for pid, parent in relatives.items() if parent == campaign]
    workers = [pid for pid, parent in relatives.items() if parent in servers]
    kind = rng.choices(["campaign", "server", "worker"], [1, 1, 20])[0]
    there = {"campaign": [campaign], "server": servers, "worker": workers}[kind]
    return (rng.choice(there), kind) if there else (0, "")


def _ended(seen: set[int], counts: Counter) -> None:
    """Count what of a campaign still runs some seconds after its end."""
    deadline = time.monotonic() + 20
    while alive := [pid for pid in seen if _runs(pid)]:
        if time.monotonic() > deadline:
            counts["processes left"] += len(alive)
            return
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    sys.exit(main(*(kind(given) for kind, given in zip((int, str), sys.argv[1:], strict=False))))
