"""What the suite does around its models, as workloads: data, plans, tables, and how it starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qinn_bench import registry
from qinn_bench.dataset import Dataset
from qinn_bench.report.study_table import table
from qinn_bench.seeds import numpy_rng
from qinn_bench.study import planning
from qinn_bench.values import Budget, Cell, Certificate, Estimate, Match, Parameters, Record, Refused, Row, Study, Use

SEEDS = 10
HERE = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if not hasattr(f, 'known_source_files')]; "
"""An editable installation finds its own source first; without its finder the folder that Python starts in counts."""
STARTS = {
    "import": "import qinn_bench; print(qinn_bench.__version__)",
    "help": "from qinn_bench.cli.main import main; main(['--help'])",
}


def data(name: str) -> Callable[[], tuple[Any, ...]]:
    """Load a data set with its default knobs."""
    use = registry.spell_out("data", Use(name=name))

    def step() -> tuple[Any, ...]:
        loaded: Dataset = registry.make("data", use)
        return loaded.train, loaded.test

    return step


def plan(seeds: int) -> Callable[[], tuple[Any, ...]]:
    """Plan a study of two rows matched to two sizes, with controls and floors."""
    study = Study(
        name="planned",
        data=("gmm8[events=2000]",),
        models=(Row(model="affine_inn", shape="balanced"), Row(model="qinn", knobs={"fidelity": 0.0, "mmd": 0.0})),
        budgets={"short": Budget()},
        backends=("torch",),
        seeds=seeds,
        match=Match(),
        sizes=(100, 200),
        controls=True,
        floors=True,
    )
    return lambda: (len(planning.plan(study, Path("results"))),)


def tabled(records: int) -> Callable[[], tuple[Any, ...]]:
    """Table so many records of one data set, ten seeds a row, each with two metrics and a certificate."""
    rng = numpy_rng("performance", "records")
    made = [_record(at, *map(float, rng.normal(size=2))) for at in range(records)]
    return lambda: (len(table(made, ("parameters", "nll", "mass", "swd", "seeds")).rows),)


def _record(at: int, nll: float, swd: float) -> Record:
    row, seed = divmod(at, SEEDS)
    mass = Estimate(value=1.0, error=0.003, better="one")
    cell = Cell(
        model=Use(name="spline_inn", knobs={"blocks": row}),
        data=Use(name="gmm8"),
        budget=Budget(),
        backend="none",
        device="cpu",
        seed=seed,
        samples=1000,
        mass_draws=1000,
    )
    return Record(
        key=f"{at:024x}",
        study="tabled",
        row=f"row {row}",
        family=f"row {row}",
        role="model",
        cell=cell,
        status="ok",
        metrics={
            "nll": Estimate(value=nll, error=0.01, n=1000, unit="nats", better="lower"),
            "swd": Estimate(value=swd * swd, error=0.01, n=1000, unit="sd", better="lower"),
        },
        certificate=Certificate(
            verdict="pass", reasons=(), mass=mass, interval=(0.994, 1.006), effective_share=0.1, draws=1000
        ),
        parameters=Parameters(total=row, quantum=0, classical=row, frozen=0),
        cost={"train_wall_s": 1.0},
    )


def start(what: str) -> Callable[[], tuple[Any, ...]]:
    """Start Python and import the package, or print the help of the command, in a process of its own.

    Raises:
        Refused: another start.
    """
    if what not in STARTS:
        raise Refused(f"no start is called '{what}'; there are: {', '.join(STARTS)}")
    root = Path(planning.__file__).parents[2]

    def step() -> tuple[Any, ...]:
        words = [sys.executable, "-c", HERE + STARTS[what]]
        return (len(subprocess.run(words, capture_output=True, cwd=root, check=True).stdout) > 0,)

    return step
