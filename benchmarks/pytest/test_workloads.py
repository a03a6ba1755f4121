"""Every workload of the suite under pytest-benchmark: the same steps, with their parameters beside the times."""

import os
import time

import pytest
import torch

from qinn_bench.performance import workloads
from qinn_bench.performance.engine import candidate
from qinn_bench.values import Refused

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark comes with the extra [bench]")


@pytest.mark.parametrize("use", workloads.uses(), ids=str)
@pytest.mark.benchmark(timer=time.process_time, disable_gc=True, warmup=True, warmup_iterations=1, max_time=0.5)
def test_workload(benchmark, use):
    torch.set_num_threads(1)
    try:
        step = workloads.make(use)
    except Refused as refusal:
        pytest.skip(str(refusal))
    benchmark.group = use.name
    benchmark.extra_info |= use.knobs | {"threads": torch.get_num_threads(), "load": os.getloadavg()[0]}
    if "backend" in use.knobs:
        benchmark.extra_info["dtype"] = candidate(use.knobs["backend"]).precision
    benchmark(step)
