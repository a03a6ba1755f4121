"""The anchor: a commit that every nightly run measures again beside the newest, so that nights can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from qinn_bench.reading import read_value
from qinn_bench.values import Value
from qinn_bench.writing import write_text


class Anchor(Value):
    """A pinned commit, why it was chosen, and the day (UTC) on which it was."""

    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
    reason: Annotated[str, Field(min_length=1)]
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


def path_of(results: Path) -> Path:
    """Where the anchor is kept."""
    return results / "anchor.json"


def save(results: Path, anchor: Anchor) -> Path:
    """Pin an anchor in place of the one before."""
    path, text = path_of(results), anchor.model_dump_json(indent=1) + "\n"
    write_text(path, text)
    return path


def load(results: Path) -> Anchor | None:
    """The anchor, if one is pinned.

    Raises:
        Refused: the file holds none.
    """
    path = path_of(results)
    if not path.exists():
        return None
    return read_value(Anchor, path, "holds no anchor", remedy="pin one with nightly --set-anchor")
