"""A model or a data set as it is written: ``name`` or ``name[knob=value,...]``."""

from __future__ import annotations

import re

from qinn_bench.values import QUOTES, Knobs, Refused, Use, read_knob

QUOTED = r"""\"[^"]*\"|'[^']*'"""
USE = re.compile(rf"\s*([A-Za-z0-9_]+)\s*(?:\[((?:{QUOTED}|[^\"'])*)\])?\s*")
PART = re.compile(rf"(?:{QUOTED}|[^,\"'])+")


def parse_use(text: str) -> Use:
    """Read ``name`` or ``name[knob=value,...]``; values are read as bool, int, float or text.

    A value in single or double quotes is text, whatever is in it.

    Raises:
        Refused: the text has another form.

    Example:
        >>> parse_use("table[path='my rows, all.csv',valid=0.2]").knobs
        {'path': 'my rows, all.csv', 'valid': 0.2}
    """
    match = USE.fullmatch(text)
    if not match:
        raise Refused(f"'{text}' is not of the form name or name[knob=value,...], texts with commas in quotes")
    knobs: Knobs = {}
    for part in filter(None, (one.strip() for one in PART.findall(match[2] or ""))):
        knob, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not knob or (set(value) & set(QUOTES) and not re.fullmatch(QUOTED, value)):
            raise Refused(f"'{part}' in '{text}' is not of the form knob=value")
        knobs[knob] = value[1:-1] if value[:1] in tuple(QUOTES) else read_knob(value)
    return Use(name=match[1], knobs=knobs)
