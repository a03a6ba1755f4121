"""Can a certificate be fooled? Planted densities of known mass: false passes and false alarms, before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qinn_bench.report.table_value import markdown_row

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BEFORE = "33402e1"
"""The last commit whose certificate asks draws of a proposal alone."""
WRONG = 0.05
"""A mass that is off by more must not pass, where the model's own rows lie in what is wrong with it."""
RIGHT = 0.005
ALARMS = 0.1
"""Share of right densities that may be left without a pass."""
Audit = Mapping[str, Any]


def run() -> tuple[str, list[str]]:
    """The table of false passes and false alarms, and the false passes where own rows visit the defect."""
    after = audited(ROOT, "stated")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        git = ("git", "-C", str(ROOT), "worktree")
        there = subprocess.run([*git, "add", "--detach", str(tree), BEFORE], check=False, capture_output=True)
        before = audited(tree) if there.returncode == 0 else []
        if before:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True, capture_output=True)
    return report(before, after)


def audited(tree: Path, *more: str) -> list[Audit]:
    """What the code of a tree says of every planted density; `more` are further arguments of `_planted_audit.py`."""
    command = [sys.executable, str(HERE / "_planted_audit.py"), str(tree), *more]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE, env=os.environ | one_thread)
    return [json.loads(line) for line in told.stdout.splitlines()]


def report(before: Sequence[Audit], after: Sequence[Audit]) -> tuple[str, list[str]]:
    """The text of the page, and what misses what is demanded."""
    lines = ["| defect | own rows in it | mass | densities | passes before | passes after | and stated |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, visited, mass in _places(one for one in after if "mass" in one and not _is_right(one)):
        there = [_of(side, kind, visited, mass) for side in (before, after)]
        passed = [*map(_passes, there), _passes(_stated(there[1]))]
        lines.append(
            markdown_row([kind, "yes" if visited else "no", f"{mass:g}", str(len(there[1])), *map(_share, passed)])
        )
    lines += ["", "| right density | densities | without a pass before | after | and stated |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for kind, _, mass in _places(one for one in after if "mass" in one and _is_right(one)):
        there = [_of(side, kind, True, mass) for side in (before, after)]
        alarms = [*map(_alarms, there), _alarms(_stated(there[1]))]
        lines.append(markdown_row([kind.removeprefix("right: "), str(len(there[1])), *map(_share, alarms)]))
    lines += ["", *_summary(before, after), "", *_bias(before, after), ""]
    false = [(one, "") for one in after if _is_false(one) and one["visited"]]
    false += [(one, ", stated") for one in _stated(after) if _is_false(one) and one["visited"]]
    missed = [f"{one['kind']}, mass {one['mass']:g}, {one['dim']} features{how}, passes" for one, how in false]
    right = [one for one in after if "mass" in one and _is_right(one)]
    if sum(_alarms(right)) > ALARMS * len(right):
        missed.append(f"{sum(_alarms(right))} of {len(right)} right densities do not pass")
    return "\n".join(lines), missed


def _places(audits: Iterable[Audit]) -> list[tuple[str, bool, float]]:
    return list(dict.fromkeys((one["kind"], one["visited"], one["mass"]) for one in audits))


def _of(audits: Sequence[Audit], *place: Any) -> list[Audit]:
    return [one for one in audits if "mass" in one and (one["kind"], one["visited"], one["mass"]) == place]


def _stated(audits: Iterable[Audit]) -> list[Audit]:
    """The audits of the same densities by models that say that these integrate to 1 by construction."""
    return [{**one, "verdict": one["stated"]} for one in audits if "stated" in one]


def _is_right(one: Audit) -> bool:
    return abs(one["mass"] - 1) <= RIGHT


def _is_false(one: Audit) -> bool:
    return "mass" in one and abs(one["mass"] - 1) > WRONG - 1e-9 and one["verdict"] == "pass"


def _passes(audits: Sequence[Audit]) -> list[bool]:
    return [one["verdict"] == "pass" for one in audits]


def _alarms(audits: Sequence[Audit]) -> list[bool]:
    return [one["verdict"] != "pass" for one in audits]


def _share(counted: Sequence[bool]) -> str:
    return f"{sum(counted)}/{len(counted)}" if counted else "–"


def _summary(before: Sequence[Audit], after: Sequence[Audit]) -> list[str]:
    """What it comes to: wrong by more than `WRONG`, visited or not, and right densities."""
    lines = ["| all together | before | after | and stated |", "| --- | ---: | ---: | ---: |"]
    for visited, said in ((True, "own rows in the defect"), (False, "no own row in the defect")):
        sides = [
            [one for one in side if "mass" in one and abs(one["mass"] - 1) > WRONG - 1e-9 and one["visited"] is visited]
            for side in (before, after, _stated(after))
        ]
        lines.append(markdown_row([f"false passes, {said}", *(_share(_passes(side)) for side in sides)]))
    sides = [[one for one in side if "mass" in one and _is_right(one)] for side in (before, after, _stated(after))]
    lines.append(markdown_row(["right densities without a pass", *(_share(_alarms(side)) for side in sides)]))
    return [
        *lines,
        "",
        f"A false pass is of a mass that is wrong by {WRONG:.0%} or more. Where no row of the model, the test or the "
        "training lies in a defect nothing tells of it; the likelihood of the test rows has nothing of it. Stated: the "
        "model says, falsely of the wrong ones, that it integrates to 1 by construction. Demanded: "
        f"no false pass where own rows lie in the defect, and at most {ALARMS:.0%} of right densities without a pass.",
    ]


def _bias(before: Sequence[Audit], after: Sequence[Audit]) -> list[str]:
    """The mean of z of laws that integrate to 1."""
    lines = ["| mean of (mass - 1) / error | before | after |", "| --- | ---: | ---: |"]
    scores = [{one["law"]: one["z"] for one in side if "law" in one} for side in (before, after)]
    for law in scores[1]:
        told = (
            f"{np.mean(z):.2f} ± {np.std(z) / len(z) ** 0.5:.2f}" if (z := side.get(law)) else "–" for side in scores
        )
        lines.append(markdown_row([law, *told]))
    return [*lines, "", "A hundred estimates each, with a proposal of a few components and four features."]
