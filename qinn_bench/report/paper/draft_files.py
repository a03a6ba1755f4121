r"""The files of a draft in LaTeX: the draft itself, and what it takes in with ``\input`` and its like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qinn_bench.files import read_text
from qinn_bench.values import Refused

MARK = re.compile(r"(?<!\\)%\s*qinn-bench:\s*not ours\b")
"""A comment that says of its line that its numbers are of others, or were computed from ours."""
COMMENT = re.compile(r"(?<!\\)%.*")
SKIPPED = frozenset(
    ("verbatim", "Verbatim", "lstlisting", "minted", "comment", "thebibliography", "tikzpicture", "equation", "align")
)
"""Environments whose numbers are no results."""
RAW = frozenset(("verbatim", "Verbatim", "lstlisting", "minted", "comment"))
"""Those in which ``%`` begins no comment."""
VERBATIM = re.compile(r"\\verb\*?(\W).*?\1")
BEGIN = re.compile(r"\\begin\s*\{(\w+)\*?\}")
INPUT = re.compile(
    r"\\(?:input|include|subfile|InputIfFileExists)\s*\{([^{}]+)\}|\\(?:sub)?import\s*\{([^{}]*)\}\s*\{([^{}]+)\}"
    r"|\\input\s+([^\s\\{}]+)"
)
MOST_DEEP = 100


@dataclass(frozen=True)
class DraftLine:
    """A line of a draft without its comment and without what is skipped; `not_ours` is what a comment says of it.

    Example:
        >>> DraftLine(3, "An NLL of 17.55.").not_ours
        False
    """

    line: int
    code: str
    not_ours: bool = False


@dataclass(frozen=True)
class DraftFile:
    """A file of a draft: its name, its lines, and which of them come after the preamble.

    Example:
        >>> DraftFile("a.tex", (DraftLine(1, "1.5"),)).start
        0
    """

    name: str
    lines: tuple[DraftLine, ...]
    start: int = 0


@dataclass(frozen=True)
class MissingInput:
    """A file that a draft takes in and that is not there: where it is named, and how.

    Example:
        >>> MissingInput("draft.tex", 12, "tables/nll").name
        'tables/nll'
    """

    file: str
    line: int
    name: str


def draft_files(path: Path) -> tuple[list[DraftFile], list[MissingInput]]:
    r"""The files of a draft in their order, and those that it takes in and that are not there.

    As LaTeX does, a file is looked for from the folder of the draft; where it is not there, beside the file that
    names it. What a preamble takes in and is not there is left to LaTeX, which has files of its own; a line with the
    comment ``% qinn-bench: not ours`` may name what it likes.

    Raises:
        Refused: no such file, no text, or files that take in one another.
    """
    found: list[DraftFile] = []
    missing: list[MissingInput] = []
    for one in _walk(path, path.parent, ()):
        (found if isinstance(one, DraftFile) else missing).append(one)  # type: ignore[arg-type]
    return found, missing


def _walk(path: Path, root: Path, above: tuple[Path, ...]) -> Iterator[DraftFile | MissingInput]:
    if path in above or len(above) > MOST_DEEP:
        raise Refused(f"'{path}' takes itself in by \\input; files that end were expected")
    file = draft_file(read_text(path, f"there is no draft '{path}'").splitlines(), str(path))
    yield file
    for line in file.lines:
        for name in _inputs(line.code):
            there = _place(name, root, path.parent)
            if there:
                yield from _walk(there, root, (*above, path))
            elif line.line > file.start and not line.not_ours:
                yield MissingInput(str(path), line.line, name)


def _inputs(code: str) -> list[str]:
    """The files that a line takes in, as it names them.

    >>> _inputs(r"\\input{a} \\import{tables/}{b} \\input c")
    ['a', 'tables/b', 'c']
    """
    return [
        one or bare or f"{folder.rstrip('/')}/{name}".lstrip("/") for one, folder, name, bare in INPUT.findall(code)
    ]


def _place(name: str, *folders: Path) -> Path | None:
    """Where a file lies that a draft names with or without its ending; a dot in a name begins none that is sure."""
    tried = (folder / own for folder in folders for own in (f"{name}.tex", name))
    return next((path for path in tried if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no system could have is none."""
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def draft_file(lines: Sequence[str], name: str) -> DraftFile:
    r"""The lines of a file without comments and without the environments that are skipped.

    >>> file = draft_file([r"\begin{equation} 1.5", r"2.5 \end{equation} and 3.5 % 4.5"], "a")
    >>> [one.code.strip() for one in file.lines]
    ['', 'and 3.5']
    """
    start = next((at for at, line in enumerate(lines, 1) if r"\begin{document}" in COMMENT.sub("", line)), 0)
    made, inside = [], ""
    for at, line in enumerate(lines, 1):
        code, inside = _outside(line, inside)
        made.append(DraftLine(at, code, bool(MARK.search(line))))
    return DraftFile(name, tuple(made), start)


def _outside(line: str, inside: str) -> tuple[str, str]:
    """What of a line stands outside of the environments that are skipped, and which of them is open at its end."""
    text, kept = line, list[str]()
    while True:
        text = text if inside else VERBATIM.sub("", text)
        code = COMMENT.sub("", text)
        if inside:
            end = re.search(rf"\\end\s*\{{{inside}\*?\}}", text if inside in RAW else code)
            if not end:
                return " ".join(kept), inside
            text, inside = text[end.end() :], ""
            continue
        begin = next((match for match in BEGIN.finditer(code) if match[1] in SKIPPED), None)
        if not begin:
            return " ".join([*kept, code]), ""
        kept.append(text[: begin.start()])
        text, inside = text[begin.end() :], begin[1]
