"""What isolation and bookkeeping add to each cell: campaigns of few and of many cells beside the same work called bare.

A campaign is run of few seeds and of many; the slope between both is what a cell costs in it: its fork, its process,
its training and measuring, its record. Beside it the same cells are trained and measured by calls in one process that
writes no record. The difference is the overhead of a cell, and its share of a cell of 60 s is told by CPU time, which
other work on the machine changes little, and by the wall, which it does. What a campaign costs once (its start, and
the imports of the server of its workers) stands in a row of its own.

    python benchmarks/robustness/overhead.py --few 4 --many 40 --repeats 5
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import _campaigns

NAME, CELL_SECONDS, TARGET = "small", 60.0, 0.02


class Spent(NamedTuple):
    """Seconds of the wall and of the CPU."""

    wall: float
    cpu: float

    def minus(self, other: Spent) -> Spent:
        """The difference."""
        return Spent(self.wall - other.wall, self.cpu - other.cpu)

    def over(self, count: int) -> Spent:
        """The share of one."""
        return Spent(self.wall / count, self.cpu / count)


def main() -> int:
    """Run both, print a table; 1 if the overhead of a cell is beyond the target by CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--few", type=int, default=2, help="seeds of the smaller campaign")
    parser.add_argument("--many", type=int, default=12, help="seeds of the larger one")
    parser.add_argument("--repeats", type=int, default=1, help="how often; the median is told")
    options = parser.parse_args()
    _campaigns.import_all()
    with tempfile.TemporaryDirectory(prefix="qinn-overhead-") as folder:
        found = [once(Path(folder) / str(at), options.few, options.many) for at in range(options.repeats)]
    within, bare, start = (middle([one[at] for one in found]) for at in range(3))
    more = within.minus(bare)
    sizes = f"{options.repeats} x campaigns of {options.few} and {options.many} cells"
    print(f"| {sizes} ({_campaigns.busy()}) | CPU | wall |")
    print("|---|---:|---:|")
    for what, spent in (
        ("a cell in a campaign", within),
        ("the same, called bare", bare),
        ("overhead of a cell", more),
    ):
        print(f"| {what} | {spent.cpu:.2f} s | {spent.wall:.2f} s |")
    print(f"| share of a cell of {CELL_SECONDS:g} s | {more.cpu / CELL_SECONDS:.2%} | {more.wall / CELL_SECONDS:.2%} |")
    print(f"| once for a campaign | {start.cpu:.1f} s | {start.wall:.1f} s |")
    return int(more.cpu > TARGET * CELL_SECONDS)


def once(root: Path, few: int, many: int) -> tuple[Spent, Spent, Spent]:
    """What a cell takes in a campaign and called bare, and what a campaign takes beside its cells."""
    root.mkdir(parents=True)
    small, large = (campaign(root, seeds) for seeds in (few, many))
    within = large.minus(small).over(many - few)
    return within, bare(root, many), Spent(small.wall - few * within.wall, small.cpu - few * within.cpu)


def middle(found: list[Spent]) -> Spent:
    """The median of each."""
    return Spent(median(one.wall for one in found), median(one.cpu for one in found))


def study_of(root: Path, seeds: int) -> Path:
    """A study of one model of quick cells, written to a file."""
    path = root / f"{NAME}{seeds}.toml"
    head = _campaigns.STUDY.format(name=f"{NAME}{seeds}", seeds=seeds).partition("[[models]]")[0]
    path.write_text(head + _campaigns.rows("gaussian"), encoding="utf8")
    return path


def campaign(root: Path, seeds: int) -> Spent:
    """What a campaign takes, all its processes together."""
    words = ["run", str(study_of(root, seeds)), "--results", str(root / f"results{seeds}"), "-j1"]
    began, log = time.perf_counter(), root / f"log{seeds}.txt"
    code, spent = waited(_campaigns.start(words, log))
    if code:
        sys.exit(f"a campaign ended with {code}: {log.read_text(encoding='utf8', errors='replace')}")
    return Spent(time.perf_counter() - began, spent)


def waited(pid: int) -> tuple[int, float]:
    """The exit code of a process, and its seconds of the CPU with those of all that it has waited for."""
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def bare(root: Path, seeds: int) -> Spent:
    """What a cell takes that is trained and measured in one process, after a first one that is not counted."""
    planning, files = (importlib.import_module(f"qinn_bench.study.{name}") for name in ("planning", "study_files"))
    cells = importlib.import_module("qinn_bench.study.run_cell")
    watches = importlib.import_module("qinn_bench.study.stopwatch")
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            orders = planning.plan(files.load_study(study_of(root, seeds)), root / "nowhere")
            cells.save = lambda *_, **__: None
            datas = {str(order.cell.data): cells.split_of(order.cell.data, 0) for order in orders}
            work = [(order, datas[str(order.cell.data)]) for order in orders]
            cells._train_and_measure(*work[0], None, lambda _: None, watches.Stopwatch())
            wall, cpu = time.perf_counter(), time.process_time()
            for one in work:
                cells._train_and_measure(*one, None, lambda _: None, watches.Stopwatch())
            spent = Spent(time.perf_counter() - wall, time.process_time() - cpu).over(len(work))
            os.write(writer, f"{spent.wall} {spent.cpu}".encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    if waited(pid)[0]:
        sys.exit("the bare calls failed")
    return Spent(*map(float, said.split()))


if __name__ == "__main__":
    sys.exit(main())
