"""A scan of the engine as tables for a terminal: time and memory against qubits, the fits, and what did not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from qinn_bench.performance.scaling.fit import Interval
from qinn_bench.performance.scaling.scan import OPTIONAL
from qinn_bench.performance.scaling.scan_values import Growth, Quantity, Scan, ScanRow
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table

UNITS: dict[Quantity, tuple[str, float]] = {"seconds": ("ms", 1e-3), "peak_bytes": ("MiB", 2**20)}
TITLES: dict[Quantity, str] = {"seconds": "median time of a step", "peak_bytes": "peak memory of a step"}
LIBRARIES = ("torch", "pennylane", *OPTIONAL)


def tables(scan: Scan) -> Iterator[Table]:
    """For each mode the times and the memory, a line a backend and a column a number of qubits; then the fits."""
    for mode in scan.request.modes:
        rows = [row for row in scan.rows if row.mode == mode]
        for quantity in TITLES:
            yield _grid(scan, mode, rows, quantity)
    for quantity in TITLES:
        fits = [growth for growth in scan.fits if growth.quantity == quantity and growth.fit]
        if fits:
            yield _fits(fits, quantity)


def _grid(scan: Scan, mode: str, rows: Sequence[ScanRow], quantity: Quantity) -> Table:
    unit, size = UNITS[quantity]
    qubits = sorted({row.n_qubits for row in rows})
    request = scan.request
    shape = f"batch {request.batch}, {request.layers} layers, {request.threads} thread{'s'[: request.threads > 1]}"
    lines = []
    for backend, of_backend in groupby(rows, lambda row: row.backend):
        values = {row.n_qubits: getattr(row, quantity) for row in of_backend}
        lines.append(_line(backend, (MISSING if values.get(n) is None else digits(values[n] / size) for n in qubits)))
    header = (Heading("qubits", "qubits"), *(Heading(str(n), str(n)) for n in qubits))
    return Table(f"{mode}: {TITLES[quantity]} [{unit}], {shape}", header, tuple(lines), ())


def _fits(fits: Sequence[Growth], quantity: Quantity) -> Table:
    unit, size = UNITS[quantity]
    small = {"ms": "µs", "MiB": "KiB"}[unit]
    step = {"ms": 1e3, "MiB": 2**10}[unit]
    lines = []
    for growth in fits:
        if fitted := growth.fit:
            numbers = (_interval(fitted.a, size), _interval(fitted.b, size / step), _interval(fitted.c, 1.0))
            lines.append(_line(growth.backend, (growth.mode, *numbers, f"{fitted.scatter:.0%}", f"{fitted.r2:.4f}")))
    names = ("backend", "mode", f"a [{unit}]", f"b [{small}]", "c", "scatter", "R²")
    title = f"{TITLES[quantity]} fitted as a + b 2^(c n), with 95 % intervals"
    return Table(title, tuple(Heading(name, name) for name in names), tuple(lines), ())


def _line(backend: str, cells: Iterable[str]) -> Line:
    return Line("", backend, "model", "", tuple(map(Entry, (backend, *cells))))


def _interval(ends: Interval, size: float) -> str:
    low, high = (MISSING if end is None else digits(end / size) for end in (ends.low, ends.high))
    return f"{digits(ends.value / size)} [{low}, {high}]"


def digits(value: float) -> str:
    """A number with three significant digits, without an exponent where that is readable."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    places = max(0, 3 - len(f"{abs(value):.0f}")) if abs(value) >= 1 else 3
    return f"{value:.{places}f}" if value else "0"


def notes(scan: Scan) -> Iterator[str]:
    """What was not measured and why, how the numbers were taken, and where."""
    absent: dict[tuple[str, str], list[str]] = {}
    order = sorted(
        (row for row in scan.rows if row.status != "ok"), key=lambda row: scan.request.backends.index(row.backend)
    )
    for (backend, mode, status, reason), lacking in groupby(order, lambda r: (r.backend, r.mode, r.status, r.reason)):
        qubits = [row.n_qubits for row in lacking]
        where = f"{mode} {qubits[0]}" if len(qubits) == 1 else f"{mode} {qubits[0]} to {qubits[-1]}"
        absent.setdefault((backend, f"{status}: {reason}"), []).append(where)
    yield from (f"{backend}, {', '.join(where)} qubits: {why}." for (backend, why), where in absent.items())
    unfitted: dict[str, list[str]] = {}
    for growth in scan.fits:
        if growth.note and growth.quantity == "seconds":
            unfitted.setdefault(growth.note, []).append(f"{growth.backend} {growth.mode}")
    yield from (f"Times without a fit: {', '.join(names)}: {note}." for note, names in unfitted.items())
    yield (
        "Times: medians over rounds in which all backends take turns in one process; CPU time with one thread, else "
        "wall time. Memory: above the base, in a fresh process, with what is planned or compiled at the first step."
    )
    if scan.request.threads > 1 and any(row.backend.startswith("jax") for row in scan.rows):
        yield "jax runs on one thread here, whatever was asked for."
    facts = scan.provenance
    versions = ", ".join(f"{name} {facts[name]}" for name in LIBRARIES if name in facts)
    yield (
        f"Machine: {facts['processor']}, {facts['cores']} cores, load {facts['load_at_start']:.1f} at the start and "
        f"{facts['load_at_end']:.1f} at the end; kernel: {facts.get('instruction_sets', 'not built')}; {versions}."
    )
