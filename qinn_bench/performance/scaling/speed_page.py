"""The speed table of the engine in Markdown: times, ratios beside their targets, compile times, memory, arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import hypot
from typing import NamedTuple

from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.performance.scaling.share_of_peak import Arithmetic
from qinn_bench.performance.scaling.tables import digits
from qinn_bench.report.numbers import number
from qinn_bench.report.table_parts import MISSING
from qinn_bench.values import Knob

PENNYLANE = ("default.qubit", "default.qubit:rot", "default.qubit:unitary", "lightning.qubit")
COLUMNS = (*PENNYLANE, "torch", "jax", "qulacs", "native", "native:complex128")
ENGINE, NATURAL = "native", "default.qubit"
LIBRARIES = ("torch", "pennylane", "pennylane-lightning", "jax", "qulacs")
SizePlace = tuple[int, int]


class Targets(NamedTuple):
    """How many times faster the kernel is to be at one point than PennyLane as written, its best form, and torch."""

    natural: float | None = None
    best: float | None = None
    torch: float | None = None


GRADIENT: dict[SizePlace, Targets] = {
    (4, 64): Targets(40, 20, 4),
    (8, 64): Targets(80, 30, 6),
    (8, 512): Targets(130, 35, 8),
    (10, 512): Targets(270, 55, 8),
    (12, 64): Targets(300, 90, 8),
}
NLL: dict[SizePlace, Targets] = {(4, 64): Targets(60), (8, 64): Targets(120), (8, 512): Targets(120)}
MEMORY_AT: SizePlace = (10, 512)
MEMORY_TARGET = 20.0
SHARE_TARGET = 0.6


class _Ratio(NamedTuple):
    value: float
    error: float
    target: float | None

    @property
    def missed(self) -> bool:
        return self.target is not None and self.value < self.target

    def __str__(self) -> str:
        said = f"{number(self.value, self.error or None)}×"
        return said if self.target is None else f"{said} ({'✗' if self.missed else '✓'} {self.target:g}×)"


def markdown(rows: Sequence[ScanRow], arithmetic: Sequence[Arithmetic], facts: Mapping[str, Knob]) -> str:
    """The whole page: tables of the gradient and the likelihood step, memory, arithmetic, missed targets, and where."""
    blocks: list[str] = []
    missed: list[str] = []
    for mode, targets, title in (
        ("gradient", GRADIENT, "Values and gradients"),
        ("nll", NLL, "Likelihood step: n × n Jacobian, log-determinant, gradient"),
    ):
        points = {place: _at(rows, mode, place) for place in targets}
        points = {place: rows_of for place, rows_of in points.items() if rows_of}
        if points:
            blocks += [f"### {title}", _times(points), _ratios(points, targets, missed), _first(points)]
    blocks += [*_memory(_at(rows, "gradient", MEMORY_AT), missed), *_arithmetic(arithmetic, missed)]
    verdict = "; ".join(missed) if missed else "none"
    notes = [f"- Targets missed or not measured: {verdict}.", *(f"- {gap}" for gap in _gaps(rows)), *_how(facts)]
    return "\n\n".join([*blocks, "\n".join(notes)]) + "\n"


def _at(rows: Sequence[ScanRow], mode: str, place: SizePlace) -> dict[str, ScanRow]:
    return {row.backend: row for row in rows if row.mode == mode and (row.n_qubits, row.batch) == place}


def _named(place: SizePlace) -> str:
    return "{} / {}".format(*place)


def _shown(points: Mapping[SizePlace, Mapping[str, ScanRow]]) -> list[str]:
    """The columns that any point has a number for."""
    return [name for name in COLUMNS if any(name in at and at[name].seconds for at in points.values())]


def _times(points: Mapping[SizePlace, Mapping[str, ScanRow]]) -> str:
    names = _shown(points)
    lines = [["n / batch", *(f"{name} [ms]" for name in names)]]
    for place, at in points.items():
        lines.append([_named(place), *(_number(at.get(name), _milliseconds) for name in names)])
    return _table(lines)


def _milliseconds(row: ScanRow) -> str:
    return number(1e3 * (row.seconds or 0), 1e3 * row.error if row.error else None)


def _number(row: ScanRow | None, shown: Callable[[ScanRow], str]) -> str:
    return shown(row) if row and row.seconds else MISSING


def _ratios(
    points: Mapping[SizePlace, Mapping[str, ScanRow]], targets: Mapping[SizePlace, Targets], missed: list[str]
) -> str:
    heads = ["default.qubit as written", "best PennyLane form", "torch", "jax", "qulacs", "complex128: default.qubit"]
    lines = [["native is faster than", *heads]]
    for place, at in points.items():
        wanted = targets[place]
        best = min((at[name] for name in PENNYLANE if name in at and at[name].seconds), key=_seconds, default=None)
        cells = [
            _ratio(at.get(NATURAL), at.get(ENGINE), wanted.natural),
            _ratio(best, at.get(ENGINE), wanted.best),
            _ratio(at.get("torch"), at.get(ENGINE), wanted.torch),
            _ratio(at.get("jax"), at.get(ENGINE), 1.0),
            _ratio(at.get("qulacs"), at.get(ENGINE), 1.0),
            _ratio(at.get(NATURAL), at.get(f"{ENGINE}:complex128"), None),
        ]
        lines.append([_named(place), *(str(cell) if cell else MISSING for cell in cells)])
        mode = next(iter(at.values())).mode
        missed += [
            f"{mode} at {_named(place)} over {head}: {cell.value:.3g}× of {cell.target:g}×"
            for head, cell in zip(heads, cells, strict=True)
            if cell and cell.missed
        ]
        missed += [
            f"{mode} at {_named(place)} over {head}: not measured"
            for head, cell, target in zip(heads, cells, wanted, strict=False)
            if target and not cell
        ]
    kept = [k for k in range(len(lines[0])) if any(line[k] != MISSING for line in lines[1:])]
    return _table([[line[k] for k in kept] for line in lines])


def _seconds(row: ScanRow) -> float:
    return row.seconds or 0.0


def _ratio(other: ScanRow | None, engine: ScanRow | None, target: float | None) -> _Ratio | None:
    if not (other and engine and other.seconds and engine.seconds):
        return None
    value = other.seconds / engine.seconds
    relative = hypot((other.error or 0.0) / other.seconds, (engine.error or 0.0) / engine.seconds)
    return _Ratio(value, value * relative, target)


def _first(points: Mapping[SizePlace, Mapping[str, ScanRow]]) -> str:
    names = _shown(points)
    lines = [["very first step [s]", *names]]
    for place, at in points.items():
        lines.append(
            [_named(place), *(_number(at.get(name), lambda row: digits(row.first_seconds or 0)) for name in names)]
        )
    return _table(lines)


def _memory(at: Mapping[str, ScanRow], missed: list[str]) -> Iterator[str]:
    peaks = {name: at[name].peak_bytes or 0 for name in COLUMNS if name in at and at[name].seconds}
    if not peaks:
        return
    yield f"### Peak memory above the base at {_named(MEMORY_AT)}"
    yield _table([["", *peaks], ["MiB", *(digits(peak / 2**20) for peak in peaks.values())]])
    own = peaks.get(ENGINE, 0) / 1e6
    if own > MEMORY_TARGET:
        missed.append(f"memory at {_named(MEMORY_AT)}: {own:.1f} MB of {MEMORY_TARGET:g} MB")


def _arithmetic(counted: Sequence[Arithmetic], missed: list[str]) -> Iterator[str]:
    if not counted:
        return
    yield "### Arithmetic of the kernel alone, values and gradients"
    heads = (
        "operations a step",
        "GFlop/s",
        "peak of the machine [GFlop/s]",
        "share as executed",
        "share if gates were dense",
    )
    lines = [["n / batch", "precision", *heads]]
    for one in counted:
        rate, peak = (f"{value / 1e9:.0f}" for value in (one.operations / one.seconds, one.peak))
        where = _named((one.n_qubits, one.batch))
        judged = one.n_qubits >= 10
        shares = (_share(share, judged) for share in (one.share, one.dense_share))
        lines.append([where, one.precision, f"{one.operations:.3g}", rate, peak, *shares])
        if judged and one.share < SHARE_TARGET:
            missed.append(
                f"arithmetic as executed at {where} in {one.precision}: {one.share:.0%} of {SHARE_TARGET:.0%}"
            )
    yield _table(lines)


def _share(share: float, judged: bool) -> str:
    """A share of the peak, beside its target where it has one."""
    mark = f" ({'✓' if share >= SHARE_TARGET else '✗'} {SHARE_TARGET:.0%})" if judged else ""
    return f"{share:.0%}{mark}"


def _gaps(rows: Sequence[ScanRow]) -> list[str]:
    """Each simulator that has no number somewhere, and why; one that was timed once says so."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        why = "one step only, timed apart" if row.rounds == 1 else f"{row.status}: {row.reason}"
        if row.status != "ok" or row.rounds == 1:
            places.setdefault((row.backend, row.mode, why), []).append(_named((row.n_qubits, row.batch)))
    return [f"{backend}, {mode} at {', '.join(at)}: {why}." for (backend, mode, why), at in places.items()]


def _how(facts: Mapping[str, Knob]) -> list[str]:
    versions = ", ".join(f"{name} {facts[name]}" for name in LIBRARIES if name in facts)
    return [
        "- CPU time of one thread, medians over rounds in which all simulators take turns in one process; in brackets "
        "the standard error in the last digits; after ✓ or ✗ the target. native, torch and jax compute in "
        "complex64, the others in complex128. Four layers. Memory is that of a fresh process, compiling included.",
        f"- {facts['processor']}, {facts['cores']} cores, load {facts['load_at_start']:.1f} to "
        f"{facts['load_at_end']:.1f}; kernel: {facts.get('instruction_sets', 'not built')}; {versions}; commit "
        f"{str(facts.get('commit', 'unknown'))[:12]}{', with changes' if facts.get('dirty') else ''}.",
    ]


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    rule = f"| --- |{' ---: |' * (len(lines[0]) - 1)}"
    return "\n".join([head, rule, *body])
