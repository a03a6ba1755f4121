"""Text in lines of a terminal: on one of them, or on several of a width."""

from __future__ import annotations

import textwrap
import unicodedata


def on_one_line(text: str) -> str:
    """Text with a blank for each end of a line and each character that steers a terminal."""
    return "".join(char if char.isprintable() or unicodedata.category(char) == "Cf" else " " for char in text)


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """A text in lines of this width; words are never broken, so that they can be copied."""
    wrapper = textwrap.TextWrapper(width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    wrapper.break_long_words = False
    return wrapper.fill(text.strip())
