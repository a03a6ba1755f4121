"""Small files of claims about rows of the study `toy`, and the records that decide them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rows import around, row

from qinn_bench.values import Parameters, Record

HEAD = """
name = "small"
title = "A small file"
source = "nobody"
study = "studies/toy.toml"
"""
BETTER = """
[[claims]]
id = "{id}"
statement = "a is better than b"
first = "{first}"
second = "{second}"
metric = "swd"
relation = "better"
data = "toy"
"""
EQUAL = (
    BETTER.replace('"better"', '"equal"').replace("a is better than b", "a is as good as b")
    + """
margin = 0.05
unit = "sd"
"""
)


def better(name: str = "better", first: str = "a", second: str = "b", more: str = "") -> str:
    """A claim that the first row is better than the second."""
    return BETTER.format(id=name, first=first, second=second) + more


def equal(name: str = "equal", first: str = "a", second: str = "b") -> str:
    """A claim that two rows are equal within 0.05 sd."""
    return EQUAL.format(id=name, first=first, second=second)


def write(folder: Path, *blocks: str, head: str = HEAD) -> Path:
    """A file with these claims."""
    path = folder / "small.toml"
    path.write_text(head + "".join(blocks))
    return path


def duel(a: float, b: float, n: int = 8) -> list[Record]:
    """The records of the rows `a` and `b`."""
    return row("a", around(a, n, seed=1)) + row("b", around(b, n, seed=2))


def grown(
    family: str,
    backend: str = "none",
    controls: dict[str, float] | None = None,
    exponent: float = 0.5,
    n: int = 6,
    sizes: tuple[int, ...] = (200, 400, 800, 1600, 3200),
) -> list[Record]:
    """A family at some sizes whose distance falls as a power of the size; `controls` have other factors."""
    found: list[Record] = []
    for kind, factor in {"": 1.0, **(controls or {})}.items():
        for size in sizes:
            name = f"{family} · {size}"
            extra: dict[str, Any] = {"control": kind, "control_of": name, "role": "control"} if kind else {}
            values = [factor * size**-exponent * (1 + x) for x in around(0.0, n, 0.005, seed=size)]
            found += [
                r.model_copy(
                    update={
                        "family": family,
                        "size": size,
                        "parameters": Parameters(total=size, quantum=0, classical=size, frozen=0),
                    }
                )
                for r in row(f"{name} · {kind}" if kind else name, values, backend=backend, **extra)
            ]
    return found
