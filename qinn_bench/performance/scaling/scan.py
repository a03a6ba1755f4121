"""How the time and memory of a step grow with the number of qubits, for every simulator: rows, fits, provenance."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from math import hypot
from pathlib import Path

import numpy as np
import torch

from qinn_bench.performance import engine, workloads
from qinn_bench.performance.engine import Mode, Step
from qinn_bench.performance.scaling.fit import FEWEST, fit
from qinn_bench.performance.scaling.memory_probe import Scouted, Scouts
from qinn_bench.performance.scaling.scan_values import Growth, Quantity, Scan, ScanRequest, ScanRow
from qinn_bench.performance.timing import Clock, Timing, interleaved
from qinn_bench.quantum.simulators import native
from qinn_bench.quantum.simulators.forecast import RATES, forecast
from qinn_bench.records.provenance import provenance
from qinn_bench.values import Knob, Use

SYSTEMATIC: dict[Quantity, float] = {"seconds": 0.03, "peak_bytes": 0.05}
"""Relative error that every point of a fit has at least; the scatter within one run does not show it."""
LEAST: dict[Quantity, float] = {"seconds": 0.0, "peak_bytes": 2**20}
"""Points of a fit are above this; memory below is that of the interpreter."""
OPTIONAL = ("pennylane-lightning", "jax", "jaxlib", "qulacs")
GRACE = 120.0
"""Wall seconds that a process may take to start and to compile, beside its steps."""


WatchRow = Callable[[ScanRow], None]


def scan(request: ScanRequest, watch: WatchRow = lambda _: None) -> Scan:
    """Measure everything that was asked for, smallest circuits first; what cannot be measured is a row with its reason.

    Each point is first run in a process of its own, which tells its memory and whether it ends; then all backends of
    one size are timed interleaved in this process. An interrupt ends the scan early; what is finished is returned.

    Raises:
        Refused: a backend that does not exist.
    """
    engine.check_names(request.backends)
    torch.set_num_threads(request.threads)
    started = os.getloadavg()[0]
    rows: list[ScanRow] = []
    with Scouts(request.threads) as scouts, suppress(KeyboardInterrupt):
        for mode in request.modes:
            stopped: dict[str, ScanRow] = {}
            for n in sorted(set(request.qubits)):
                for row in list(_size(request, scouts, mode, n, rows, stopped)):
                    rows.append(row)
                    watch(row)
    facts = environment() | {"load_at_start": started, "load_at_end": os.getloadavg()[0]}
    order = {name: place for place, name in enumerate(request.backends)}
    rows.sort(key=lambda row: (request.modes.index(row.mode), order[row.backend], row.n_qubits))
    return Scan(request=request, rows=tuple(rows), fits=tuple(growths(rows)), provenance=facts)


def environment() -> dict[str, Knob]:
    """Provenance, with the versions of the simulators that are installed, the cores, and the kernel's instructions."""
    facts = provenance(torch.get_num_threads())
    for name in OPTIONAL:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    if native.AVAILABLE:
        facts["instruction_sets"] = ", ".join(native.instruction_sets())
    return facts | {"cores": os.cpu_count() or 1, "memory_bytes": _memory("MemTotal")}


def _size(
    request: ScanRequest, scouts: Scouts, mode: Mode, n: int, before: Sequence[ScanRow], stopped: dict[str, ScanRow]
) -> Iterator[ScanRow]:
    """All backends at one size; `stopped` remembers those that go no further, and why."""
    scouted: dict[str, Scouted] = {}
    for name in request.backends:
        past = [row for row in before if (row.backend, row.mode) == (name, mode)]
        held = (
            _stopped(stopped[name]) if name in stopped else _held_back(request, _expected(request, name, mode, n, past))
        )
        probed = held or _scouted(request, scouts, name, mode, n)
        if probed.status == "ok":
            scouted[name] = probed
            continue
        row = _row(request, name, mode, n, probed)
        stopped.setdefault(name, row)
        yield row
    yield from _timed(request, mode, n, scouted)


def _stopped(row: ScanRow) -> Scouted:
    """A backend that stopped at a smaller size for this reason."""
    return Scouted("unsupported" if row.status == "unsupported" else "skipped", row.reason)


def _expected(request: ScanRequest, name: str, mode: Mode, n: int, past: Sequence[ScanRow]) -> tuple[float, float]:
    """Seconds and bytes that a step is expected to take; 0 where nothing is known.

    The forecast of a simulator's first size is an order of magnitude, so a tenth of its seconds is taken.
    """
    if past:
        columns = [(row.n_qubits, row.seconds or 0.0, float(row.peak_bytes or 0)) for row in past]
        return _predicted([(n, t) for n, t, _ in columns], n), _predicted([(n, peak) for n, _, peak in columns], n)
    chosen = engine.candidate(name)
    if chosen.simulator not in RATES:
        return 0.0, 0.0
    real = torch.float32 if chosen.precision == "complex64" else torch.float64
    cost = forecast(chosen.simulator, engine.circuit(n, request.layers), request.batch, real, mode)
    return cost.seconds / 10, float(cost.bytes)


def _held_back(request: ScanRequest, expected: tuple[float, float]) -> Scouted | None:
    """Why a point is not run at all; None if it is."""
    (seconds, size), allowed = expected, _allowed(request)
    if seconds > request.budget:
        return Scouted("skipped", f"predicted {seconds:.2g} s a step, more than the budget of {request.budget:g} s")
    if allowed and size > allowed:
        return Scouted("skipped", f"predicted {size / 2**20:.0f} MiB, more than the allowed {allowed / 2**20:.0f} MiB")
    return None


def _predicted(points: Sequence[tuple[int, float]], n: int) -> float:
    """The last point carried on with the growth per qubit of the last two, at least none and at most fourfold."""
    if not points or not points[-1][1]:
        return 0.0
    (last, value), growth = points[-1], 1.0
    if len(points) > 1 and points[-2][1]:
        growth = (value / points[-2][1]) ** (1 / (last - points[-2][0]))
    return float(value * min(max(growth, 1.0), 4.0) ** (n - last))


def _allowed(request: ScanRequest) -> int:
    return int(request.memory * _memory("MemAvailable"))


def _memory(name: str) -> int:
    """A line of /proc/meminfo in bytes; 0 where the system has none."""
    file = Path("/proc/meminfo")
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _use(request: ScanRequest, name: str, mode: Mode, n: int, batch: int) -> Use:
    knobs: dict[str, Knob] = {"backend": name, "n_qubits": n, "batch": batch, "mode": mode, "layers": request.layers}
    return Use(name="engine", knobs=knobs)


def _scouted(request: ScanRequest, scouts: Scouts, name: str, mode: Mode, n: int) -> Scouted:
    return scouts.run(
        _use(request, name, mode, n, request.batch),
        warm=_use(request, name, mode, 2, 2),
        clock=clock_of(name, request.threads),
        seconds=GRACE + 20 * request.budget,
        limit=_allowed(request),
    )


def _timed(request: ScanRequest, mode: Mode, n: int, scouted: dict[str, Scouted]) -> Iterator[ScanRow]:
    """The rows of those that ran, timed in turns; one whose step outlasts the budget keeps its single time."""
    by_clock: dict[Clock, dict[str, Step]] = defaultdict(dict)
    for name, probed in scouted.items():
        if probed.seconds > request.budget:
            once = Timing(probed.seconds, probed.seconds, probed.seconds, 0.0, 1, probed.first_seconds)
            yield _row(request, name, mode, n, probed, once)
            continue
        by_clock[clock_of(name, request.threads)][name] = workloads.make(_use(request, name, mode, n, request.batch))
    for clock, steps in by_clock.items():
        for name, timing in interleaved(steps, request.budget, clock).items():
            yield _row(request, name, mode, n, scouted[name], timing)


def clock_of(name: str, threads: int) -> Clock:
    """The better clock: CPU time does not see other processes, but says nothing of several threads or of a GPU."""
    return "wall" if threads > 1 or engine.candidate(name).on_gpu else "cpu"


def _row(request: ScanRequest, name: str, mode: Mode, n: int, probed: Scouted, timing: Timing | None = None) -> ScanRow:
    facts = ScanRow(
        backend=name,
        precision=engine.candidate(name).precision,
        n_qubits=n,
        batch=request.batch,
        mode=mode,
        layers=request.layers,
        threads=request.threads,
        status=probed.status,
        reason=probed.reason,
        clock=clock_of(name, request.threads),
        load=os.getloadavg()[0],
    )
    if timing is None:
        return facts
    measured = {
        "seconds": timing.median,
        "error": timing.error if timing.rounds > 1 else None,
        "low": timing.low,
        "high": timing.high,
        "rounds": timing.rounds,
        "first_seconds": timing.first,
        "peak_bytes": probed.peak_bytes,
    }
    return facts.model_copy(update=measured)


def growths(rows: Sequence[ScanRow]) -> Iterator[Growth]:
    """The fit of seconds and of peak memory for each backend and mode that ran at all."""
    grouped: dict[tuple[str, Mode], list[ScanRow]] = defaultdict(list)
    for row in rows:
        if row.status == "ok":
            grouped[row.backend, row.mode].append(row)
    for (backend, mode), measured in grouped.items():
        for quantity, systematic in SYSTEMATIC.items():
            points = [
                (row.n_qubits, value, row.error or 0.0)
                for row in measured
                if (value := getattr(row, quantity)) > LEAST[quantity]
            ]
            facts = {"backend": backend, "mode": mode, "quantity": quantity}
            if len(points) < FEWEST:
                note = f"{len(points)} points; a fit needs {FEWEST}"
                yield Growth.model_validate(facts | {"note": note})
                continue
            n, t, error = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
            scatter = error if quantity == "seconds" else np.zeros_like(t)
            errors = np.array([hypot(one, systematic * value) for one, value in zip(scatter, t, strict=True)])
            found_fit = fit(n, t, errors)
            grows = found_fit.c.low is not None
            yield Growth.model_validate(facts | ({"fit": found_fit} if grows else {"note": "no growth to be seen yet"}))
