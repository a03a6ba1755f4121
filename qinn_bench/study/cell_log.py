"""What a cell printed, kept beside the records: its beginning and its end, if there was anything to be told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from qinn_bench.writing import write_whole

HEAD, TAIL = 2**15, 2**15
"""Bytes of the beginning and of the end that are kept."""


class CellLog:
    """What a process has printed so far, however much: the first and the last 32 KiB."""

    def __init__(self) -> None:
        self.head, self.tail, self.length = b"", b"", 0

    def add(self, printed: bytes) -> None:
        """Take in what it has printed since."""
        self.length += len(printed)
        room = HEAD - len(self.head)
        self.head, rest = self.head + printed[:room], printed[room:]
        self.tail = (self.tail + rest)[-TAIL:]

    def content(self) -> bytes:
        """All that is kept; a line says how much was left out."""
        left_out = self.length - len(self.head) - len(self.tail)
        gap = f"\n[{left_out} bytes are left out]\n".encode() if left_out else b""
        return self.head + gap + self.tail

    def last(self, most: int) -> str:
        """The end of it, of so many bytes at most."""
        return (self.head + self.tail)[-most:].decode("utf8", errors="replace")

    def keep(self, path: Path, ending: str) -> None:
        """Write it, with how the cell ended below, if it did not end well.

        A cell that printed nothing and ended well leaves no log; a disk that does not take one is no failure.
        """
        with suppress(OSError):
            if not (self.length or ending):
                path.unlink(missing_ok=True)
                return
            content, end = self.content(), f"[{ending}]\n".encode() if ending else b""
            write_whole(path, lambda file: file.write(content + b"\n" * (not content.endswith(b"\n")) + end))


def log_path(results: Path, study: str, key: str) -> Path:
    """Where what a cell printed is kept: ``results/logs/STUDY/KEY.txt``."""
    return results / "logs" / study / f"{key}.txt"
