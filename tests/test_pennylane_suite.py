"""PennyLane's own device tests pass on `qinn.native`, and skip nothing there that they do not skip on default.qubit."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pennylane.devices.tests import get_device_tests

from qinn_bench.quantum.simulators import native

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

for needed in ("flaky", "pytest_mock"):
    pytest.importorskip(needed)


def outcomes(device: str, shots: str, folder: Path) -> dict[str, str]:
    """What became of each test: passed, failed, skipped or xfailed."""
    report = folder / f"{device}.xml"
    options = ["--skip-ops", "-q", "--no-flaky-report", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", get_device_tests(), f"--device={device}", f"--shots={shots}", *options]
    subprocess.run([*command, f"--junitxml={report}"], cwd=folder, capture_output=True, check=False)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        tags = {child.tag: child.get("type") for child in case}
        outcome = "passed" if not tags.keys() & {"failure", "error", "skipped"} else "failed"
        if outcome == "failed" and tags.keys() == {"skipped"}:
            outcome = "xfailed" if tags["skipped"] == "pytest.xfail" else "skipped"
        found[f"{case.get('classname')}::{case.get('name')}"] = outcome
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shots", ["None", "10000"])
def test_the_device_tests_of_pennylane(shots: str, tmp_path: Path) -> None:
    ours, theirs = (outcomes(device, shots, tmp_path) for device in ("qinn.native", "default.qubit"))
    assert ours.keys() == theirs.keys()
    assert Counter(ours.values())["passed"] > 350
    assert [name for name, outcome in ours.items() if outcome == "failed"] == []
    assert [name for name, outcome in ours.items() if outcome != "passed" and theirs[name] == "passed"] == []
