"""The speed table: ratios, targets and gaps are those of the rows that go in."""

from __future__ import annotations

import re

import pytest

from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.performance.scaling.share_of_peak import Arithmetic, arithmetic
from qinn_bench.performance.scaling.speed_page import COLUMNS, GRADIENT, NLL, markdown
from qinn_bench.quantum.simulators import native

FACTS = {"processor": "a processor", "cores": 2, "load_at_start": 0.1, "load_at_end": 0.2, "torch": "2.13.0"}
SECONDS = {"default.qubit": 0.4, "default.qubit:rot": 0.3, "default.qubit:unitary": 0.2, "lightning.qubit": 1.0}
SECONDS |= {"torch": 0.05, "jax": 0.02, "qulacs": 0.1, "native": 0.01, "native:complex128": 0.02}


def row(backend, place=(4, 64), mode="gradient", **more):
    n, batch = place
    facts = {"backend": backend, "precision": "complex128", "n_qubits": n, "batch": batch, "mode": mode, "layers": 4}
    seconds = SECONDS[backend]
    timed = {"seconds": seconds, "error": 0.01 * seconds, "rounds": 9, "first_seconds": 1.5, "peak_bytes": 10 * 2**20}
    return ScanRow.model_validate(facts | {"threads": 1, "status": "ok"} | timed | more)


def everything(**more):
    points = [(place, "gradient") for place in GRADIENT] + [(place, "nll") for place in NLL]
    return [row(name, place, mode, **more) for place, mode in points for name in COLUMNS]


def cells(page, start):
    """The cells of the first line of the page that begins so."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ratios_stand_beside_their_targets():
    page = markdown(everything(), [], FACTS)
    ratios = page[page.index("native is faster than") :]
    found = cells(ratios, "4 / 64")
    assert found[1:] == [
        "40.0(6)× (✓ 40×)",
        "20.00(28)× (✓ 20×)",
        "5.00(7)× (✓ 4×)",
        "2.000(28)× (✓ 1×)",
        "10.00(14)× (✓ 1×)",
        "20.00(28)×",
    ]
    assert "✗ 300×" in cells(ratios, "12 / 64")[1]


def test_every_missed_target_is_named():
    page = markdown(everything(peak_bytes=30 * 10**6), [Arithmetic(10, 512, "complex64", 5e9, 0.1, 1e11)], FACTS)
    said = re.search(r"Targets missed or not measured: (.*)", page).group(1)
    assert "gradient at 12 / 64 over default.qubit as written: 40× of 300×" in said
    assert "nll at 8 / 512 over default.qubit as written: 40× of 120×" in said
    assert "memory at 10 / 512: 30.0 MB of 20 MB" in said
    assert "arithmetic as executed at 10 / 512 in complex64: 50% of 60%" in said
    assert "| 50% (✗ 60%) |" in page
    fast = [
        one.model_copy(update={"seconds": 1e-4, "error": 0.0}) if one.backend == "native" else one
        for one in everything()
    ]
    assert "Targets missed or not measured: none." in markdown(
        fast, [Arithmetic(10, 512, "complex64", 8e9, 0.1, 1e11)], FACTS
    )


def test_what_was_not_measured_is_named_with_its_reason():
    kept = [one for one in everything() if one.backend != "lightning.qubit"]
    late = {"status": "skipped", "reason": "too slow", "seconds": None, "error": None, "rounds": 0}
    rows = [
        *kept,
        row("lightning.qubit"),
        row("lightning.qubit", (10, 512), **late),
        row("lightning.qubit", (12, 64), **late),
    ]
    page = markdown(rows, [], FACTS)
    assert "- lightning.qubit, gradient at 10 / 512, 12 / 64: skipped: too slow." in page
    assert cells(page, "10 / 512")[4] == "–"


def test_a_target_without_a_measurement_is_not_met():
    rows = [one for one in everything() if (one.backend, one.n_qubits) != ("native", 12)]
    assert "gradient at 12 / 64 over torch: not measured" in markdown(rows, [], FACTS)


@pytest.mark.parametrize("rows", [[], everything()[:4]])
def test_a_part_of_the_table_is_a_table(rows):
    page = markdown(rows, [], FACTS)
    widths = {
        block: {line.count("|") for line in block.splitlines()} for block in page.split("\n\n") if block[:1] == "|"
    }
    assert all(len(counts) == 1 for counts in widths.values())
    assert "Targets missed" in page


@pytest.mark.skipif(not native.AVAILABLE, reason="the kernel was not built")
@pytest.mark.parametrize("precision", ["complex64", "complex128"])
def test_the_kernel_counts_its_operations(precision):
    small, large = (arithmetic(6, batch, precision, 0.01) for batch in (16, 32))
    assert large.operations == 2 * small.operations
    assert 0 < small.share < 1.5
