r"""The numbers in a draft in LaTeX, with their places: ``17.55(2)``, ``$1.2 \pm 0.3$``, ``\num{1e-4}``, ``12\,\%``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from qinn_bench.files import read_text
from qinn_bench.values import Refused

MARK = re.compile(r"(?<!\\)%\s*qinn-bench:\s*not ours\b")
"""A comment that says of its line that its numbers are of others, or were computed from ours."""
COMMENT = re.compile(r"(?<!\\)%.*")
SKIPPED = ("verbatim", "lstlisting", "comment", "thebibliography", "tikzpicture", "equation", "align")
"""Environments whose numbers are no results."""
BEGIN, END = re.compile(r"\\begin\{(\w+)\*?\}"), re.compile(r"\\end\{(\w+)\*?\}")
INPUT = re.compile(r"\\(?:input|include)\{([^{}]+)\}")
ARGUMENT = r"(?:\s*\[[^\]]*\])*(?:\s*\{[^{}]*\})"
NO_RESULTS = re.compile(
    r"\\(?:\w*cite\w*|\w*ref|label|includegraphics|input|include|bibliography\w*|usepackage|documentclass|url|href|doi"
    rf"|begin|end|[hv]space|setcounter|textcolor|arxiv|orcid)\*?{ARGUMENT}+"
    rf"|\\(?:setlength|resizebox|scalebox|multicolumn|multirow){ARGUMENT}{{1,2}}"
    r"|\\(?:cmidrule|cline|addlinespace)(?:\([^)]*\)|\[[^\]]*\]|\{[^{}]*\})*"
    r"|\\\\\s*\[[^\]]*\]"
    r"|ar[xX]iv:\s*\S+|\b\d+(?:\.\d+){2,}\b|\b10\.\d{4,}/\S+"
    r"|\d+(?:\.\d+)?\s*(?:pt|cm|mm|em|ex|\\(?:line|text|column|paper)(?:width|height))\b"
)
"""What has digits and no results: references, lengths, versions, identifiers."""
WRAPPED = re.compile(r"\\(?:num|SI|qty|SIrange|qtyrange|tablenum)(?:\[[^\]]*\])?\{([^{}]*)\}")
WHOLE = r"\d{1,3}(?:(?:,|\\,|\{,\}|~)\d{3})+(?!\d)|\d+"
NUMBER = re.compile(
    rf"(?<![\w.\\^_])(?<![\^_]\{{)(?<![\^_][-+])(?P<sign>[-−])?(?P<value>(?:{WHOLE})(?:\.\d+)?|\.\d+)"
    r"(?:\((?P<digits>\d+(?:\.\d+)?)\)|\s*(?:\\pm|±|\+-)\s*(?P<error>\d*\.?\d+))?"
    r"(?:[eE](?P<e>[-+]?\d+)|\s*[)}]*\s*(?:\\[,!;:])?(?:\\times|\\cdot|×)(?:\\[,!;:])?\s*10\^\{?(?P<power>[-−+]?\d+)\}?)?"
    r"(?P<percent>\s*(?:\\,|~)?\\%)?(?![\w])"
)
SIGNED = re.compile(r"(?:^|[\s${(\[&=,<>|~])$")
"""What stands before a minus that belongs to a number, and not between two of them."""
PLAIN = re.compile(r"\\(?:text\w+|emph|mathrm|mathbf|quad|qquad|hspace|,|;| )|[{}$]")
MOST_FILES = 100


@dataclass(frozen=True)
class DraftNumber:
    """A number of a draft: where it stands, what it says, and the power of ten of its last digit.

    `error` is the one that is printed with it, `error_place` the place of its last digit; `row` is what the first cell
    of its line says, where that is a row of a table.

    Example:
        >>> one = numbers_of(["An NLL of $17.552(22)$ nats."], "draft.tex")[0]
        >>> one.value, one.place, one.error, one.line
        (17.552, -3, 0.022, 1)
    """

    file: str
    line: int
    text: str
    value: float
    place: int
    error: float | None = None
    error_place: int = 0
    percent: bool = False
    signed: bool = False
    row: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is a whole number without an error or a power of ten: a count, a year, a level of 95 %."""
        return self.error is None and not set(self.text) & set(".eE^")


def draft_numbers(path: Path) -> list[DraftNumber]:
    r"""The numbers of a draft and of the files that it takes in with ``\input``, in their order.

    Raises:
        Refused: no such file, no text, or files that take in one another.
    """
    return [one for name, lines in _files(path, ()) for one in numbers_of(lines, name)]


def _files(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, list[str]]]:
    if path in above or len(above) > MOST_FILES:
        raise Refused(f"'{path}' takes itself in by \\input; files that end were expected")
    lines = read_text(path, f"there is no draft '{path}'").splitlines()
    yield str(path), lines
    for line in lines:
        for name in INPUT.findall(COMMENT.sub("", line)):
            inner = path.parent / (name if Path(name).suffix else f"{name}.tex")
            if inner.is_file():
                yield from _files(inner, (*above, path))


def numbers_of(lines: Sequence[str], file: str) -> list[DraftNumber]:
    """The numbers in the lines of a file; of a whole document those after its preamble.

    >>> [one.text for one in numbers_of([r"Table~\\ref{tab:1}: 12.5\\,\\% of $W_1 = 1.5 \\times 10^{-3}$"], "a")]
    ['12.5\\\\,\\\\%', '1.5 \\\\times 10^{-3}']
    """
    start = next((at for at, line in enumerate(lines) if r"\begin{document}" in line), -1)
    made: list[DraftNumber] = []
    inside: list[str] = []
    for at, line in enumerate(lines):
        code = COMMENT.sub("", line)
        inside += [name for name in BEGIN.findall(code) if name in SKIPPED]
        if at > start and not inside and not MARK.search(line):
            made += _of_line(code, file, at + 1)
        for name in END.findall(code):
            if name in inside:
                inside.remove(name)
    return made


def _of_line(code: str, file: str, line: int) -> Iterator[DraftNumber]:
    text = WRAPPED.sub(lambda match: f" {match[1]} ", NO_RESULTS.sub(" ", code))
    row = plain(text.split("&")[0]) if re.search(r"(?<!\\)&", text) else ""
    for match in NUMBER.finditer(text):
        yield _number(match, text, file, line, row)


def _number(match: re.Match[str], text: str, file: str, line: int, row: str) -> DraftNumber:
    digits = re.sub(r"\\,|\{,\}|[,~]", "", match["value"])
    power = int((match["e"] or match["power"] or "0").replace("−", "-"))
    place = -len(digits.partition(".")[2])
    signed = bool(match["sign"] and SIGNED.search(text[: match.start()]))
    error, error_place = _error(match, place)
    return DraftNumber(
        file=file,
        line=line,
        text=match[0].strip() if signed or not match["sign"] else match[0].strip()[1:],
        value=float(f"{'-' * signed}{digits}e{power}"),
        place=place + power,
        error=None if error is None else float(Decimal(error).scaleb(power)),
        error_place=error_place + power,
        percent=bool(match["percent"]),
        signed=signed,
        row=row,
    )


def _error(match: re.Match[str], place: int) -> tuple[str | None, int]:
    """The error that is printed with a number, before the power of ten, and the place of its last digit."""
    if match["error"]:
        return match["error"], -len(match["error"].partition(".")[2])
    if not match["digits"]:
        return None, 0
    if "." in match["digits"]:
        return match["digits"], -len(match["digits"].partition(".")[2])
    return f"{int(match['digits'])}e{place}", place


def plain(text: str) -> str:
    r"""The words of a cell: what a row is called, without commands.

    >>> plain(r"\quad spline\_inn $\cdot$ 2000 ")
    'spline_inn · 2000'
    """
    words = text.replace(r"\cdot", "·").replace(r"\_", "_").replace("~", " ")
    return " ".join(PLAIN.sub(" ", words).split()).rstrip("!‼ ")
