"""Every workload of the suite under pytest-benchmark: the same steps, with parameters and counters beside the times."""

import os
import time

import pytest
import torch

from qinn_bench.performance import workloads
from qinn_bench.performance.counters import count
from qinn_bench.performance.engine import candidate
from qinn_bench.performance.gate.step_timing import cpu_seconds
from qinn_bench.values import Refused

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark comes with the extra [bench]")

CLOCKS = {"cpu": cpu_seconds, "wall": time.perf_counter}


def marked(use):
    """The point of a workload, timed by the clock that sees its work."""
    clock = CLOCKS[workloads.workload_of(use).clock]
    timing = {"timer": clock, "disable_gc": True, "warmup": True, "warmup_iterations": 1, "max_time": 0.5}
    return pytest.param(use, id=str(use), marks=pytest.mark.benchmark(**timing))


@pytest.mark.parametrize("use", [marked(use) for use in workloads.uses()])
def test_workload(benchmark, use):
    torch.set_num_threads(1)
    workload = workloads.workload_of(use)
    try:
        step = workloads.make(use)
    except Refused as refusal:
        pytest.skip(str(refusal))
    benchmark.group = use.name
    benchmark.extra_info |= {
        "parameters": use.knobs,
        "version": workload.version,
        "backend": use.knobs.get("backend", "none"),
        "device": workload.device,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
    }
    if use.name.startswith("engine"):
        benchmark.extra_info["dtype"] = candidate(use.knobs["backend"]).precision
    if benchmark.enabled:
        benchmark.extra_info["counters"] = count.count(use)
    benchmark(step)
