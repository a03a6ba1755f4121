"""What is printed where the terminal or the locale cannot show every character: a plain sign instead of an error."""

from __future__ import annotations

import codecs
import io
import os
import sys

SIGNS = {
    **dict.fromkeys("─━┈–—−", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("·•", "."),
    **{
        "✓": "v",
        "✗": "x",
        "‼": "!",
        "…": ".",
        "×": "x",
        "²": "2",
        "₁": "1",
        "⟨": "<",
        "⟩": ">",
        "▽": "v",
        "↓": "_",
        "ε": "e",
        "≥": ">",
        "≈": "~",
        "↳": ">",
    },
    **{"α": "a", "β": "b", "Γ": "G", "Δ": "D", "η": "e", "σ": "s", "φ": "f", "χ": "c", "ρ": "r", "’": "'"},
}
"""One character for one, so that columns stay aligned; all others become a question mark."""
STANDARD = 2
"""The highest of the descriptors of standard streams."""
PLAIN, ESCAPED = "qinn-bench-plain", "qinn-bench-json"


def occupy() -> None:
    """Send standard streams that were closed nowhere: else the next file that is opened takes their place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= STANDARD:
        os.set_inheritable(handle, True)
    os.close(handle)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf8"))


def prepare(*, json: bool = False) -> None:
    """Let standard output and error take every text, JSON with its own escapes so that nothing of it is lost."""
    codecs.register_error(PLAIN, _plain)
    codecs.register_error(ESCAPED, _escaped)
    for stream, handler in ((sys.stdout, ESCAPED if json else PLAIN), (sys.stderr, PLAIN)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=handler)


def _plain(error: UnicodeError) -> tuple[str, int]:
    text, end = _refused(error)
    return "".join(SIGNS.get(char, "?") for char in text), end


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """JSON's own escapes: four hexadecimal digits for each UTF-16 unit."""
    text, end = _refused(error)
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), end


def _refused(error: UnicodeError) -> tuple[str, int]:
    """The characters that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end], error.end
