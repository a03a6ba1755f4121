"""Does a nightly run find planted harm: two slowdowns, a growth of counters and a loss of quality in 12 commits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _plants
from _plants import HISTORY, Plant

from qinn_bench.performance.gate.launches import VARIABLES

STUDY = "benchmarks/studies/nightly.toml"
BUDGET = "15m"
WATCHED = (
    "metric",
    "data",
    "plan",
    "model[backend=native,name=autoregressive_inn,rows=64,what=log_prob]",
    "model[backend=native,name=affine_inn,rows=64,what=log_prob]",
    "model[backend=native,name=affine_inn,rows=64,what=step]",
)
"""Workloads that are harmed and that are not; all of them would take longer than 20 minutes."""


@dataclass(frozen=True)
class Found:
    """What was said: of what, by which tier, and the number of the commit it was put down to (0: none)."""

    tier: str
    what: str
    said: str
    commit: int


class Scratch:
    """The planted repository, an interpreter for it and its results; commands run on the commit that is checked out."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.results = folder / "repository", folder / "results"
        self.commits = _plants.make(self.repository)
        self.python = _plants.interpreter(folder / "python")

    def at(self, number: int) -> None:
        """Check out a commit; 0 is the base."""
        _plants.git(self.repository, "checkout", "--quiet", self.commits[number])

    def verb(self, *words: str, results: Path | None = None) -> str:
        """What a verb of ``qinn-bench`` prints; its progress goes on to the terminal."""
        command = [str(self.python), "-B", "-m", "qinn_bench.cli.main", *words]
        if "counters" not in words:
            command += ["--results", str(results or self.results)]
        variables = os.environ | VARIABLES | {"PYTHONPATH": str(self.repository)}
        done = subprocess.run(
            command, cwd=self.repository, env=variables, stdout=subprocess.PIPE, text=True, check=False
        )
        if not done.stdout:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode} and said nothing")
        return done.stdout


def run(workloads: Sequence[str] = WATCHED, budget: str = BUDGET) -> tuple[str, list[str]]:
    """Make the history, keep what base does, run the nightly on the last commit, and compare what it says.

    Returns a table in Markdown and what was missed. `workloads` are names. What comes before and
    after the `budget` of the nightly run takes about four minutes on two cores.
    """
    with tempfile.TemporaryDirectory(prefix="qinn-bench-") as folder:
        scratch = Scratch(Path(folder))
        scratch.at(0)
        known = str(scratch.results / "golden" / "counters.json")
        tell("counters and golden numbers of base")
        scratch.verb("counters", *workloads, "--accept", "--golden", known)
        scratch.verb("run", STUDY)
        scratch.verb("quality", "--accept")
        scratch.at(len(HISTORY))
        tell("nightly run of the last commit")
        patterns = " ".join(f"{one}*" for one in workloads)
        words = ["--base", scratch.commits[0], "--budget", budget, "--workloads", patterns, "--busy", "1"]
        night = json.loads(scratch.verb("nightly", *words, "--json"))
        found = list(traced(night, scratch, known))
    return table(found, night), missed(found, night)


def traced(night: dict[str, Any], scratch: Scratch, known: str) -> Iterator[Found]:
    """What got worse, with its commit: the nightly run traces slowdowns itself, the others are searched for here."""
    culprits = [one for report in night["gates"].values() for one in report["culprits"]]
    slow = {name(one["workload"]): scratch.commits.index(one["commit"]) for one in culprits}
    for one in night["findings"]:
        tier, what, commit = one["tier"], one["what"], 0
        if one["kind"] != "worse":
            continue
        tell(f"{what}: {one['said']}")
        if tier == "counters":
            commit = first(len(HISTORY), lambda at, what=what: grown(scratch, at, what, known))
        elif tier == "quality":
            row = what.partition(" on ")[0]
            commit = first(len(HISTORY), lambda at, row=row: moved(scratch, at, row))
        else:
            tier, commit = "gate", slow.get(what, 0)
        yield Found(tier, what, one["said"], commit)


def name(use: dict[str, Any]) -> str:
    """A workload as it is written in findings."""
    knobs = ",".join(f"{key}={value}" for key, value in sorted(use["knobs"].items()))
    return f"{use['name']}[{knobs}]" if knobs else str(use["name"])


def first(last: int, bad: Callable[[int], bool]) -> int:
    """The first commit that is bad, of 1 to `last`, which is."""
    good = 0
    while last - good > 1:
        middle = (good + last) // 2
        good, last = (good, middle) if bad(middle) else (middle, last)
    return last


def grown(scratch: Scratch, at: int, workload: str, known: str) -> bool:
    """Whether a counter of a workload has grown at a commit."""
    scratch.at(at)
    said = json.loads(scratch.verb("counters", workload, "--golden", known, "--json"))
    return any(change["kind"] == "grown" for change in said["changes"])


def moved(scratch: Scratch, at: int, row: str) -> bool:
    """Whether the first seeds of a row differ from the golden ones at a commit."""
    scratch.at(at)
    with tempfile.TemporaryDirectory(prefix="qinn-bench-") as folder:
        results = Path(folder)
        golden = "golden/quality/nightly.json"
        (results / golden).parent.mkdir(parents=True)
        (results / golden).write_bytes((scratch.results / golden).read_bytes())
        seeds = [word for seed in range(_plants.FIRST_SEEDS) for word in ("--seed", str(seed))]
        scratch.verb("run", STUDY, "--model", row, *seeds, results=results)
        said = json.loads(scratch.verb("quality", "--json", results=results))
    return any(one["row"] == row and one["outcome"] != "same" for one in said)


def planted() -> Iterator[tuple[int, Plant]]:
    """The harmful commits with their numbers."""
    yield from ((number, plant) for number, plant in enumerate(HISTORY, 1) if plant.tier)


def right(one: Found) -> bool:
    """Whether a finding is about planted harm: at its commit, or by another tier at the workload it was planted in."""
    return any(one.commit == number and one.what.startswith(plant.what) for number, plant in planted())


def missed(found: Sequence[Found], night: dict[str, Any]) -> list[str]:
    """Planted harm that was not put down to its commit by its tier, and what else is said to have got worse."""
    lines = [
        f"commit {number}, {plant.title}: not found by {plant.tier}"
        for number, plant in planted()
        if not any(right(one) and (one.tier, one.commit) == (plant.tier, number) for one in found)
    ]
    lines += [
        f"also flagged: {one.what} ({one.tier}, commit {one.commit}): {one.said}" for one in found if not right(one)
    ]
    return lines if found else [*lines, f"the nightly run said: {night['verdict']}, {night['reason']}"]


def table(found: Sequence[Found], night: dict[str, Any]) -> str:
    """What was planted and what was found, in Markdown."""
    lines = ["| planted at commit | harm | found at commit | by | what was said |", "| ---: | --- | ---: | --- | --- |"]
    for number, plant in planted():
        of = [one for one in found if one.commit == number and right(one)] or [Found("–", "nothing", "", 0)]
        lines += [
            f"| {number} | {plant.title} | {one.commit or '–'} | {one.tier} | {one.what} {one.said} |" for one in of
        ]
    others = [f"{one.what}: {one.said}" for one in found if not right(one)]
    others += [f"{one['what']}: {one['said']}" for one in night["findings"] if one["kind"] != "worse"]
    absent = f"{len(night['absent'])} not measured" if night["absent"] else "all of it measured"
    counts = f"{len(night['counted'])} workloads counted, {sum(map(decided, night['gates'].values()))} gated, {absent}."
    said = ["Also said:", "", *(f"* {line}" for line in others)] if others else ["Nothing else was said."]
    return "\n".join([*lines, "", counts, "", *said, ""])


def decided(report: dict[str, Any]) -> int:
    """How many workloads a gate reached a decision about."""
    return sum(one["change"] is not None for one in report["decisions"])


def tell(line: str) -> None:
    """Print progress."""
    print(line, file=sys.stderr, flush=True)
