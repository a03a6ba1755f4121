"""What pydantic finds wrong with a value, told in the one sentence of a refusal."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from qinn_bench.values import Refused, Value

GIVEN = 60
"""Characters of a wrong value that a sentence quotes."""


def refusal(error: ValidationError, kind: type[Value], where: str, part: str = "key") -> Refused:
    """The first thing that is wrong: `where` it is, what was given, and what was expected or what exists.

    `part` is the word for what a value of this `kind` consists of.
    """
    first = error.errors()[0]
    place = " ".join(".".join(str(step) for step in first["loc"]).split())
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(_fields_at(kind, first["loc"][:-1])))
        return Refused(f"{where}: no {part} is called '{place[:GIVEN]}'; there are: {known}")
    if first["type"] == "missing":
        return Refused(f"{where}: the {part} '{place}' is missing")
    given = json.dumps(first["input"], default=str)[:GIVEN]
    wanted = first["msg"].removeprefix("Value error, ")
    return Refused(f"{where}: '{place}' is {given}, but: {wanted}")


def _fields_at(kind: type[Value], path: tuple[int | str, ...]) -> list[str]:
    """The keys that a value nested at `path` may have, found by walking the annotations."""
    current: Any = kind
    for part in path:
        if isinstance(current, type) and issubclass(current, Value) and part in current.model_fields:
            current = current.model_fields[str(part)].annotation
        current = _value_inside(current) or current
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, Value) else []


def _value_inside(annotation: Any) -> type[Value] | None:
    """The `Value` type that an annotation such as ``tuple[Row, ...]`` or ``Match | None`` wraps."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if inner := _value_inside(argument):
            return inner
    return None
