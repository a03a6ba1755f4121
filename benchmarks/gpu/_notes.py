"""The notes below the tables of a GPU: what was not measured and why, laws in words, and the machines of the runs."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from _found import Found
from _laws import Law
from _places import BATCHES, MODES, QUBITS, Place

from qinn_bench.performance.scaling.scan_values import ScanRow

NOT_REACHED = "of the whole run"
"""What the reason of a point says that time was not left for."""
ONCE = "one step only, timed apart"
MODE_NAMES = {"gradient": "gradient", "nll": "likelihood"}
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
GRID = tuple(sorted(batch for group in BATCHES for batch in group))
LIBRARIES = ("python", "torch", "jax", "pennylane", "numpy")


def gaps(rows: Sequence[ScanRow]) -> Iterator[str]:
    """A sentence on what was never measured, one on what was not reached, and one for each other kind of reason."""
    timed = {row.backend for row in rows if row.seconds}
    if nowhere := list(dict.fromkeys(row.backend for row in rows if row.backend not in timed)):
        yield f"Nothing was measured of {_quoted(nowhere)}. Sizes without any time are not in the tables either."
    late = [row for row in rows if row.status != "ok" and NOT_REACHED in row.reason]
    if late:
        yield f"Time was not left for: {_places_of(late)}."
    for kind, held in _grouped((row, _kind(row)) for row in rows if row not in late).items():
        if kind:
            yield f"{_capital(kind)}: {_places_of(held)}."


def _kind(row: ScanRow) -> str:
    """Why a point has no time, or one only, without the numbers of that point; nothing if there is no more to say."""
    if row.status == "ok":
        return ONCE if row.rounds == 1 else ""
    if predicted := re.fullmatch(r"predicted .+?, (more than .+)", row.reason):
        return f"predicted to take {predicted[1]}"
    return f"{row.status}: {row.reason}" if row.reason else row.status


def _places_of(rows: Iterable[ScanRow]) -> str:
    """The sizes (n / batch) of all rows as ranges, once for all simulators that have the same."""
    by_name = _grouped((Place(row.mode, row.n_qubits, row.batch), row.backend) for row in rows)
    by_places = _grouped((name, frozenset(places)) for name, places in by_name.items())
    return "; ".join(f"{_quoted(names)} {spans(places)}" for places, names in by_places.items())


def spans(places: Iterable[Place]) -> str:
    """Places as ranges: of both modes together what both have, then what one has alone."""
    sizes = {mode: {place[1:] for place in places if place.mode == mode} for mode in MODES}
    both = set.intersection(*sizes.values())
    said = [_sizes(both)] if both else []
    said += [f"{MODE_NAMES[mode]} {_sizes(rest)}" for mode, found in sizes.items() if (rest := found - both)]
    return ", ".join(said)


def _sizes(sizes: Iterable[tuple[int, int]]) -> str:
    by_batch = _grouped((n, batch) for n, batch in sorted(sizes))
    by_qubits = _grouped((batch, tuple(qubits)) for batch, qubits in sorted(by_batch.items()))
    return ", ".join(f"at {_range(ns, QUBITS)} / {_range(batches, GRID)}" for ns, batches in by_qubits.items())


def _range(numbers: Sequence[int], grid: Sequence[int]) -> str:
    """Numbers, from three on that follow each other in the grid as a range."""
    if len(numbers) > 2 and tuple(numbers) in {tuple(grid[k : k + len(numbers)]) for k in range(len(grid))}:
        return f"{numbers[0]} to {numbers[-1]}"
    return _listed([str(number) for number in numbers])


def notes_of_laws(laws: Sequence[Law]) -> Iterator[str]:
    """What is not passed, once for all that have the same reason."""
    told = [(law, (law.status, _reason(law))) for law in laws if law.status != "passed"]
    for (status, reason), held in _grouped(told).items():
        names = "; ".join(law.name + ("" if law.value is None else f" ({law.value:.1e})") for law in held)
        yield f"{'' if status == 'told' else f'{status}: '}{names}{': ' * bool(reason)}{reason}."


def _reason(law: Law) -> str:
    """Without the name of the backend, which is that of the law."""
    return law.reason.removeprefix(law.name.replace("backend ", "backend '") + "' ").rstrip(".")


def how(found: Found) -> Iterator[str]:
    """How was measured, and on which machine each run."""
    yield (
        "Medians over rounds in which the simulators of one clock take turns; in brackets the standard error in the "
        "last digits. Clock: CPU time for one core, wall time for all cores and for the GPU, each step waiting until "
        "the GPU is done. native, torch:cuda, torch, jax and jax:cuda compute in complex64, the others in complex128. "
        "Four layers; JAX multiplies in full single precision. Memory is the most that was allocated on the GPU: of "
        "torch during the step, arrays of the problem included; of JAX since its start, where the step raised it."
    )
    for k, facts in enumerate(found.runs):
        yield (f"Run {k + 1}: " if len(found.runs) > 1 else "") + _machine(facts) + "."
    for k in range(1, len(found.runs)):
        rows = [row for row in found.rows if row.seconds and found.run_of(row) == k]
        kinds = dict.fromkeys(law.kind for law in found.laws if found.run_of_law(law) == k)
        yield (
            f"Run {k + 1} timed {_places_of(rows) or 'nothing'}; its laws are {', '.join(kinds) or 'none'}. What is of "
            "no later run is of run 1. Times of two runs that are compared are of two machines with one kind of card."
        )


def _machine(facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {facts[name]}" for name in LIBRARIES if name in facts)
    card = "no GPU"
    if facts.get("gpu"):
        card = f"{facts['gpu']}, {facts['gpu_memory_bytes'] / 2**30:.0f} GiB, driver {facts['driver']}"
        card += f", CUDA {facts['cuda']}"
    return (
        f"{card}; {facts['processor']}, {facts['cores']} cores, load {facts['load_at_start']:.1f} to "
        f"{facts['load_at_end']:.1f}; kernel: {facts.get('instruction_sets', 'not built')}; {versions}; commit "
        f"{str(facts.get('commit', 'unknown'))[:12]}{', with changes' if facts.get('dirty') else ''}"
    )


def _grouped(pairs: Iterable[tuple[T, K]]) -> dict[K, list[T]]:
    """Key -> what has it, in the order in which they come."""
    found: dict[K, list[T]] = {}
    for one, key in pairs:
        found.setdefault(key, []).append(one)
    return found


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
