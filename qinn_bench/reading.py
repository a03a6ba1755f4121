"""Read values from content that came from outside; what is wrong is refused in one sentence."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from qinn_bench.files import FILE_BYTES, MIB, read_text, short
from qinn_bench.refusals import refusal
from qinn_bench.values import Refused, Value

V = TypeVar("V", bound=Value)
TOML_BYTES = MIB
"""A study or a file of claims is a page of text; tomllib takes minutes for some files that are larger."""
KEY_PARTS = 64
"""Parts of a dotted key; tomllib's time grows with their square."""
DOTTED = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){{{KEY_PARTS}}}")


def read_toml(path: Path, absent: str, broken: str = "valid TOML") -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        Refused: no such file, in the words of `absent`; or it is not `broken`.
    """
    text = read_text(path, absent, TOML_BYTES)
    if DOTTED.search(text):
        raise Refused(f"{path} is not {broken} for this program: a key has {KEY_PARTS} parts or more")
    return dict(_read(_printable_toml, text, path, broken))


def _printable_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says; a whole number in hexadecimal digits may be longer than any sentence can print.

    Raises:
        ValueError: it is no TOML, or has a number that cannot be printed.
    """
    content = tomllib.loads(text)
    json.dumps(content, default=str)
    return content


def read_json(path: Path, absent: str = "", broken: str = "valid JSON", most: int = FILE_BYTES) -> Any:
    """What a JSON file says.

    Raises:
        Refused: no such file, in the words of `absent`; or it is not `broken`.
    """
    return _read(json.loads, read_text(path, absent, most), path, broken)


def _read(load: Callable[[str], Any], text: str, path: Path, broken: str) -> Any:
    try:
        return load(text)
    except RecursionError:
        raise Refused(f"{path} is not {broken} for this program: it is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"{path} is not {broken}: {short(error)}") from None


def read_value(kind: type[V], path: Path, wrong: str, absent: str = "", remedy: str = "") -> V:
    """The value that a JSON file holds.

    Raises:
        Refused: no such file, in the words of `absent`; or it is `wrong`, such as "is no licence", with the first key
            that is, and the `remedy`.
    """
    return value_of(kind, read_text(path, absent), f"{path} {wrong}", remedy)


def value_of(kind: type[V], text: str, wrong: str, remedy: str = "", read: Callable[[str], V] | None = None) -> V:
    """The value that a text in JSON holds; `read` reads it where earlier versions wrote it otherwise.

    Raises:
        Refused: it holds none, in the words of `wrong`, with the first key that is and the `remedy`.
    """
    try:
        return (read or kind.model_validate_json)(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = f"{short('.'.join(map(str, first['loc'])))}: " if first["loc"] else ""
        raise Refused(f"{wrong}: {place}{short(first['msg'])}" + f"; {remedy}" * bool(remedy)) from None


def parse(kind: type[V], content: Mapping[str, Any], where: str) -> V:
    """Build a value from content that came from outside, such as a study file.

    Raises:
        Refused: names `where`, the first key that is wrong, what it was, and what was expected.
    """
    try:
        return kind.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise refusal(error, kind, where) from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where}: {short(error)}") from None
