"""A badge: the decision on a claim as a small picture that stands anywhere, with its words for who hears it."""

from __future__ import annotations

from html import escape

COLOURS = {"supported": "#1d6b41", "refuted": "#b01c00", "undecided": "#8a5200", "not testable": "#566074"}
"""White letters on each have a contrast of at least 4.5 (WCAG 2.1, 1.4.3)."""
OTHER = "#566074"
LETTER, PAD, HEIGHT = 6.2, 8.0, 20
"""The width of a letter at 11 px, the room beside the words, and the height, in pixels."""
LONGEST = 60


def badge(claim: str, decision: str) -> str:
    """The badge of a claim, as SVG.

    >>> svg = badge("rousselot2024 · ratio", "undecided")
    >>> svg.startswith("<svg ") and "<title>rousselot2024 · ratio: undecided</title>" in svg
    True
    """
    left, right = _short(claim), _short(decision)
    a, b = (len(words) * LETTER + 2 * PAD for words in (left, right))
    words = escape(f"{claim}: {decision}")
    text = 'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b:.0f}" height="{HEIGHT}" role="img"'
        f' aria-label="{words}">'
        f"<title>{words}</title>"
        f'<rect width="{a + b:.0f}" height="{HEIGHT}" rx="3" fill="#3a4352"/>'
        f'<path d="M{a:.0f} 0h{b - 3:.0f}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{b - 3:.0f}z"'
        f' fill="{COLOURS.get(decision, OTHER)}"/>'
        f"<g {text}>"
        f'<text x="{a / 2:.1f}" y="14" textLength="{a - 2 * PAD:.0f}">{escape(left)}</text>'
        f'<text x="{a + b / 2:.1f}" y="14" textLength="{b - 2 * PAD:.0f}">{escape(right)}</text>'
        "</g></svg>\n"
    )


def _short(words: str) -> str:
    plain = "".join(letter for letter in " ".join(words.split()) if letter.isprintable())
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
