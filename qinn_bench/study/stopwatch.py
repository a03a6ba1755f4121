"""What a cell has cost: wall and CPU seconds of its phases, and memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Wall and CPU seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done within, under this name."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[f"{name}_wall_s"] = time.perf_counter() - wall
            self.seconds[f"{name}_cpu_s"] = time.process_time() - cpu

    def add(self, name: str, wall: float, cpu: float) -> None:
        """Add the seconds that a phase, which was timed here too, had taken before it was interrupted."""
        self.seconds[f"{name}_wall_s"] += wall
        self.seconds[f"{name}_cpu_s"] += cpu

    def spent(self) -> dict[str, float]:
        """What the cell has cost: seconds, and in ``peak_memory_mb`` the most MiB that this process has held so far."""
        return self.seconds | {"peak_memory_mb": peak_memory()}


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
