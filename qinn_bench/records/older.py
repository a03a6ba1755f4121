"""Records as earlier versions wrote them: what was text then is put into its field, and nowhere else is it read.

| field | before |
| --- | --- |
| `flags` | one text a flag, ``kind: sentence`` |
| `tolerance` | only in the reason of a skipped cell, as ``within 2.0%`` |
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from qinn_bench.values import Record

WITHIN = re.compile(r" within ([0-9]+\.[0-9])% on ")
"""How the reason of a skipped cell says the tolerance of its match."""


def record_of(text: str | bytes) -> Record:
    """The record that a text in JSON holds, of this version or of an earlier one.

    Raises:
        ValidationError: it holds none.
    """
    try:
        content: Any = from_json(text)
    except ValueError:
        return Record.model_validate_json(text)
    if isinstance(content, dict) and (fields := _fields(content)):
        try:
            return Record.model_validate_json(json.dumps(content | fields))
        except (ValidationError, ValueError, RecursionError):
            pass
    return Record.model_validate_json(text)


def _fields(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record that were text when it was written."""
    fields: dict[str, Any] = {}
    flags, reason = content.get("flags"), content.get("reason")
    if isinstance(flags, list) and flags and all(isinstance(flag, str) for flag in flags):
        pairs = (flag.partition(": ") for flag in flags)
        fields["flags"] = [{"kind": kind, "said": said} for kind, _, said in pairs]
    skipped = content.get("status") == "skipped" and "tolerance" not in content and isinstance(reason, str)
    if skipped and (said := WITHIN.search(str(reason))):
        fields["tolerance"] = round(float(said[1]) / 100, 3)
    return fields
