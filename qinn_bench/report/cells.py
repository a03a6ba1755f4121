"""Entries of a table that tell several numbers, or one in words: a text, and each number for itself in CSV."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.table_parts import MISSING, Entry
from qinn_bench.statistics.sign_flips import LEAST

Ends = Sequence[float | None] | None


def count(n: int | None) -> Entry:
    """A whole number."""
    return Entry(MISSING) if n is None else Entry(str(n), plain={"": n})


def share(part: int, whole: int) -> Entry:
    """So many of so many, ``4/5``."""
    return Entry(f"{part}/{whole}", plain={"": part, "_of": whole})


def interval(ends: Ends, digits: int = 3) -> Entry:
    """The two ends of an interval, ``[0.12, 0.34]``; an end that is not known is a dash."""
    if ends is None:
        return Entry(MISSING)
    return Entry(f"[{_ends(ends, digits)}]", plain=_plain(ends))


def p_value(p: float | None) -> Entry:
    """A p-value with three digits, in powers of ten where it is small."""
    return Entry(MISSING) if p is None else Entry(p_text(p), plain={"": p})


def p_text(p: float) -> str:
    """A p-value in words: ``0.0352``, ``1.8e-15``."""
    if p <= LEAST:
        return f"<{LEAST:g}"
    if p >= 1e-4:
        return f"{p:.3g}"
    digits, _, power = f"{p:.1e}".partition("e")
    return f"{digits}e{int(power)}"


def ranged(text: str, value: float | None, ends: Ends = None) -> Entry:
    """A number with its interval in words that are given, and the three numbers."""
    if text == MISSING:
        return Entry(MISSING)
    return Entry(text, plain={"": value, **_plain(ends or (None, None))})


def _ends(ends: Sequence[float | None], digits: int) -> str:
    return ", ".join(MISSING if end is None else f"{end:.{digits}g}" for end in ends)


def _plain(ends: Sequence[float | None]) -> dict[str, str | float | None]:
    low, high = ends
    return {"_low": low, "_high": high}
