"""What a worker is asked to do: one cell of a study, in a line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from qinn_bench.outside import Told
from qinn_bench.values import Cell


@dataclass(frozen=True)
class Order:
    """What a worker process is asked to do: one cell of a study, where its record goes, which metrics it needs.

    `data_hash` is the fingerprint of the data, `inputs` those of all that makes the numbers, which the key covers.
    `family`, `size`, `control_of` and `shape` are those of the record. A cell with a reason to `skip` it is only
    recorded, with the `tolerance` of the match that no model of its row meets; a `fresh` one is trained although it has
    a record, which stays until its successor is written. `outside` are the folders and files that the user named.
    """

    cell: Cell
    key: str
    study: str
    row: str
    results: Path
    metrics: tuple[str, ...]
    data_hash: str
    inputs: dict[str, str]
    family: str = ""
    size: int = 0
    control_of: str = ""
    shape: str = ""
    skip: str = ""
    tolerance: float | None = None
    fresh: bool = False
    outside: Told | None = None

    def to_json(self) -> str:
        """One line of JSON, read back by `from_json`."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps(plain | {"results": str(self.results), "cell": self.cell.model_dump()})

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        cell = Cell.model_validate_json(json.dumps(plain.pop("cell")))
        results, metrics = Path(plain.pop("results")), tuple(plain.pop("metrics"))
        return cls(cell=cell, results=results, metrics=metrics, **plain)
