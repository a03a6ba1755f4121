"""The counters that a version of a workload is known to have, by the libraries that it was counted with."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from qinn_bench.files import short
from qinn_bench.performance.counters.count import TOLERANT, Counted, Counts
from qinn_bench.quantum.simulators.native import instruction_sets
from qinn_bench.reading import read_json
from qinn_bench.values import Refused, Value
from qinn_bench.writing import write_text

LIBRARIES = ("numpy", "pennylane", "scikit-learn", "torch")
BLOCKS = 0.01
"""A counter that grows by more than this share, at an unchanged version of its workload, blocks."""
ChangeKind = Literal["grown", "moved", "less", "version", "new", "gone"]


class Known(Value):
    """What one workload is known to ask for."""

    version: str
    counters: Counts


class CounterChange(Value):
    """One difference from what is known; `counter` is empty where it is one of the whole workload.

    ``grown`` blocks; ``moved`` is a growth that is too small to block and ``less`` a decrease; ``version`` says that
    the workload itself was edited, ``new`` and ``gone`` that the counter or the workload is on one side only.
    """

    workload: str
    kind: ChangeKind
    counter: str = ""
    before: int | None = None
    after: int | None = None

    @property
    def share(self) -> float | None:
        """By which share of what was known the counter grew."""
        return None if not self.before or self.after is None else self.after / self.before - 1

    @property
    def said(self) -> str:
        """What is different, without the workload."""
        if self.kind == "version":
            return "the workload was edited, so its counters are not compared"
        if self.kind in ("new", "gone"):
            number = self.after if self.kind == "new" else self.before
            tail = "" if number is None else f" ({number})"
            return f"{self.counter or 'the workload'} is {self.kind}{tail}"
        share = "" if self.share is None else f" ({self.share:+.3%})"
        return f"{self.counter} {self.before} -> {self.after}{share}"

    def __str__(self) -> str:
        return f"{self.workload}: {self.said}"


def environment() -> str:
    """What counters depend on beside the code: Python, the libraries, and the instructions of the kernel."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    kernel = next(iter(instruction_sets()), "none")
    return f"Python {platform.python_version()}, {libraries}, kernel {kernel}"


def load(path: Path) -> dict[str, dict[str, Known]]:
    """Environment -> workload -> what is known of it; nothing without a file.

    Raises:
        Refused: the file is none of known counters.
    """
    if not path.exists():
        return {}
    content = read_json(path, broken="a file of known counters")
    try:
        return {where: {name: Known(**one) for name, one in known.items()} for where, known in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"{path} does not hold known counters: {short(error)}") from None


def accept(path: Path, counted: Iterable[Counted]) -> None:
    """Write these counters as the known ones of this environment; other workloads and environments stay."""
    known = load(path)
    here = dict(known.get(environment(), {}))
    here |= {str(c.workload): Known(version=c.version, counters=c.counters) for c in counted if not c.reason}
    content = known | {environment(): here}
    plain = {
        where: {n: one.model_dump() for n, one in sorted(counted_here.items())}
        for where, counted_here in content.items()
    }
    text = json.dumps(plain, indent=1, sort_keys=True) + "\n"
    write_text(path, text)


def compare(known: Mapping[str, Known], counted: Sequence[Counted]) -> list[CounterChange]:
    """Every difference between known counters and those of workloads now; one that has none now is ``gone``."""
    changes: list[CounterChange] = []
    for one in counted:
        name, before = str(one.workload), known.get(str(one.workload))
        if before and one.reason:
            changes.append(CounterChange(workload=name, kind="gone"))
        elif not one.reason and before is None:
            changes.append(CounterChange(workload=name, kind="new"))
        elif before and before.version != one.version:
            changes.append(CounterChange(workload=name, kind="version"))
        elif before:
            changes += _changes(name, before.counters, one.counters)
    return changes


def _changes(workload: str, before: Counts, after: Counts) -> list[CounterChange]:
    changes = []
    for counter in dict.fromkeys([*before, *after]):
        old, new = before.get(counter), after.get(counter)
        if kind := _kind(counter, old, new):
            changes.append(CounterChange(workload=workload, kind=kind, counter=counter, before=old, after=new))
    return changes


def _kind(counter: str, old: int | None, new: int | None) -> ChangeKind | None:
    if old is None or new is None:
        return "new" if old is None else "gone"
    share, size = TOLERANT.get(counter, (0.0, 0))
    if abs(new - old) <= max(share * old, size):
        return None
    if new < old:
        return "less"
    return "grown" if new > old * (1 + BLOCKS) else "moved"
