"""``qinn-bench doctor``: what this installation can do, and whether its simulators agree."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict

import torch

from qinn_bench.cli import _tables
from qinn_bench.quantum import backends
from qinn_bench.quantum.agreement import SHOTS, TOLERANCE, BackendAgreement, checkup
from qinn_bench.quantum.pennylane.conformance import DOUBLE, DeviceCheck, conformance, installed
from qinn_bench.quantum.pennylane.conformance import QUANTITIES as CONFORMANCE
from qinn_bench.quantum.simulators import native
from qinn_bench.quantum.simulators.forecast import free_bytes
from qinn_bench.records.provenance import provenance
from qinn_bench.report import forms
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table, markdown_row
from qinn_bench.values import Knob, Refused

QUANTITIES = ("values", "gradients", "jacobian", "nll")
VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "QINN_ISA")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    parser.add_argument("--json", action="store_true", help="print what is found as JSON")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="examine a PennyLane device instead: values, first and second derivatives, batches, seeds; or 'all'",
    )
    parser.add_argument("--wires", type=int, default=2, help="wires of the circuit for --device (default: 2)")
    parser.add_argument("--markdown", action="store_true", help="with --device: print a table of Markdown")


def run(options: argparse.Namespace) -> int:
    """Examine machine and backends; 4 if a backend disagrees with the reference or breaks its word on seeds.

    With ``--device``: 1 if the device gives a wrong number.
    """
    if options.device is not None:
        return _examine_devices(options)
    machine, found = _machine(), checkup()
    sound = all(finding.sound for finding in found)
    if options.json:
        rows = [asdict(finding) | {"sound": finding.sound} for finding in found]
        print(json.dumps({"sound": sound, "machine": machine, "backends": rows}, indent=1))
        return 0 if sound else 4
    for name, value in machine.items():
        print(_tables.entry(name, str(value), 22))
    print(forms.text(_table(found)), end="")
    print("all is well" if sound else "a backend is not right: see the rows marked ✗")
    return 0 if sound else 4


def _examine_devices(options: argparse.Namespace) -> int:
    found: dict[str, tuple[DeviceCheck, ...]] = {}
    for name in installed() if options.device == "all" else [options.device]:
        try:
            found[name] = conformance(name, options.wires)
        except Refused as refusal:
            if options.device != "all":
                raise
            print(f"{name}: {refusal}", file=sys.stderr)
            continue
        if not (options.json or options.markdown):
            for check in found[name]:
                print(_told(name, check))
    if options.json:
        print(json.dumps({name: [asdict(check) for check in checks] for name, checks in found.items()}, indent=1))
    if options.markdown:
        print("\n".join(_rows(found)))
    wrong = [name for name, checks in found.items() if any(check.wrong for check in checks)]
    if not (options.json or options.markdown):
        print(f"wrong numbers: {', '.join(wrong)}" if wrong else "no wrong number")
    return 1 if wrong else 0


def _told(device: str, check: DeviceCheck) -> str:
    number = "" if check.difference is None else f" {check.difference:.1e}"
    reason = f" ({check.reason})" if check.reason else ""
    return f"{device} {check.interface:<8} {check.method:<15} {check.quantity:<32} {check.status}{number}{reason}"


def _rows(found: dict[str, tuple[DeviceCheck, ...]]) -> list[str]:
    """A line of Markdown for each device, interface and method that is supported at all."""
    columns = (*CONFORMANCE, "seeds")
    lines = [markdown_row(("device", "interface", "method", *columns)), "|---|---|---|" + "---:|" * len(columns)]
    for name, checks in found.items():
        seeds = next(check for check in checks if check.quantity == "seeds")
        by_row: dict[tuple[str, str], dict[str, DeviceCheck]] = {}
        for check in checks:
            by_row.setdefault((check.interface, check.method), {})[check.quantity] = check
        for (interface, method), row in by_row.items():
            if row.get("values", seeds).status != "not supported" and "values" in row:
                cells = [_cell(row.get(quantity)) for quantity in CONFORMANCE]
                lines.append(markdown_row((f"`{name}`", interface, method, *cells, _cell(seeds))))
    return lines


def _cell(check: DeviceCheck | None) -> str:
    if check is None or check.status == "not supported":
        return "–"
    if check.status == "passed":
        return "✓" if (check.difference or 0) <= DOUBLE else f"✓ {check.difference:.0e}"
    return "✗" if check.difference is None else f"✗ {check.difference:.1g}"


def _machine() -> dict[str, Knob]:
    sets, free = native.instruction_sets(), free_bytes()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    here: dict[str, Knob] = {
        "cores": os.cpu_count() or 1,
        "free memory": "unknown" if free is None else f"{free / 2**30:.1f} GiB",
        "GPU": gpu,
        "instruction sets": ", ".join(sets) if sets else f"none: the compiled simulator {native.ABSENCE}",
        "backend auto": backends.resolve("auto"),
    }
    made = {name: value for name, value in provenance(torch.get_num_threads()).items() if name != "finished_utc"}
    return made | here | {name: os.environ.get(name, "not set") for name in VARIABLES}


def _table(found: tuple[BackendAgreement, ...]) -> Table:
    """A line for each simulator that is here, and below it why the others are not."""
    header = [Heading(name, name) for name in ("backend", *QUANTITIES, "seeds", "right")]
    lines = []
    for finding in found:
        figures = (_figure(getattr(finding, name), finding.exact) for name in QUANTITIES)
        cells = (finding.backend, *figures, finding.seeds, "✓" if finding.sound else "✗")
        if not finding.reason:
            lines.append(Line("", finding.backend, "model", "", tuple(map(Entry, cells))))
    notes = (
        *(f"not here: {finding.reason}" for finding in found if finding.reason),
        "values to nll: largest difference to default.qubit, complex128, every gate and readout; at most "
        f"{TOLERANCE:g} is right",
        f"seeds: what two runs with one seed give; shots:{SHOTS} is judged in standard errors (σ)",
    )
    return Table("", tuple(header), tuple(lines), notes)


def _figure(value: float | None, exact: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.1e}" if exact else f"{value:.1f} σ"
