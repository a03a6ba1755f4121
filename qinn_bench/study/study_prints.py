"""What a study asks for, as fingerprints that can be frozen: what its file says, its ladders and its cells."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from qinn_bench.files import named
from qinn_bench.reading import read_toml
from qinn_bench.records import keys
from qinn_bench.study import grid
from qinn_bench.study.grid import Slot
from qinn_bench.study.study_files import FOLDER, label_of, load_study


def study_prints(path: Path) -> dict[str, str | int]:
    """The fingerprints of a study file: its `content`, its `ladders`, its `cells`, and the `count` of these.

    Cells are told by all that a study file settles of them (row, size, what is matched, models, data, budget, seed), as
    their keys are; code and the answers of the matcher are not in it. Neither comments nor an order of keys count.

    Raises:
        Refused: no such study, or one that is wrong.

    Example:
        >>> prints = study_prints(Path("quick"))
        >>> sorted(prints), len(str(prints["cells"]))
        (['cells', 'content', 'count', 'ladders'], 64)
    """
    study = load_study(path)
    cells = [_plain(slot) for slot in grid.slots(study, grid.draw(study))]
    return {
        "content": _hash(read_toml(*named(path, FOLDER, "study file"))),
        "ladders": _hash([[label_of(row), row.shape, row.ladder] for row in study.models] + [study.sizes]),
        "cells": _hash(cells),
        "count": len(cells),
    }


def _plain(slot: Slot) -> list[Any]:
    """A cell as plain content."""
    match = slot.match.model_dump(exclude_defaults=True) if slot.match else None
    models = [str(model) for model in slot.models]
    # What simulates exactly is settled by the machine, and moves nothing.
    cell = keys.spelled(slot.cell) | {"backend": "" if slot.cell.backend != "none" else "none"}
    return [slot.row, slot.size, slot.control_of, slot.shape, match, models, cell]


def _hash(content: Any) -> str:
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()
