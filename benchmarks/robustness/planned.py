"""How long it takes to plan ten thousand trivial cells, and to see which of them are to be run.

python benchmarks/robustness/planned.py --cells 10000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _campaigns

from qinn_bench.study import lookup, planning, study_files

SEEDS, TARGET = 1000, 5.0
STUDY = """
name = "many"
data = ["moons[events=400]"]
seeds = {seeds}
samples = 100
floors = false
metrics = ["swd"]
[budgets.short]
steps = 10
"""
ROW = '[[models]]\nmodel = "affine_inn"\nlabel = "row {at}"\nknobs = {{ hidden = {hidden} }}\n'


def main() -> int:
    """Plan them, print a table; 1 if that takes too long by CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    options = parser.parse_args()
    seeds = min(SEEDS, options.cells)
    with tempfile.TemporaryDirectory(prefix="qinn-planned-") as folder:
        path, results = Path(folder) / "many.toml", Path(folder) / "results"
        rows = "".join(ROW.format(at=at, hidden=at + 2) for at in range(options.cells // seeds))
        path.write_text(STUDY.format(seeds=seeds) + rows, encoding="utf8")
        print(f"| ({_campaigns.busy()}) | CPU | wall |\n|---|---:|---:|")
        study, reading = timed("the study read", lambda: study_files.load_study(path))
        orders, planning_s = timed("its cells planned", lambda: planning.plan(study, results))
        todo, looking = timed("those found that are to be run", lambda: lookup.pending(orders))
    if not len(todo) == len(orders) == options.cells // seeds * seeds:
        sys.exit(f"{len(orders)} cells were planned, {len(todo)} are to be run; {options.cells} were expected")
    whole = reading + planning_s + looking
    print(f"| all of it, {len(orders)} cells | {whole:.1f} s | |")
    return int(whole > TARGET)


def timed(what: str, do: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and its seconds of CPU; both times are printed."""
    wall, cpu = time.perf_counter(), time.process_time()
    given = do()
    cpu = time.process_time() - cpu
    print(f"| {what} | {cpu:.1f} s | {time.perf_counter() - wall:.1f} s |", flush=True)
    return given, cpu


if __name__ == "__main__":
    sys.exit(main())
