"""Every workload of the suite as classes of asv: CPU and wall time, peak memory and counters of a step."""

import json
import os
import time
from hashlib import sha256
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from qinn_bench.performance.counters import count
from qinn_bench.performance.gate.step_timing import cpu_seconds
from qinn_bench.performance.workloads import WORKLOADS, Workload, make
from qinn_bench.values import Refused, Use

TIMING = {"rounds": 2, "repeat": (3, 10, 1.0), "sample_time": 0.01, "warmup_time": 0.05}


def folder():
    """Have asv run the counters of all workloads in one folder, which lives as long as its run."""


def once(use):
    """The counters of a use, taken by the first of its tracks and read by the others."""
    kept = Path(f"{sha256(str(use).encode()).hexdigest()}.json")
    if not kept.exists():
        kept.write_text(json.dumps(count.count(use)), encoding="utf8")
    return json.loads(kept.read_text(encoding="utf8"))


def suites(workload: Workload) -> dict[str, type]:
    """The classes of a workload by name: its time by its own clock and its memory, its time by the wall, its counters.

    Where its work cannot run, asv is told to leave the point out.
    """

    def use_of(values):
        return Use(name=workload.name, knobs=dict(zip(workload.grid, values, strict=True)))

    def setup(self, *values):
        torch.set_num_threads(1)
        try:
            self.step = make(use_of(values))
        except Refused as refusal:
            raise NotImplementedError(str(refusal)) from refusal

    def work(self, *_):
        self.step()

    def tracked(name):
        def track(_, *values):
            try:
                return once(use_of(values)).get(name, float("nan"))
            except Refused as refusal:
                raise NotImplementedError(str(refusal)) from refusal

        track.unit = "bytes" if "bytes" in name else name
        return track

    name = workload.name.capitalize()
    grid = {"params": list(map(list, workload.grid.values())), "param_names": list(workload.grid)}
    known = grid | {"version": workload.version, "timeout": 120}
    timed = known | TIMING | {"setup": setup, "time_step": work}
    tracks = {f"track_{counter}": tracked(counter) for counter in count.COUNTERS if counter not in workload.loose}
    clock = staticmethod(cpu_seconds if workload.clock == "cpu" else time.perf_counter)
    found = {name: timed | {"timer": clock, "peakmem_step": work}}
    if workload.clock == "cpu":
        found[f"{name}Wall"] = timed | {"timer": time.perf_counter}
    found[f"{name}Counters"] = known | tracks | {"setup_cache": staticmethod(folder)}
    return {name: type(name, (), parts) for name, parts in found.items()}


for _workload in WORKLOADS.values():
    globals().update(suites(_workload))
