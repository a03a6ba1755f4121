"""Every workload of the suite as a class of asv: CPU time of a step, for each combination of its parameters."""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from qinn_bench.performance.workloads import WORKLOADS, Workload, make
from qinn_bench.values import Refused, Use


def suite(workload: Workload) -> type:
    """The class of a workload; where its work cannot run, asv is told to leave the point out."""

    def setup(self, *values):
        torch.set_num_threads(1)
        try:
            self.step = make(Use(name=workload.name, knobs=dict(zip(workload.grid, values, strict=True))))
        except Refused as refusal:
            raise NotImplementedError(str(refusal)) from refusal

    def time_step(self, *_):
        self.step()

    timing = {"timer": time.process_time, "rounds": 2, "repeat": (3, 10, 1.0), "sample_time": 0.01, "timeout": 120}
    names = {"params": list(map(list, workload.grid.values())), "param_names": list(workload.grid)}
    return type(workload.name.capitalize(), (), {"setup": setup, "time_step": time_step} | timing | names)


for _workload in WORKLOADS.values():
    globals()[_workload.name.capitalize()] = suite(_workload)
