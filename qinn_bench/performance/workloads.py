"""The one definition of what is timed: named workloads with parameters, which asv and pytest-benchmark adapt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Literal

from qinn_bench import registry
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.performance import engine, metric_loads, model_loads, suite_loads
from qinn_bench.performance.engine import Step
from qinn_bench.performance.versions import version_of
from qinn_bench.values import Knob, Refused, Use

CHILD = "the work is done in a process of its own"
LOOSE = {"calls": CHILD, "peak_bytes": CHILD}


@dataclass(frozen=True)
class Workload:
    """A named kind of work.

    `make` takes the parameters as keywords, prepares everything that is not to be timed, and returns the step; it
    raises Refused where the work cannot run here. A step can be repeated: it leaves nothing behind that changes the
    next. `grid` holds the values of each parameter that are run by default: few, so that all of them together take a
    minute or two. `clock` is the one that sees the work; CPU time is that of the process and of those that a step
    starts and waits for. `device` is where the work is done; steps on a GPU wait for its end. `loose` names counters
    that do not repeat exactly, each with the reason.
    """

    name: str
    about: str
    grid: Mapping[str, tuple[Knob, ...]]
    make: Callable[..., Step]
    device: Literal["cpu", "cuda"] = "cpu"
    clock: Literal["cpu", "wall"] = "cpu"
    loose: Mapping[str, str] = field(default_factory=dict)

    def uses(self) -> Iterator[Use]:
        """The default grid, one use for each combination of parameters."""
        for values in product(*self.grid.values()):
            yield Use(name=self.name, knobs=dict(zip(self.grid, values, strict=True)))

    @cached_property
    def version(self) -> str:
        """A hash of the source of the workload: its factory and the helpers in this folder; the grid is none of it."""
        return version_of(self.make)


ENGINE = (
    Workload(
        "engine",
        "one batch through the re-uploading circuit: values, gradients, or likelihood with its gradient",
        {"backend": ("native", "torch"), "n_qubits": (4, 8), "batch": (64,), "mode": engine.MODES},
        engine.step,
    ),
    Workload(
        "engine_pennylane",
        "the same by PennyLane's simulators",
        {
            "backend": ("default.qubit", "default.qubit:unitary"),
            "n_qubits": (4,),
            "batch": (64,),
            "mode": engine.MODES,
        },
        engine.step,
    ),
    Workload(
        "engine_batch",
        "gradients by the number of rows",
        {"backend": ("native", "torch"), "n_qubits": (6,), "batch": (1, 16, 256), "mode": ("gradient",)},
        engine.step,
    ),
    Workload(
        "engine_depth",
        "gradients by the number of layers",
        {"backend": ("native", "torch"), "n_qubits": (6,), "batch": (32,), "mode": ("gradient",), "layers": (2, 12)},
        engine.step,
    ),
    Workload(
        "engine_cuda",
        "the circuit in torch on a GPU",
        {"backend": ("torch:cuda",), "n_qubits": (8, 12), "batch": (256,), "mode": engine.MODES},
        engine.step,
        device="cuda",
        clock="wall",
    ),
)
MODELS = Workload(
    "model",
    "a model with its default knobs: built, trained by one step, drawn from, asked for its density",
    {
        "name": tuple(registry.names("model")),
        "what": ("build", "step", "sample", "log_prob"),
        "backend": ("native",),
        "rows": (64,),
    },
    model_loads.model,
)
METRICS = Workload(
    "metric",
    "a metric with its errors on two samples",
    {"name": tuple(sorted(all_metrics())), "rows": (500,)},
    metric_loads.metric,
)
SUITE = (
    Workload("data", "a data set is loaded", {"name": tuple(registry.names("data"))}, suite_loads.data),
    Workload("plan", "a study with sizes, controls and floors is planned", {"seeds": (3,)}, suite_loads.plan),
    Workload("tabled", "a table is made of records", {"records": (10_000,)}, suite_loads.tabled),
    Workload(
        "start",
        "Python imports the package, or prints the help of the command, in a process of its own",
        {"what": tuple(suite_loads.STARTS)},
        suite_loads.start,
        loose=LOOSE,
    ),
)
WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (*ENGINE, MODELS, METRICS, *SUITE)}


def uses() -> list[Use]:
    """Everything that is run by default."""
    return [use for workload in WORKLOADS.values() for use in workload.uses()]


def workload_of(use: Use) -> Workload:
    """The workload of a use.

    Raises:
        Refused: no such workload; the message lists those that exist.
    """
    if use.name not in WORKLOADS:
        raise Refused(f"no workload is called '{use.name}'; there are: {', '.join(WORKLOADS)}")
    return WORKLOADS[use.name]


def make(use: Use) -> Step:
    """The step of a workload with these parameters.

    Raises:
        Refused: no such workload, parameters that it does not take, or work that cannot run here.
    """
    return workload_of(use).make(**use.knobs)
