"""The tables of a GPU beside the CPU in Markdown: laws, times, memory, and from where on the GPU is faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import hypot
from pathlib import Path
from typing import NamedTuple

from _found import Found
from _laws import Law
from _notes import gaps, how, notes_of_laws
from _places import JAX_GPU, NATIVE, NATIVE_ALL, TORCH_GPU

from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.performance.scaling.tables import digits
from qinn_bench.report.numbers import number
from qinn_bench.report.table_parts import MISSING
from qinn_bench.values import Refused
from qinn_bench.writing import write_text

MARKS = ("<!-- GPU table: written by make gpu-check -->", "<!-- end of the GPU table -->")
DRY = "dry run on the CPU; nothing about a GPU was measured"
TITLES = {
    "gradient": "Values and gradients",
    "nll": "Likelihood step: n × n Jacobian, log-determinant, gradient",
}
SURE = 2.0
"""Standard errors by which a time has to be shorter to count as faster."""
Size = tuple[int, int]


class Ratio(NamedTuple):
    """How many times shorter one time is than another, and the standard error of that."""

    value: float
    error: float

    @property
    def faster(self) -> bool:
        """Whether it is beyond doubt."""
        return self.value - SURE * self.error > 1

    def __str__(self) -> str:
        return f"{number(self.value, self.error or None)}×"


def markdown(found: Found) -> str:
    """The whole page."""
    rows = found.rows
    blocks = [f"**{DRY}.**"] if any(run["device"] == "cpu" for run in found.runs) else []
    for mode, title in TITLES.items():
        of_mode = [row for row in rows if row.mode == mode]
        if any(row.seconds for row in of_mode):
            blocks += [
                f"#### {title}",
                _times(of_mode),
                _ratios(of_mode),
                "\n".join(sentences(of_mode)),
                _first(of_mode),
            ]
    blocks += _memory(rows)
    blocks += _laws(found.laws)
    notes = [*gaps(rows), *how(found)]
    blocks += ["#### What was measured, and what was not", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _measured(rows: Iterable[ScanRow]) -> dict[Size, dict[str, ScanRow]]:
    """Size -> rival -> row of those that have a time, smallest first."""
    found: dict[Size, dict[str, ScanRow]] = {}
    for row in rows:
        if row.seconds:
            found.setdefault((row.n_qubits, row.batch), {})[row.backend] = row
    return dict(sorted(found.items()))


def _names(found: Mapping[Size, Mapping[str, ScanRow]], rows: Sequence[ScanRow]) -> list[str]:
    """The rivals that have a time somewhere, in the order of the rows."""
    timed = {name for at in found.values() for name in at}
    return [name for name in dict.fromkeys(row.backend for row in rows) if name in timed]


def _times(rows: Sequence[ScanRow]) -> str:
    found = _measured(rows)
    names = _names(found, rows)
    lines = [["n / batch", *(f"{name} [ms]" for name in names)]]
    for size, at in found.items():
        lines.append([_named(size), *(_time(at[name]) if name in at else MISSING for name in names)])
    return _table(lines)


def _time(row: ScanRow) -> str:
    return number(1e3 * (row.seconds or 0), 1e3 * row.error if row.error else None)


def _named(size: Size) -> str:
    return "{} / {}".format(*size)


def ratio(slow: ScanRow, fast: ScanRow) -> Ratio:
    """How many times faster the second row is."""
    value = (slow.seconds or 0) / (fast.seconds or 1)
    return Ratio(value, value * hypot((slow.error or 0) / (slow.seconds or 1), (fast.error or 0) / (fast.seconds or 1)))


def _compared(rows: Sequence[ScanRow]) -> dict[tuple[str, str], dict[Size, Ratio]]:
    """(on the GPU, native) -> size -> ratio, all in complex64."""
    found = _measured(rows)
    pairs = [(gpu, base) for gpu in (TORCH_GPU, JAX_GPU) for base in (NATIVE, NATIVE_ALL)]
    compared = {
        (gpu, base): {size: ratio(at[base], at[gpu]) for size, at in found.items() if gpu in at and base in at}
        for gpu, base in pairs
    }
    return {pair: ratios for pair, ratios in compared.items() if ratios}


def _ratios(rows: Sequence[ScanRow]) -> str:
    compared = _compared(rows)
    if not compared:
        return ""
    sizes = sorted({size for ratios in compared.values() for size in ratios})
    lines = [["how many times faster", *(f"{gpu} than {base}" for gpu, base in compared)]]
    for size in sizes:
        lines.append([_named(size), *(str(r[size]) if size in r else MISSING for r in compared.values())])
    return _table(lines)


def sentences(rows: Sequence[ScanRow]) -> Iterator[str]:
    """For each form on the GPU and each of native: from how many qubits on, up to the largest, it is faster."""
    for (gpu, base), ratios in _compared(rows).items():
        best = max(ratios, key=lambda size: ratios[size].value)
        most = f"at most {digits(ratios[best].value)}× (at {_named(best)})"
        starts = onsets({size: one.faster for size, one in ratios.items()})
        if all(start is None for start in starts.values()):
            yield f"- `{gpu}` against {base}: not faster at the largest circuit of any batch; {most}."
            continue
        parts = [f"not at batch {b}" if n is None else f"at batch {b} from {n} qubits on" for b, n in starts.items()]
        yield f"- `{gpu}` against {base}: faster {', '.join(parts)}; {most}."


def onsets(faster: Mapping[Size, bool]) -> dict[int, int | None]:
    """Batch -> the fewest qubits from which on all that was measured is faster; None if the largest is not."""
    found: dict[int, int | None] = {}
    for batch in sorted({batch for _, batch in faster}):
        found[batch] = None
        for n in sorted((n for n, other in faster if other == batch), reverse=True):
            if not faster[n, batch]:
                break
            found[batch] = n
    return found


def _first(rows: Sequence[ScanRow]) -> str:
    found = _measured(rows)
    names = _names(found, rows)
    lines = [["very first step [s]", *names]]
    for size, at in found.items():
        lines.append(
            [_named(size), *(digits(at[name].first_seconds or 0) if name in at else MISSING for name in names)]
        )
    return _table(lines)


def _memory(rows: Sequence[ScanRow]) -> Iterator[str]:
    known = [row for row in rows if row.peak_bytes]
    if not known:
        return
    names = list(dict.fromkeys(row.backend for row in known))
    lines = [["mode, n / batch", *(f"{name} [MiB]" for name in names)]]
    for mode, size in sorted({(row.mode, (row.n_qubits, row.batch)) for row in known}):
        at = {row.backend: row for row in known if (row.mode, (row.n_qubits, row.batch)) == (mode, size)}
        cells = [digits((at[name].peak_bytes or 0) / 2**20) if name in at else MISSING for name in names]
        lines.append([f"{mode}, {_named(size)}", *cells])
    yield "#### Peak memory of the GPU"
    yield _table(lines)


def _laws(laws: Sequence[Law]) -> Iterator[str]:
    """A line for each kind of laws with its worst number, then what is not passed; all are in the JSON file."""
    if not laws:
        return
    kinds: dict[tuple[str, float | None], list[Law]] = {}
    for law in laws:
        if law.status in ("passed", "failed"):
            kinds.setdefault((law.kind, law.limit), []).append(law)
    lines = [["laws", "hold", "largest difference", "allowed", "where"]]
    for (kind, limit), held in kinds.items():
        worst = max(held, key=lambda law: -1.0 if law.value is None else law.value)
        passed = sum(law.status == "passed" for law in held)
        number_of = MISSING if worst.value is None else f"{worst.value:.1e}"
        allowed = MISSING if limit is None else f"{limit:.0e}"
        where = MISSING if worst.value is None else worst.name
        lines.append([kind, f"{passed} of {len(held)}", number_of, allowed, where])
    yield "#### Laws on the device"
    yield _table(lines)
    yield "\n".join(f"- {note}" for note in notes_of_laws(laws))


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    rule = f"| --- |{' ---: |' * (len(lines[0]) - 1)}"
    return "\n".join([head, rule, *body])


def publish(found: Found, folder: Path, page: Path | None) -> None:
    """Write ``gpu.md`` and, if asked for, the page.

    Raises:
        Refused: the page cannot be filled.
    """
    text = markdown(found)
    _write(folder / "gpu.md", text)
    if page:
        fill(page, text)


def fill(path: Path, page: str) -> None:
    """Put the tables between the marks of a Markdown file.

    Raises:
        Refused: there is no such file, or no marks in it.
    """
    before, after = around(path)
    _write(path, f"{before}{MARKS[0]}\n\n{page}\n{MARKS[1]}{after}")


def around(path: Path) -> tuple[str, str]:
    """What stands before and after the tables."""
    text = path.read_text(encoding="utf8") if path.is_file() else ""
    if not all(mark in text for mark in MARKS):
        raise Refused(f"{path} has no lines {MARKS[0]} and {MARKS[1]} for the tables to stand between")
    before, _, rest = text.partition(MARKS[0])
    return before, rest.partition(MARKS[1])[2]


def _write(path: Path, text: str) -> None:
    write_text(path, text)
