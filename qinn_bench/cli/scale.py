"""``qinn-bench scale``: how time and memory of the simulators grow with the number of qubits."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from qinn_bench.bounds import DEPTH, SAMPLES
from qinn_bench.performance import engine
from qinn_bench.performance.scaling.figure import scaling_figure
from qinn_bench.performance.scaling.scan import scan
from qinn_bench.performance.scaling.scan_values import Scan, ScanRequest, ScanRow
from qinn_bench.performance.scaling.tables import digits, notes, tables
from qinn_bench.report import figure_style, forms
from qinn_bench.report.table_value import filled
from qinn_bench.values import Refused
from qinn_bench.writing import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, how long, and where the results go."""
    parser.add_argument("--backends", default="all", help="names separated by commas, or all")
    parser.add_argument("--qubits", default="4:16", help="such as 8, 4:16, 4:16:2 or 4,8,12")
    parser.add_argument("--batch", type=int, default=64, help="samples a step")
    parser.add_argument("--mode", default="gradient", help=f"{', '.join(engine.MODES)}, several with commas, or all")
    parser.add_argument("--layers", type=int, default=engine.LAYERS, help="layers of the circuit")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds to sample a point, and a step may take")
    parser.add_argument("--threads", type=int, default=1, help="threads of every simulator")
    parser.add_argument("--json", action="store_true", help="print the rows and fits as JSON")
    parser.add_argument("--out", type=Path, help="JSON file (default: RESULTS/scale/TIME.json)")
    parser.add_argument("--figure", type=Path, help="draw into this file (PNG or PDF)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")


def run(options: argparse.Namespace) -> int:
    """Measure, write the JSON file and the figure, print tables; 3 if a simulator crashed, 130 if interrupted."""
    request = _request(options)
    # Libraries that are loaded from here on read their number of threads from the environment; JAX its device, which
    # would be a GPU where there is one.
    os.environ |= {"OMP_NUM_THREADS": str(request.threads), "OMP_WAIT_POLICY": "PASSIVE", "JAX_PLATFORMS": "cpu"}
    log = Console(stderr=True)
    total = len(request.backends) * len(set(request.qubits)) * len(request.modes)
    watch = _Watch(log, total)
    found = scan(request, watch)
    path = options.out or options.results / "scale" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    text = found.model_dump_json(indent=1)
    write_text(path, text)
    if options.json:
        print(text)
    else:
        _print(found)
    log.print(f"written: {path}", soft_wrap=True)
    if options.figure:
        figure_style.save_as(scaling_figure(found), options.figure)
        log.print(f"figure: {options.figure}", soft_wrap=True)
    if len(found.rows) < total:
        log.print(f"stopped after {len(found.rows)} of {total} points")
        return 130
    return 3 if any(row.status == "crashed" for row in found.rows) else 0


def _request(options: argparse.Namespace) -> ScanRequest:
    """The arguments as a request.

    Raises:
        Refused: an argument that is out of range or names what does not exist.
    """
    if options.figure and options.figure.suffix not in (".png", ".pdf"):
        raise Refused(f"--figure is '{options.figure}'; expected a name that ends with .png or .pdf")
    modes = engine.MODES if options.mode == "all" else tuple(options.mode.split(","))
    backends = engine.candidates() if options.backends == "all" else tuple(options.backends.split(","))
    engine.check_names(backends)
    if wrong := [mode for mode in modes if mode not in engine.MODES]:
        raise Refused(f"--mode is '{wrong[0]}'; there are: {', '.join(engine.MODES)}, all")
    numbers = {name: getattr(options, name) for name in ("batch", "layers", "budget", "threads")}
    if options.layers > DEPTH or options.batch > SAMPLES:
        raise Refused(
            f"--layers is {options.layers} and --batch {options.batch}; at most {DEPTH} and {SAMPLES} were expected"
        )
    try:
        return ScanRequest(backends=backends, qubits=parse_qubits(options.qubits), modes=modes, **numbers)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise Refused(f"--{name} is {numbers[str(name)]}; expected a positive number") from None


def parse_qubits(text: str) -> tuple[int, ...]:
    """Read ``4``, ``4:16`` (both ends included), ``4:16:2`` or ``4,6,8``.

    Raises:
        Refused: another form, or numbers that are not between 1 and 30.
    """
    try:
        parts = [int(part) for part in text.split(":")] if ":" in text else []
        found: Sequence[int] = range(parts[0], parts[1] + 1, *parts[2:]) if parts else [*map(int, text.split(","))]
    except (ValueError, TypeError, IndexError):
        found = ()
    # The ends of a range are looked at before its numbers are written out.
    if not found or not all(1 <= n <= 30 for n in (found[0], found[-1])) or not all(1 <= n <= 30 for n in found):
        raise Refused(f"--qubits is '{text}'; expected numbers from 1 to 30 such as 8, 4:16, 4:16:2 or 4,8,12")
    return tuple(found)


def _print(found: Scan) -> None:
    for table in tables(found):
        print(forms.text(table))
    for note in notes(found):
        print(filled(note, forms.terminal(), rest="  "))


class _Watch:
    """One line for each point that is done."""

    def __init__(self, log: Console, total: int) -> None:
        self.log, self.total, self.done = log, total, 0

    def __call__(self, row: ScanRow) -> None:
        self.done += 1
        said = f"{digits(row.seconds * 1e3)} ms" if row.seconds is not None else f"{row.status}: {row.reason}"
        name = f"{row.mode}, {row.n_qubits} qubits, {row.backend}"
        self.log.print(f"[{self.done}/{self.total}] {name}: {said}", markup=False, highlight=False, soft_wrap=True)
