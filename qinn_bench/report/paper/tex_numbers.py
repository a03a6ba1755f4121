r"""The numbers in a draft in LaTeX, with their places: ``17.55(2)``, ``$1.2 \pm 0.3$``, ``\num{1e-4}``, ``12\,\%``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from qinn_bench.report.paper.draft_files import DraftFile, draft_file

ARGUMENTS = {
    **dict.fromkeys(("label", "includegraphics", "input", "include", "usepackage", "documentclass", "url", "href"), 1),
    **dict.fromkeys(
        ("doi", "begin", "end", "hspace", "vspace", "arxiv", "orcid", "textcolor", "color", "cellcolor"), 1
    ),
    **dict.fromkeys(("rowcolor", "colorbox", "raisebox", "rotatebox", "subfile", "scalebox", "parbox"), 1),
    **dict.fromkeys(("setcounter", "addtocounter", "setlength", "addtolength", "resizebox", "multicolumn"), 2),
    **dict.fromkeys(("multirow", "fcolorbox", "import", "subimport", "rule"), 2),
    "definecolor": 3,
}
"""How many arguments of a command are no results, from the first; what stands in the others is text of the draft."""
OTHERS = ((re.compile(r"\w*cite\w*|\w*ref|bibliography\w*"), 1),)
"""The same of commands that are known by a part of their names."""
COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
OPTION = re.compile(r"\s*\[[^\]]*\]")
SPEC = re.compile(r"(?:longtable|tabular[xy*]?|array|minipage|S?tabu\w*|wrap\w+|subfigure|subtable|adjustbox)\*?")
"""Environments whose arguments give columns and widths."""
NO_RESULTS = re.compile(
    r"\\verb(\W).*?\1"
    r"|\\(?:cmidrule|cline|addlinespace)(?:\([^)]*\)|\[[^\]]*\]|\{[^{}]*\})*"
    r"|\\\\\s*\[[^\]]*\]"
    r"|ar[xX]iv:\s*\S+|\b\d+(?:\.\d+){2,}\b|\b10\.\d{4,}/\S+"
    r"|\d+(?:\.\d+)?\s*(?:pt|cm|mm|em|ex|\\(?:line|text|column|paper)(?:width|height))\b"
)
"""What has digits and no results: lengths, versions, identifiers."""
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


def draft_numbers(files: Sequence[DraftFile]) -> list[DraftNumber]:
    """The numbers of the files of a draft, in their order."""
    return [one for file in files for one in _of_file(file)]


def numbers_of(lines: Sequence[str], file: str) -> list[DraftNumber]:
    """The numbers in the lines of a file; of a whole document those after its preamble.

    >>> [one.text for one in numbers_of([r"Table~\\ref{tab:1}: 12.5\\,\\% of $W_1 = 1.5 \\times 10^{-3}$"], "a")]
    ['12.5\\\\,\\\\%', '1.5 \\\\times 10^{-3}']
    """
    return list(_of_file(draft_file(lines, file)))


def _of_file(file: DraftFile) -> Iterator[DraftNumber]:
    for line in file.lines:
        if line.line > file.start and not line.not_ours:
            yield from _of_line(line.code, file.name, line.line)


def _of_line(code: str, file: str, line: int) -> Iterator[DraftNumber]:
    text = WRAPPED.sub(lambda match: f" {match[1]} ", NO_RESULTS.sub(" ", without_arguments(code)))
    row = plain(text.split("&")[0]) if re.search(r"(?<!\\)&", text) else ""
    for match in NUMBER.finditer(text):
        yield _number(match, text, file, line, row)


def without_arguments(code: str) -> str:
    r"""A line without the arguments of commands that are no results: references, colours, addresses, lengths.

    >>> without_arguments(r"\textcolor[rgb]{1,0,0}{17.55} in \ref{tab:1.5} and \href{https://a.b/1.5}{2.5}")
    ' {17.55} in   and  {2.5}'
    """
    kept, at = [], 0
    while match := COMMAND.search(code, at):
        count, end = _count(match[1]), match.end()
        if count is None:
            kept.append(code[at:end])
            at = end
            continue
        inner, last = "", end
        for _ in range(count):
            inner, last = _argument(code, last)
        if match[1] == "begin" and SPEC.fullmatch(inner):
            while (step := _argument(code, last)[1]) > last:
                last = step
        kept.append(f"{code[at : match.start()]} ")
        at = last
    return "".join([*kept, code[at:]])


def _count(command: str) -> int | None:
    own = ARGUMENTS.get(command)
    return own if own is not None else next((count for name, count in OTHERS if name.fullmatch(command)), None)


def _argument(code: str, at: int) -> tuple[str, int]:
    """The argument in braces that begins at a place, behind options, and where it ends; nothing where there is none."""
    while option := OPTION.match(code, at):
        at = option.end()
    start = at + len(code[at:]) - len(code[at:].lstrip())
    if code[start : start + 1] != "{":
        return "", at
    depth = 0
    for place in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[place], 0) if code[place - 1 : place] != "\\" else 0
        if depth == 0:
            return code[start + 1 : place], place + 1
    return code[start + 1 :], len(code)


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
