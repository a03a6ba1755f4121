"""Read values from content that came from outside; what is wrong is refused in one sentence."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from qinn_bench.values import Refused, Value

V = TypeVar("V", bound=Value)


def read_toml(path: Path, absent: str, broken: str = "valid TOML") -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        Refused: no such file, in the words of `absent`; or it is not `broken`.
    """
    if not path.is_file():
        raise Refused(absent)
    try:
        return tomllib.loads(path.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not {broken}: {error}") from None


def parse(kind: type[V], content: Mapping[str, Any], where: str) -> V:
    """Build a value from content that came from outside, such as a study file.

    Raises:
        Refused: names `where`, the first key that is wrong, what it was, and what was expected.
    """
    try:
        return kind.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(_fields_at(kind, first["loc"][:-1])))
            raise Refused(f"{where}: no key is called '{place}'; there are: {known}") from None
        if first["type"] == "missing":
            raise Refused(f"{where}: the key '{place}' is missing") from None
        given = json.dumps(first["input"], default=str)[:60]
        wanted = first["msg"].removeprefix("Value error, ")
        raise Refused(f"{where}: '{place}' is {given}, but: {wanted}") from None


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
        if found := _value_inside(argument):
            return found
    return None
