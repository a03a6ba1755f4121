"""Make the speed table of the engine: every simulator at a few sizes, interleaved on one thread; Markdown and JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

# JAX would choose a GPU by itself.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "JAX_PLATFORMS": "cpu"}

from qinn_bench.performance import engine
from qinn_bench.performance.scaling.scan import environment, scan
from qinn_bench.performance.scaling.scan_values import ScanRequest, ScanRow
from qinn_bench.performance.scaling.share_of_peak import arithmetic
from qinn_bench.performance.scaling.speed_page import COLUMNS, GRADIENT, NLL, markdown
from qinn_bench.quantum.simulators import native
from qinn_bench.writing import write_text

MARKS = ("<!-- engine table: written by make engine-table -->", "<!-- end of the engine table -->")
ARITHMETIC = ((8, 512), (10, 512), (12, 64))
POINTS = [("gradient", *place) for place in GRADIENT] + [("nll", *place) for place in NLL]


def main() -> int:
    """Measure all points, write ``engine.md`` and ``engine.json`` into a folder, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds to sample each simulator at each point")
    parser.add_argument("--points", type=int, default=len(POINTS), help="only so many points, smallest first")
    parser.add_argument("--out", type=Path, default=Path("results/engine"), help="folder of the results")
    parser.add_argument("--page", type=Path, help="put the tables between the marks of this Markdown file too")
    options = parser.parse_args()
    known = {*engine.candidates()}
    names = tuple(name for name in COLUMNS if engine.candidate(name).simulator in known)
    points = sorted(POINTS, key=lambda point: (point[1], point[2]))[: options.points]
    load, rows = os.getloadavg()[0], list[ScanRow]()
    for mode, n_qubits, batch in points:
        request = ScanRequest(backends=names, qubits=(n_qubits,), batch=batch, modes=(mode,), budget=options.budget)
        rows += scan(request, _say).rows
    sizes = [(n, batch, kind) for n, batch in ARITHMETIC for kind in ("complex64", "complex128")]
    reached = [arithmetic(*size, options.budget) for size in sizes] if native.AVAILABLE else []
    facts = environment() | {"load_at_start": load, "load_at_end": os.getloadavg()[0]}
    page = markdown(rows, reached, facts)
    document = {
        "rows": [row.model_dump() for row in rows],
        "arithmetic": [one._asdict() | {"share": one.share, "dense_share": one.dense_share} for one in reached],
        "provenance": facts,
    }
    for name, text in (("engine.md", page), ("engine.json", json.dumps(document, indent=1))):
        write_text(options.out / name, text)
    if options.page:
        before, _, rest = options.page.read_text(encoding="utf8").partition(MARKS[0])
        filled = f"{before}{MARKS[0]}\n\n{page}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}"
        write_text(options.page, filled)
    sys.stdout.write(page)
    return 0


def _say(row: ScanRow) -> None:
    said = f"{1e3 * row.seconds:.3g} ms" if row.seconds else f"{row.status}: {row.reason}"
    sys.stderr.write(f"{row.mode} at {row.n_qubits} / {row.batch}, {row.backend}: {said}\n")


if __name__ == "__main__":
    sys.exit(main())
