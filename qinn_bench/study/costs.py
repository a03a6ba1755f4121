"""What cells are expected to take, from the recorded costs of those like them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from qinn_bench.training.cycles import most_steps
from qinn_bench.values import Cell, Record

Basis = Literal["row", "model", "steps", "engine", "nothing", "unknown"]
"""Finished cells of its row, of its model, of any model for each step; the engine's forecast; a cell to be skipped."""


@dataclass(frozen=True)
class Expected:
    """Wall seconds of a cell and the most MiB that it holds, as far as they are known, and from what they are known."""

    seconds: float | None
    memory_mb: float | None
    basis: Basis


UNKNOWN = Expected(None, None, "unknown")
PHASES = {
    "start": ("start", "build"),
    "data": ("data",),
    "training": ("train",),
    "answers": ("evaluate",),
    "certificate": ("certify",),
    "metrics": ("metrics", "flags", "resources"),
    "saving": ("save",),
}
"""What a cell spends its time on, each with what is timed by itself; answers are samples and log-densities."""


def cost_of(record: Record) -> float:
    """The wall seconds that a cell took, all phases."""
    return sum(value for name, value in record.cost.items() if name.endswith("_wall_s"))


def cpu_by_phase(records: Iterable[Record]) -> dict[str, float]:
    """The mean CPU seconds of finished cells by phase, in order; what none of them has timed is left out.

    Example:
        >>> from pathlib import Path
        >>> from qinn_bench.records import published
        >>> list(cpu_by_phase(published.read(Path("results/published/quick.jsonl.gz"), "quick")))
        ['start', 'training', 'answers', 'certificate', 'metrics']
    """
    costs = [record.cost for record in records if record.status == "ok"]
    found: dict[str, float] = {}
    for phase, parts in PHASES.items():
        spent = [seconds for cost in costs if (seconds := _cpu(cost, parts)) is not None]
        if spent:
            found[phase] = fmean(spent)
    return found


def _cpu(cost: Mapping[str, float], parts: Sequence[str]) -> float | None:
    own = [cost[f"{part}_cpu_s"] for part in parts if f"{part}_cpu_s" in cost]
    return sum(own) if own else None


class Costs:
    """The recorded costs of finished cells, by row, by model, and for each step of training."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.rows, self.models = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        self.steps: list[float] = []
        self.memory = defaultdict[str, float](float)
        for record in records:
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Count a finished cell, if it gave a result and says what it has cost."""
        cost, name = cost_of(record), record.cell.model.name
        if record.status != "ok" or not cost:
            return
        self.rows[record.row].append(cost)
        self.models[name].append(cost)
        taken = record.training.steps if record.training else 0  # What has no parameters takes none.
        self.steps.append(cost / (taken or most_steps(record.cell.budget)))
        held = record.cost.get("peak_memory_mb", 0.0)
        for place in (f"row {record.row}", f"model {name}", ""):
            self.memory[place] = max(self.memory[place], held)

    def of(self, row: str, cell: Cell) -> Expected:
        """What a cell takes: as long as finished ones of its row, or else of its model, or else as long a step as all
        finished ones; and as much memory as the largest of them."""
        name = cell.model.name
        if row in self.rows:
            return Expected(fmean(self.rows[row]), self.memory.get(f"row {row}") or None, "row")
        if name in self.models:
            return Expected(fmean(self.models[name]), self.memory.get(f"model {name}") or None, "model")
        if self.steps:
            return Expected(fmean(self.steps) * most_steps(cell.budget), self.memory.get("") or None, "steps")
        return UNKNOWN
