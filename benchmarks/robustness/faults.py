"""Disks that fill or turn read-only, clocks that jump, floods of output, children that hoard: what campaigns make.

Every round begins in a folder with some finished cells, meets one fault at a random moment, and is run again when the
fault is over: nothing finished may be lost, and all records must then equal those of a campaign that nothing befell.
Disks are file systems in memory, which only root may mount; without, those rounds are left out.
Usage: python benchmarks/robustness/faults.py [ROUNDS] [FOLDER]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import _campaigns
import _misbehaviour as odd

SEEDS = 3
SIZE, MEMORY = "size=8m", "1.7"
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long jump(void) { return (random() % 2000001) - 1000000; }
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(id, t);
  if (id == CLOCK_REALTIME) t->tv_sec += jump();
  return code;
}
time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
"""
"""A clock that is up to twelve days off, another way at every look."""
HOARD = "if os.fork() and os.fork() and os.fork(): pass\n        kept = b'x' * (500 << 20); time.sleep(1000)"
LOGGED = 2**17
"""Bytes that a log may have, whatever was printed."""


class Faults:
    """The folder, what undisturbed records say, and what has been counted."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root / "log.txt"
        self.study = root / "faulty.toml"
        self.study.write_text(_campaigns.STUDY.format(name="faulty", seeds=SEEDS), encoding="utf8")
        self.counts, self.rng = Counter[str](), random.Random(1)
        quiet = self.run(root / "quiet")
        if quiet.code:
            sys.exit(f"the undisturbed campaign failed: {quiet.said}")
        self.truth = _campaigns.content(root / "quiet", "faulty")

    def words(self, results: Path) -> list[str]:
        """The command of a campaign."""
        return ["run", str(self.study), "--results", str(results), "-j1", "--retry"]

    def run(self, results: Path, *more: str, prepare: Callable[[], None] = lambda: None) -> _campaigns.Ended:
        """Run a campaign to its end."""
        ended = _campaigns.call([*self.words(results), *more], self.log, 1200, prepare)
        self.counts["hangs"] += ended.code is None
        self.counts["tracebacks"] += "Traceback" in ended.said
        return ended

    def disturbed(self, results: Path, fault: Callable[[], None], mend: Callable[[], None], codes: set[int]) -> None:
        """Run a campaign, let the fault happen after a random time, see how it ends, mend it and run on."""
        pid = _campaigns.start(self.words(results), self.log)
        time.sleep(self.rng.uniform(0.0, 20.0))
        fault()
        code = _campaigns.wait(pid, 600)
        said = self.log.read_text(encoding="utf8", errors="replace")
        self.counts["hangs"] += code is None
        self.counts["tracebacks"] += "Traceback" in said
        self.counts["wrong exit codes"] += code not in codes
        mend()
        self.look(results, whole=False)
        self.counts["not finished afterwards"] += self.run(results).code != 0
        self.look(results)

    def look(self, results: Path, *, whole: bool = True) -> None:
        """Count finished records that are not as they should be, and what is lacking or left where all is done."""
        found = _campaigns.content(results, "faulty")
        differ = [key for key, one in found.items() if one[0]["status"] == "ok" and one != self.truth.get(key)]
        self.counts["records torn or different"] += len(differ)
        if whole:
            self.counts["cells lost"] += len(self.truth.keys() - found.keys())
            self.counts["files left behind"] += len(_campaigns.leftovers(results))


def full_disk(faults: Faults, disk: Path) -> None:
    """The disk fills in the middle, and has room again."""
    filler = disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**12))

    faults.disturbed(disk / "results", fill, filler.unlink, {0, 2, 3, 74})


def read_only(faults: Faults, disk: Path) -> None:
    """The disk turns read-only in the middle, and can be written again."""
    mount = ["mount", "-o"]

    def turn(how: str) -> Callable[[], None]:
        def change() -> None:
            for _ in range(100):  # Busy while a file is open for writing.
                if not subprocess.run(
                    [*mount, f"remount,{how}", str(disk)], check=False, capture_output=True
                ).returncode:
                    return
                time.sleep(0.05)

        return change

    faults.disturbed(disk / "results", turn("ro"), turn("rw"), {0, 2, 3, 74})
    turn("ro")()
    before = _campaigns.content(disk / "results", "faulty")
    ended = faults.run(disk / "results", "--fresh")
    faults.counts["wrong exit codes"] += ended.code != 2
    faults.counts["records torn or different"] += _campaigns.content(disk / "results", "faulty") != before
    turn("rw")()


def clock(faults: Faults, folder: Path) -> None:
    """The clock jumps by days at every look, in the campaign's workers."""
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK, encoding="utf8")
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=False).returncode:
        faults.counts["left out: no compiler"] += 1
        return
    ended = faults.run(
        folder / "results", "--timeout", "900", prepare=lambda: os.environ.update(LD_PRELOAD=str(library))
    )
    faults.counts["wrong exit codes"] += ended.code != 0
    faults.look(folder / "results")


def plug_ins(faults: Faults, folder: Path) -> None:
    """A flood of output and children that hoard memory, between two neighbours."""
    cases = {"flood": ("ok", "for _ in range(10**4): os.write(1, b'x' * 10**5)"), "hoard": ("out-of-memory", HOARD)}
    texts = {name: odd.Case(name, (), lines, "initialise").source() for name, (_, lines) in cases.items()}
    _campaigns.plug_in(folder / "site", texts)
    rows = _campaigns.rows("gaussian", *cases, "product_of_marginals")
    head = _campaigns.STUDY.format(name="plugged", seeds=1).partition("[[models]]")[0]
    study = folder / "plugged.toml"
    study.write_text(head + rows, encoding="utf8")
    words = ["run", str(study), "--results", str(folder / "results"), "-j1", "--timeout", "300", "--memory", MEMORY]
    ended = _campaigns.call(words, faults.log, 1200)
    faults.counts["hangs"] += ended.code is None
    faults.counts["tracebacks"] += "Traceback" in ended.said
    said = {one[0]["row"]: one[0] for one in _campaigns.content(folder / "results", "plugged").values()}
    for name in ("gaussian", "product_of_marginals"):
        faults.counts["neighbours lost"] += said.get(name, {}).get("status") != "ok"
    for name, (status, _) in cases.items():
        faults.counts["wrong statuses"] += said.get(name, {}).get("status") != status
    sizes = [path.stat().st_size for path in (folder / "results" / "logs").rglob("*.txt")]
    faults.counts["logs that grew too long"] += sum(size > LOGGED for size in sizes)


def main(rounds: int = 10, folder: str = "/tmp") -> int:
    """Run the rounds and print a table of counts; 1 if anything went wrong."""
    root = Path(tempfile.mkdtemp(dir=folder))  # What an earlier run has mounted may still be in use.
    _campaigns.import_all()
    faults, parts = Faults(root), (full_disk, read_only, clock, plug_ins)
    told = Counter[str]()
    for number in range(rounds):
        part, place = parts[number % len(parts)], root / f"round-{number}"
        place.mkdir()
        mounted = part in (full_disk, read_only)
        if (
            mounted
            and subprocess.run(["mount", "-t", "tmpfs", "-o", SIZE, "tmpfs", str(place)], check=False).returncode
        ):
            told[f"{part.__name__} (left out: no disk can be mounted)"] += 1
            continue
        try:
            part(faults, place)
            told[part.__name__] += 1
        finally:
            if mounted:
                subprocess.run(["umount", "-l", str(place)], check=False)
        print(f"{number + 1} of {rounds} rounds: {dict(+faults.counts)}", file=sys.stderr, flush=True)
    for what, n in told.items():
        print(f"| rounds of {what} | {n} |")
    for what, n in sorted(faults.counts.items()):
        print(f"| {what} | {n} |")
    return int(any(n for what, n in faults.counts.items() if not what.startswith("left out")))


if __name__ == "__main__":
    sys.exit(main(*(kind(given) for kind, given in zip((int, str), sys.argv[1:], strict=False))))
