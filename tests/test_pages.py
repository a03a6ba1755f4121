"""The commands of the README and of every page of docs run as they are written, and their links lead somewhere.

A comment before a block of commands says how it is tested: ``<!-- run: slow -->`` by make test-slow, with ``exit 1``
that it ends with this code, ``<!-- run: no, REASON -->`` not at all. The blocks of a page run in their order, in one
folder that is empty before. ``<!-- file: NAME -->`` before a block of another language says that the reader puts it
into this file, and the tests do.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from qinn_bench.cli._folders import FOLDERS
from qinn_bench.cli.main import VERBS, main, module_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- (?:run: |(?=file: ))([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOW = re.compile(r"(slow)? ?(?:exit (\d+))?|no, \w.{9,}|file: [\w.-]+")
INLINE = re.compile(r"`qinn-bench ([^`]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCES = {"": False, "text": False, "toml": False, "sh": True, "bash": True, "python": True}
"""The languages of blocks, and whether a block of it is run."""
MOST = 200
"""Lines of the README."""
SECONDS = 1200


class Block(NamedTuple):
    """A block of commands: how it is to be run, its language and its text."""

    how: str
    language: str
    text: str

    @property
    def slow(self) -> bool:
        return self.how.startswith("slow")

    @property
    def runs(self) -> bool:
        return not self.how.startswith("no,")

    @property
    def code(self) -> int:
        found = re.search(r"exit (\d+)", self.how)
        return int(found[1]) if found else 0

    @property
    def file(self) -> str:
        """The file that the block is put into, if it is."""
        return self.how.removeprefix("file: ") if self.how.startswith("file: ") else ""

    def commands(self) -> list[list[str]]:
        """The commands of a block of shell, one after the other, as words; of a file there are none."""
        if self.file:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        parts = [part for line in lines for part in _parts(shlex.split(line, comments=True))]
        return [part for part in parts if part]


def _parts(words):
    """The commands of a line that ``&&`` joins."""
    found = [[]]
    for word in words:
        found = [*found, []] if word == "&&" else [*found[:-1], [*found[-1], word]]
    return found


def blocks(page: Path) -> list[Block]:
    found = [Block(how or "", language, text) for how, language, text in BLOCK.findall(page.read_text("utf8"))]
    assert {block.language for block in found} <= set(FENCES), f"{page.name} has blocks of an unknown language"
    return [block for block in found if FENCES[block.language] or block.file]


BLOCKS = {page.relative_to(ROOT).as_posix(): blocks(page) for page in PAGES}
TARGETS = set(re.findall(r"^([\w/.-]+):", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE))


def run(block, folder):
    """Run a block in a folder; what it prints is told where it fails."""
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf8")
        return
    own = [sys.executable, "-m", "qinn_bench.cli.main"]
    commands = block.commands() if block.language != "python" else [[sys.executable, "-c", block.text]]
    for words in commands:
        if words[0] == "make":
            continue
        command = own + words[1:] if words[0] == "qinn-bench" else words
        environment = {**os.environ, "MPLBACKEND": "agg", "COLUMNS": "120"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == block.code, f"{shlex.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}"


QUICK = [name for name, own in BLOCKS.items() if any(block.runs and not block.slow for block in own)]
LONG = [name for name, own in BLOCKS.items() if any(block.slow for block in own)]


@pytest.mark.parametrize("page", QUICK)
def test_commands_run_as_they_are_written(page, tmp_path):
    for block in BLOCKS[page]:
        if block.runs and not block.slow:
            run(block, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", LONG)
def test_long_commands_run_as_they_are_written(page, tmp_path):
    for block in BLOCKS[page]:
        if block.runs:
            run(block, tmp_path)


@pytest.mark.parametrize("page", BLOCKS)
def test_no_command_is_left_out_in_silence(page):
    for block in BLOCKS[page]:
        assert HOW.fullmatch(block.how), f"{page}: '<!-- run: {block.how} -->' says nothing about how a block is run"
        for words in block.commands() if block.runs and block.language != "python" else ():
            assert words[0] in ("qinn-bench", "make"), f"{page}: nothing says how '{shlex.join(words)}' is tested"
            assert words[0] != "make" or set(words[1:]) - {"BASE=main"} <= TARGETS, f"{page}: {shlex.join(words)}"


@pytest.mark.parametrize("page", BLOCKS)
def test_every_command_is_understood(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qinn_bench.cli._early.check", lambda verb, arguments: None)
    for option in FOLDERS:
        for folder in re.findall(rf"{option} (\w+)", (ROOT / page).read_text("utf8")):
            Path(folder).mkdir(exist_ok=True)
    shells = [block for block in BLOCKS[page] if block.language != "python"]
    for words in (words for block in shells for words in block.commands() if words[0] == "qinn-bench"):
        monkeypatch.setattr(importlib.import_module(module_of(words[1])), "run", lambda options: 0)
        assert main(words[1:]) == 0, shlex.join(words)
    verbs = {text.split()[0] for text in INLINE.findall((ROOT / page).read_text("utf8"))}
    assert verbs <= set(VERBS) | {"VERB", "--help", "--version"}, f"{page} names verbs that there are not"


@pytest.mark.parametrize("page", BLOCKS)
def test_links_lead_somewhere(page):
    where = (ROOT / page).parent
    links = [link for link in LINK.findall((ROOT / page).read_text("utf8")) if "://" not in link]
    assert [link for link in links if not (where / link).exists()] == []


def test_the_readme_is_short_and_every_page_is_in_the_index():
    assert len((ROOT / "README.md").read_text("utf8").splitlines()) <= MOST
    index = set(LINK.findall((ROOT / "docs" / "README.md").read_text("utf8")))
    assert index == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
