"""The commands that run a cell once more, into a folder of their own, and compare it with the records there are."""

from __future__ import annotations

import shlex

from qinn_bench.values import Record

FOLDER_OF_ITS_OWN = ["--results", "again"]


def run_again(record: Record, study: str, *, seed: bool = False) -> str:
    """The command that runs the cells of a row once more, or with `seed` the one of this record; `study` is a file.

    >>> from qinn_bench.values import Budget, Cell, Use
    >>> cell = Cell(model=Use(name="qinn"), data=Use(name="moons"), budget=Budget(), backend="native", device="cpu",
    ...             seed=3, samples=1000, mass_draws=10_000)
    >>> record = Record(key="0a1b", study="mine", row="qinn · 500", role="model", cell=cell, status="ok")
    >>> run_again(record, "mine.toml", seed=True)
    "qinn-bench run mine.toml -m 'qinn · 500' -d moons -s 3 --results again"
    """
    words = ["qinn-bench", "run", study, "-m", record.row, "-d", str(record.cell.data)]
    words += ["-s", str(record.cell.seed)] if seed else []
    return shlex.join([*words, *FOLDER_OF_ITS_OWN])


def compare_again(study: str, records: str) -> str:
    """The command that compares what was run again with a file of published records.

    >>> compare_again("mine.toml", "mine.jsonl.gz")
    'qinn-bench agree mine.toml --results again --with mine.jsonl.gz'
    """
    return shlex.join(["qinn-bench", "agree", study, *FOLDER_OF_ITS_OWN, "--with", records])
