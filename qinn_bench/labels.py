"""What a row of a study is called: its label, and the parts that set it apart, joined in one way."""

from __future__ import annotations

JOINT = " · "


def joined(label: str, *apart: str) -> str:
    """A label with what sets the row apart from others of that label; empty parts count for nothing.

    Example:
        >>> joined("qinn", "500", "", "frozen")
        'qinn · 500 · frozen'
    """
    return JOINT.join([label, *filter(None, apart)])


def is_of(row: str, label: str) -> bool:
    """Whether a row is that of a label, or one of those that parts set apart from each other.

    Example:
        >>> is_of("qinn · 500", "qinn"), is_of("qinn_small", "qinn")
        (True, False)
    """
    return row == label or row.startswith(f"{label}{JOINT.rstrip()}")
