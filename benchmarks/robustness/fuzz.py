"""Damaged files drawn by Hypothesis, read by the functions that read files of strangers: a sentence or an answer.

Studies, claims, records, published records, tables, NPZ, HDF5 and XML are damaged byte by byte, in what is inside them,
or are nothing but noise. Each chunk runs in a process of its own with a limit of memory; each file has a limit of time.
Right are an answer and a `Refused` of one line; all else is kept, with its file, in the folder of the state, in which
a campaign that was interrupted goes on. `damage.py` puts such files before the verbs of the program.

    python benchmarks/robustness/fuzz.py --count 100000 --state build/robustness/fuzz
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _fuzzed
from _damages import binary
from _fuzzed import Kind
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from qinn_bench.limits import held
from qinn_bench.values import Refused

CPU_SECONDS, WALL_SECONDS, MEMORY = 5.0, 120.0, 2**30
"""What a file may take; by the wall it is more, as the machine may be busy. The memory is that of a whole chunk."""
CHUNK, RIGHT = 500, ("answer", "refused")
LONGEST = 2000
"""Characters of a sentence."""


class Late(BaseException):
    """A file that takes too long."""


def _late(*_: object) -> None:
    raise Late


class Chunk:
    """So many files of one kind, and how they ended."""

    def __init__(self, kind: Kind, state: Path, number: int) -> None:
        self.kind, self.state, self.number = kind, state, number
        self.outcomes, self.damages = Counter[str](), Counter[str]()
        self.slowest = 0.0

    def run(self, files: int) -> dict[str, Any]:
        """Draw and read them."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        limit = held() + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)), resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, _late), signal.signal(signal.SIGPROF, _late)
        quiet = {"database": None, "deadline": None, "phases": [Phase.generate], "print_blob": False}
        few = settings(max_examples=files, suppress_health_check=list(HealthCheck), **quiet)
        drawn = st.randoms(use_true_random=False), st.binary(max_size=400)
        few(seed(self.number)(given(*drawn)(self.one)))()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        told = {"kind": self.kind.name, "slowest": self.slowest, "grown": grown}
        return told | {"outcomes": self.outcomes, "damages": self.damages}

    def one(self, rng: random.Random, noise: bytes) -> None:
        """Damage the file and read it."""
        draw = rng.random()
        if draw < 0.1:
            what, content = "noise", noise
        else:
            what, content = (binary if draw < 0.4 else self.kind.inside)(self.kind.good, rng)
        self.kind.path.write_bytes(content)
        outcome, said, seconds = self._read()
        self.outcomes[outcome] += 1
        self.damages[what] += 1
        self.slowest = max(self.slowest, seconds)
        if outcome not in RIGHT:
            name = f"{self.kind.name}-{self.number}-{sum(self.outcomes.values())}".replace(" ", "-")
            (self.state / f"{name}.bin").write_bytes(content)
            (self.state / f"{name}.txt").write_text(f"{what}: {outcome}: {said}\n", encoding="utf8")

    def _read(self) -> tuple[str, str, float]:
        began, outcome, said = time.process_time(), "answer", ""
        try:
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS), signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
            self.kind.read(self.kind.path)
        except Refused as refusal:
            said = str(refusal)
            outcome = "refused" if said and len(said.splitlines()) == 1 and len(said) < LONGEST else "no sentence"
        except Late:
            outcome = "hang"
        except MemoryError:
            outcome = "memory"
        except BaseException as error:
            outcome, said = "another error", f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0), signal.setitimer(signal.ITIMER_REAL, 0)
        return outcome, said, time.process_time() - began


def in_a_process(kind: Kind, state: Path, number: int, files: int) -> Path:
    """Run a chunk in a fork, unless its outcome is there, and where that is; a process that is lost is an outcome."""
    done = state / f"{kind.name}-{number}-{files}.json".replace(" ", "-")
    if done.exists():
        return done
    pid = os.fork()
    if not pid:
        code = 1
        try:
            told = Chunk(kind, state, number).run(files)
            done.with_suffix(".part").write_text(json.dumps(told), encoding="utf8")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        kept = done.with_suffix(".bin")
        kept.write_bytes(kind.path.read_bytes() if kind.path.is_file() else b"")
        told = {"kind": kind.name, "slowest": 0.0, "grown": 0, "outcomes": {"lost": 1}, "damages": {}}
        done.with_suffix(".part").write_text(json.dumps(told), encoding="utf8")
    done.with_suffix(".part").rename(done)
    return done


def table(paths: list[Path], seconds: float) -> tuple[list[str], int]:
    """The counts of these chunks, and how many files ended wrongly."""
    chunks = [json.loads(path.read_text(encoding="utf8")) for path in paths]
    shown = [*RIGHT, *sorted({name for one in chunks for name in one["outcomes"]} - set(RIGHT))]
    lines = [f"| damaged files | files | {' | '.join(shown)} | slowest | memory |"]
    lines.append(f"|---|---:|{'---:|' * len(shown)}---:|---:|")
    wrong = 0
    for kind in dict.fromkeys(one["kind"] for one in chunks):
        own = [one for one in chunks if one["kind"] == kind]
        counts = sum((Counter(one["outcomes"]) for one in own), Counter[str]())
        wrong += sum(n for name, n in counts.items() if name not in RIGHT)
        slowest, grown = (max(one[name] for one in own) for name in ("slowest", "grown"))
        numbers = " | ".join(str(counts[name]) for name in shown)
        lines.append(f"| {kind} | {counts.total()} | {numbers} | {slowest:.2f} s | {grown / 2**20:.0f} MiB |")
    return [*lines, "", f"{wrong} ended wrongly; {seconds:.0f} s of CPU in this run"], wrong


def main() -> int:
    """Run what is not done yet, print the table of all; 1 if anything ended wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1600, help="files in all, in equal parts of each kind")
    parser.add_argument("--state", type=Path, help="a folder in which a campaign goes on; default: a new one")
    parser.add_argument("--only", help="this kind alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qinn-fuzz-") as folder:
        state = options.state or Path(folder) / "state"
        state.mkdir(parents=True, exist_ok=True)
        found = [kind for kind in _fuzzed.kinds(Path(folder)) if options.only in (None, kind.name)]
        for kind in found:
            kind.read(kind.path)  # A good file that is refused would make all damage look well.
        each, done = -(-options.count // len(found)), list[Path]()
        for number, at in enumerate(range(0, each, CHUNK)):
            for kind in found:
                done.append(in_a_process(kind, state, number, min(CHUNK, each - at)))
                print(f"{kind.name}: chunk {number}", file=sys.stderr, flush=True)
            print(f"{min(each, at + CHUNK) * len(found)} files", file=sys.stderr, flush=True)
        spent = os.times()
        lines, wrong = table(done, spent.user + spent.system + spent.children_user + spent.children_system)
    print("\n".join(lines))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
