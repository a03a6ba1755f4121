"""Thousands of damaged files through the verbs that read them: each ends with a sentence or an answer.

A damaged study, record, array, published file, file of claims, lock, licence, golden number, known counter, run,
anchor, table, sample, file of showers or binning is put in the place of a good one, and a verb is called in a process
that has imported everything. What is counted is how it ended. Wrong are tracebacks, faults of the program (exit code
70), hangs, too much memory, and a verdict's exit code from a verb that gives none.

    python benchmarks/robustness/damage.py --cases 5000 --out results/validation/damage.md
    python benchmarks/robustness/damage.py --cases 100000 --state build/damage    # goes on where it was stopped
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import _damages
from _good import Good, Target, make

SECONDS = 30.0
"""CPU seconds that no case may exceed; most take a tenth of one."""
CHUNK = 2500
"""Cases that are kept together where a campaign can go on."""
MEMORY = 3 * 2**30
"""What the process may take beside what it had when it started."""
OUTCOMES = {
    "answer": "the verb answered (the damage made no difference, or makes another valid file)",
    "refused": "one sentence, exit code 2",
    "system": "one sentence of what the system refuses, exit code 74",
    "fault": "a fault of the program, exit code 70",
    "traceback": "a traceback",
    "hang": "no answer within the limit of time",
    "memory": "more memory than allowed",
    "lost": "the process is gone",
    "verdict": "the exit code of a verdict from a verb that gives none",
}
WRONG = ("fault", "traceback", "hang", "memory", "lost", "verdict")


@dataclass(frozen=True)
class Case:
    """One damaged file and the call that reads it."""

    target: str
    damage: str
    words: list[str]
    folder: Path


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    outcome: str
    code: int
    said: str
    seconds: float


class Reader:
    """A process that calls verbs one after the other; a new one where one is lost."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.peak = 0

    def call(self, case: Case) -> Ended:
        """Run a case in the process."""
        begun, process = time.monotonic(), self._started()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"words": case.words, "folder": str(case.folder), "seconds": SECONDS}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        seconds = time.monotonic() - begun
        if not line:
            process.wait()
            self.process = None
            return Ended("lost", process.returncode, "", seconds)
        answer = json.loads(line)
        self.peak = max(self.peak, answer["peak"])
        return Ended(_outcome(case, answer), answer["code"], answer["said"], seconds)

    def end(self) -> None:
        """Let the process go."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def _started(self) -> subprocess.Popen[str]:
        if self.process is None:
            words = [sys.executable, str(Path(__file__).with_name("_reader.py")), str(MEMORY)]
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.process


REFUSING = ("counters", "variance")
"""The verbs that read the good files and then refuse: what follows would take minutes."""
VERDICTS = ("claims", "quality", "counters", "gate", "nightly")
"""The verbs that may end with 1."""


def _outcome(case: Case, answer: dict[str, object]) -> str:
    code, said = answer["code"], str(answer["said"])
    if answer["late"]:
        return "hang"
    if "Traceback (most recent call last)" in said:
        return "traceback"
    if code == 70:
        return "fault"
    if "not enough memory" in said:
        return "memory"
    if code == 1 and case.words[0] not in VERDICTS:
        return "verdict"
    return {2: "refused", 74: "system"}.get(int(str(code)), "answer")


def _check_good(good: Good, reader: Reader) -> None:
    """That every call answers where nothing is damaged; what libraries make at their first use is made by this too."""
    for target in good.targets:
        for words in target.calls:
            ended = reader.call(Case(target.name, "none", words, good.folder))
            if ended.outcome != "answer" and words[0] not in REFUSING:
                raise SystemExit(f"the good files are not read: {' '.join(words)}: {ended}")


def cases(good: Good, count: int, scratch: Path, seed: int) -> Iterator[Case]:
    """So many damaged files, the targets in turn; each is made in the place of the one before."""
    rng = random.Random(seed)
    weighted = [target for target in good.targets for _ in range(target.weight)]
    for at in range(count):
        yield _case(good, weighted[at % len(weighted)], scratch, rng.getrandbits(64))


def _case(good: Good, target: Target, scratch: Path, seed: int) -> Case:
    rng = random.Random(seed)
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(good.folder, scratch)
    path = scratch / rng.choice(target.files)
    draw = rng.random()
    if draw < 0.05:
        kind = _damages.in_place(path, rng)
    else:
        inside = getattr(_damages, f"in_{target.form}")
        kind, content = (_damages.binary if draw < 0.35 else inside)(path.read_bytes(), rng)
        path.write_bytes(content)
    return Case(target.name, kind, rng.choice(target.calls), scratch)


def table(found: list[tuple[Case, Ended]], peak: int, seconds: float) -> str:
    """The counts as a page of Markdown."""
    targets = list(dict.fromkeys(case.target for case, _ in found))
    shown = [name for name in OUTCOMES if name in ("answer", "refused") or any(e.outcome == name for _, e in found)]
    lines = [
        "# Damaged files",
        "",
        f"{len(found)} damaged files in {seconds:.0f} s, each read by a verb (`benchmarks/robustness/damage.py`): "
        f"{sum(e.outcome in WRONG for _, e in found)} ended wrongly (traceback, fault, hang, memory, false verdict). "
        f"The slowest took {max(e.seconds for _, e in found):.1f} s; the process held at most {peak / 2**20:.0f} MiB.",
        "",
        f"| what was damaged | files | {' | '.join(shown)} | exit codes |",
        f"| --- | ---: | {' | '.join('---:' for _ in shown)} | --- |",
    ]
    for target in targets:
        own = [ended for case, ended in found if case.target == target]
        counts = Counter(ended.outcome for ended in own)
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(Counter(ended.code for ended in own).items()))
        lines.append(f"| {target} | {len(own)} | {' | '.join(str(counts[name]) for name in shown)} | {codes} |")
    lines += ["", "| damage | files | refused |", "| --- | ---: | ---: |"]
    for kind in sorted({case.damage for case, _ in found}):
        own = [ended for case, ended in found if case.damage == kind]
        lines.append(f"| {kind} | {len(own)} | {sum(ended.outcome == 'refused' for ended in own)} |")
    return "\n".join([*lines, "", *(f"- {name}: {OUTCOMES[name]}" for name in shown)]) + "\n"


def campaign(good: Good, count: int, scratch: Path, seed: int) -> tuple[list[tuple[Case, Ended]], int]:
    """So many cases in one process, with the most memory that it held; what ends wrongly is printed at once."""
    reader, found = Reader(), list[tuple[Case, Ended]]()
    try:
        _check_good(good, reader)
        for at, case in enumerate(cases(good, count, scratch, seed)):
            ended = reader.call(case)
            found.append((case, ended))
            if ended.outcome in WRONG:
                print(f"{seed}.{at}: {case.target}, {case.damage}, {ended}: {' '.join(case.words)}", flush=True)
            if at % 250 == 249:
                print(f"{seed}: {at + 1} cases", file=sys.stderr, flush=True)
    finally:
        reader.end()
    return found, reader.peak


def chunk(good: Good, count: int, scratch: Path, seed: int, state: Path | None) -> tuple[list[tuple[Case, Ended]], int]:
    """So many cases, or what is kept of them in the folder `state`."""
    kept = state / f"{seed}-{count}.json" if state else None
    if kept and kept.exists():
        told = json.loads(kept.read_text(encoding="utf8"))
        return [(Case(*case, [], scratch), Ended(*ended)) for case, ended in told["found"]], told["peak"]
    found, peak = campaign(good, count, scratch, seed)
    if kept:
        short = [[(case.target, case.damage), (e.outcome, e.code, e.said[-300:], e.seconds)] for case, e in found]
        kept.with_suffix(".part").write_text(json.dumps({"found": short, "peak": peak}), encoding="utf8")
        kept.with_suffix(".part").rename(kept)
    return found, peak


def main() -> int:
    """Run the campaign, say what ended wrongly, write the table; 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="this target alone")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    parser.add_argument("--state", type=Path, help="a folder in which a campaign goes on that was stopped")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qinn-bench-damage-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        good = make(Path(folder) / "good", options.only)
        if options.state:
            options.state.mkdir(parents=True, exist_ok=True)
        parts = options.jobs * -(-options.cases // (options.jobs * CHUNK)) if options.state else options.jobs
        each, seeds = -(-options.cases // parts), range(options.seed, options.seed + parts)
        places = [(Path(folder) / f"case{seed}", seed, options.state) for seed in seeds]
        started = [pool.submit(chunk, good, each, *place) for place in places]
        ended = [one.result() for one in started]
    found = [pair for pairs, _ in ended for pair in pairs]
    page = table(found, max(peak for _, peak in ended), time.monotonic() - begun)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(page, encoding="utf8")
    print(page)
    return int(any(ended.outcome in WRONG for _, ended in found))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
