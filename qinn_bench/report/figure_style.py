"""How figures look and how they are written: one style, colours, pens and sizes for all of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from typing import IO, Any

import mplhep
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.mathtext import MathTextParser

from qinn_bench.writing import write_whole

COLUMN, PAGE = 3.4, 7.0
"""Widths of a figure in inches."""
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd")
"""Colours told apart by colour-blind readers (Petroff, arXiv:2107.02270), without its greys, which are the truth's."""
DASHES = ("-", (0, (5, 1.2)), (0, (3, 1, 1, 1)))
MARKERS = "osD^vP*X"
TRUTH, BAND = "black", "0.86"
STYLE = {
    **mplhep.style.CMS,
    "font.size": 8,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.1,
    **{f"{axis}tick.{kind}.width": width for axis in "xy" for kind, width in (("major", 0.7), ("minor", 0.5))},
    **{f"{axis}tick.{kind}.size": size for axis in "xy" for kind, size in (("major", 4), ("minor", 2))},
    **{f"{axis}tick.major.pad": 3 for axis in "xy"},
    "axes.unicode_minus": True,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
}
LONGEST = 60
"""Characters of a label."""
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
SALT = "qinn-bench"
"""What the names of parts of a drawing are made from, so that equal figures are equal bytes."""


def words(label: str, *, math: bool = False) -> str:
    """A label as a figure can draw it, whatever characters it has: on one line, of bounded length, without markup.

    With `math` what stands between dollars is set as a formula, if it is one.
    """
    plain = "".join(char for char in " ".join(label.split()) if char.isprintable())
    if math and "$" in plain and _is_formula(plain):
        return plain
    short = plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
    return short.replace("$", r"\$")


def _is_formula(text: str) -> bool:
    try:
        MathTextParser("path").parse(text)
    except (ValueError, RecursionError):
        return False
    return True


def save_as(figure: Figure, path: Path) -> None:
    """Write one file, whole, in the format that its name ends with, the same bytes for the same figure."""
    form = path.suffix.removeprefix(".")

    write_whole(path, lambda file: _draw(figure, file, form, METADATA[form]))


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes for the same figure; letters are drawn, so that no font is needed."""
    out = BytesIO()
    _draw(figure, out, "svg", {"Date": None, "Creator": None})
    return out.getvalue()


def _draw(figure: Figure, file: IO[bytes], form: str, metadata: Mapping[str, Any]) -> None:
    with rc_context({**STYLE, "svg.hashsalt": SALT}), warnings.catch_warnings():
        # A script that no font here has is drawn as boxes.
        warnings.filterwarnings("ignore", message=".*Glyph .* missing from")
        figure.savefig(file, format=form, metadata=dict(metadata))


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path.png`` and ``path.pdf``, the same bytes for the same figure, and say where they are."""
    written = [path.with_name(f"{path.name}.{ending}") for ending in METADATA]
    for target in written:
        save_as(figure, target)
    return written


def pens(n: int) -> list[tuple[str, Any]]:
    """A colour and a dash for each of ``n`` models; dashes change where the colours are used up."""
    colours = islice(cycle(PALETTE), n)
    return [(colour, DASHES[i // len(PALETTE) % len(DASHES)]) for i, colour in enumerate(colours)]


def marked_pens(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name, in their order."""
    colours = (colour for colour, _ in pens(len(names)))
    return dict(zip(names, zip(colours, cycle(MARKERS), strict=False), strict=True))


def pens_of(labels: Sequence[str], places: Mapping[str, int] | None = None) -> list[tuple[str, Any]]:
    """The pen of each label by its place, so that a part of the rows looks as it does among all; in order without."""
    known = places or {}
    at = [known.get(label, i) for i, label in enumerate(labels)]
    every = pens(max(at, default=0) + 1)
    return [every[i] for i in at]


def line_handles(labels: Sequence[str], places: Mapping[str, int] | None = None) -> list[Line2D]:
    """A line in the pen of each label, for a legend."""
    drawn = zip(pens_of(labels, places), labels, strict=True)
    return [Line2D([], [], color=colour, linestyle=dash, label=words(label)) for (colour, dash), label in drawn]


def even(entries: int, most: int) -> int:
    """How many columns a legend has so that its rows are about equally long and none has more than `most` entries."""
    return max(1, ceil(entries / max(1, ceil(entries / most))))
