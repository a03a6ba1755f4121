"""What the workloads that got slower have in common, and the others have not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from qinn_bench.performance.gate.decide import Decision


def common(decisions: Sequence[Decision]) -> tuple[str, ...]:
    """The workloads and the values of parameters (a phase, a backend) that hold all regressions and nothing else.

    Each is ``workload=NAME`` or ``parameter=value``. There are none where nothing or everything got slower, and where
    a value belongs to a single workload, which explains nothing.
    """
    judged = [one for one in decisions if one.change is not None]
    slower = {str(one.workload) for one in judged if one.outcome == "regression"}
    having: dict[str, set[str]] = defaultdict(set)
    for one in judged:
        for name, value in {"workload": one.workload.name, **one.workload.knobs}.items():
            having[f"{name}={value}"].add(str(one.workload))
    return tuple(word for word, of in having.items() if of == slower and 1 < len(of) < len(judged))
