"""The one definition of what is timed: named workloads with parameters, which asv and pytest-benchmark adapt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from qinn_bench.performance import engine
from qinn_bench.performance.engine import Step
from qinn_bench.values import Knob, Refused, Use


@dataclass(frozen=True)
class Workload:
    """A named kind of work.

    `make` takes the parameters as keywords, prepares everything that is not to be timed, and returns the step; it
    raises Refused where the work cannot run here. `grid` holds the values of each parameter that are run by default:
    few, so that all of them together take seconds.
    """

    name: str
    about: str
    grid: Mapping[str, tuple[Knob, ...]]
    make: Callable[..., Step]

    def uses(self) -> Iterator[Use]:
        """The default grid, one use for each combination of parameters."""
        for values in product(*self.grid.values()):
            yield Use(name=self.name, knobs=dict(zip(self.grid, values, strict=True)))


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            "engine",
            "one batch through the re-uploading circuit: values, gradients, or likelihood with its gradient",
            {
                "backend": ("native", "torch", "default.qubit"),
                "n_qubits": (4, 8),
                "batch": (64,),
                "mode": engine.MODES,
            },
            engine.step,
        ),
    )
}


def uses() -> list[Use]:
    """Everything that is run by default."""
    return [use for workload in WORKLOADS.values() for use in workload.uses()]


def make(use: Use) -> Step:
    """The step of a workload with these parameters.

    Raises:
        Refused: no such workload, parameters that it does not take, or work that cannot run here.
    """
    if use.name not in WORKLOADS:
        raise Refused(f"no workload is called '{use.name}'; there are: {', '.join(WORKLOADS)}")
    return WORKLOADS[use.name].make(**use.knobs)
