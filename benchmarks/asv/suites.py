"""Every workload of the suite as classes of asv: CPU and wall time, peak memory and counters of a step."""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from qinn_bench.performance import counters
from qinn_bench.performance.workloads import WORKLOADS, Workload, make
from qinn_bench.performance.zygote import cpu_seconds
from qinn_bench.values import Refused, Use

TIMING = {"rounds": 2, "repeat": (3, 10, 1.0), "sample_time": 0.01, "warmup_time": 0.05, "timeout": 120}


def suites(workload: Workload) -> dict[str, type]:
    """The classes of a workload by name: its time by its own clock, memory and counters; and its time by the wall.

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
            return counters.count(use_of(values)).get(name, float("nan"))

        track.unit = "bytes" if "bytes" in name else name
        return track

    name = workload.name.capitalize()
    shared = TIMING | {
        "setup": setup,
        "time_step": work,
        "params": list(map(list, workload.grid.values())),
        "param_names": list(workload.grid),
        "version": workload.version,
    }
    tracks = {f"track_{counter}": tracked(counter) for counter in counters.COUNTERS if counter not in workload.loose}
    clock = cpu_seconds if workload.clock == "cpu" else time.perf_counter
    found = {name: type(name, (), shared | tracks | {"timer": clock, "peakmem_step": work})}
    if workload.clock == "cpu":
        found[f"{name}Wall"] = type(f"{name}Wall", (), shared | {"timer": time.perf_counter})
    return found


for _workload in WORKLOADS.values():
    globals().update(suites(_workload))
