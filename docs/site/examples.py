"""An extension of Griffe: examples in docstrings are shown as code, whether they stand under ``Example:`` or alone."""

from __future__ import annotations

from typing import Any

import griffe


class Examples(griffe.Extension):
    """Gives every example the heading that the parser of docstrings knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object, if it has an example."""
        if obj.docstring:
            obj.docstring.value = headed(obj.docstring.value)


def headed(text: str) -> str:
    r"""A docstring with its example under ``Examples:``.

    >>> headed("Adds.\n\n>>> 1 + 1\n2")
    'Adds.\n\nExamples:\n    >>> 1 + 1\n    2'
    """
    lines = text.splitlines()
    if "Example:" in lines:
        return "\n".join("Examples:" if line == "Example:" else line for line in lines)
    start = next((at for at, line in enumerate(lines) if line.startswith(">>> ")), None)
    if start is None:
        return text
    return "\n".join([*lines[:start], "Examples:", *(f"    {line}" if line else line for line in lines[start:])])
