"""How long a hundred thousand records take to load, with and without their index, and a table of them.

Usage: python benchmarks/robustness/many_records.py [RECORDS] [FOLDER]
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qinn_bench.records import keys, measures, record_index, store
from qinn_bench.report.finished_table import finished_table
from qinn_bench.study import grid, study_files
from qinn_bench.study.selection import select
from qinn_bench.values import Estimate, Record, Study

SEEDS = 1000
"""As many as a study may have."""
METRICS = ("nll", "swd", "c2st")
STUDY = """
name = "many"
data = ["moons[events=400]"]
seeds = {seeds}
samples = 100
metrics = ["swd"]
[budgets.short]
steps = 10
"""
ROW = '[[models]]\nmodel = "affine_inn"\nlabel = "row {at}"\nknobs = {{ hidden = {hidden} }}\n'


def main(records: int = 100_000, folder: str = "/tmp/qinn-many") -> int:
    """Make the records, load them, draw the table, and print the seconds of each."""
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    seeds = min(SEEDS, records)
    rows = "".join(ROW.format(at=at, hidden=at + 2) for at in range(records // seeds))
    (root / "many.toml").write_text(STUDY.format(seeds=seeds) + rows, encoding="utf8")
    study, results = study_files.load_study(root / "many.toml"), root / "results"
    timed("made", lambda: make(study, results))
    timed("loaded from their files, and the index written", lambda: store.load_all(results, "many"))
    index = record_index.index_path(results, "many")
    size = index.stat().st_size / 1e6 if index.exists() else 0.0
    print(f"| size of the index | {size:.0f} MB | |")
    loaded = timed("loaded from the index", lambda: store.load_all(results, "many"))
    chosen = timed("cells of the study with their records", lambda: select(study, results))
    timed("the table of them", lambda: finished_table(chosen, results))
    return int(len(loaded) != records // seeds * seeds)


def timed(what: str, do: Callable[[], Any]) -> Any:
    """Do it, and print the wall and the CPU seconds that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = do()
    print(f"| {what} | {time.perf_counter() - wall:.1f} s | {time.process_time() - cpu:.1f} s of CPU |", flush=True)
    return done


def make(study: Study, results: Path) -> None:
    """Write a record for each cell, as small as one of three metrics is."""
    folder = results / "records" / study.name
    folder.mkdir(parents=True)
    (drawn,) = grid.draw(study)
    first = [slot for slot in grid.slots(study.model_copy(update={"seeds": 1}), [drawn])]
    long_ago = time.time() - 3600
    for at, slot in enumerate(first):
        cell = slot.with_model(slot.models[0])
        inputs = keys.inputs_of(cell, drawn.data)
        record = _record(study, slot, cell, inputs)
        spelled, text = keys.spelled(cell), record.model_dump(mode="json")
        for seed in range(study.seeds):
            said = json.dumps(spelled | {"seed": seed}, sort_keys=True)
            inputs["cell"] = hashlib.sha256(said.encode()).hexdigest()[: len(inputs["cell"])]
            text["key"], text["inputs"] = keys.key_of(inputs), inputs
            text["cell"]["seed"] = text["seeds"]["seed"] = seed
            for k, name in enumerate(METRICS):
                text["metrics"][name]["value"] = 1.0 + 0.1 * at + 0.01 * ((seed * 7919 + k * 31) % 101)
            path = folder / f"{text['key']}.json"
            path.write_text(json.dumps(text, indent=1), encoding="utf8")
            os.utime(path, (long_ago, long_ago))


def _record(study: Study, slot: grid.Slot, cell: Any, inputs: dict[str, str]) -> Record:
    better = {"nll": "lower", "swd": "lower", "c2st": "lower"}
    return Record(
        key="k",
        study=study.name,
        row=slot.row,
        family=slot.family,
        role="model",
        cell=cell,
        status="ok",
        metrics={name: Estimate(value=1.0, error=0.01, n=100, unit="sd", better=better[name]) for name in METRICS},
        measured=measures.fingerprints(study.metrics),
        inputs=dict(inputs),
        cost={"train_wall_s": 1.0, "train_cpu_s": 1.0, "peak_memory_mb": 300.0},
        seeds={"seed": 0},
        provenance={"finished_utc": "2026-01-02T00:00:00+00:00", "threads": 1, "python": "3.12"},
    )


if __name__ == "__main__":
    sys.exit(main(*(kind(given) for kind, given in zip((int, str), sys.argv[1:], strict=False))))
