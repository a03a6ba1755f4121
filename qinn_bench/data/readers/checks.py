"""What is asked of a published file before it is believed: that it is there, its checksum, and its libraries."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from types import ModuleType

from qinn_bench.files import MIB, open_file, read_bytes
from qinn_bench.values import Refused

EXTRA = "formats"
"""The extra that installs the libraries of the formats."""


def library(name: str, wanted_for: str) -> ModuleType:
    """A library of the extra, imported when it is first needed.

    Raises:
        Refused: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Refused(
            f"reading {wanted_for} needs {name}, of the extra [{EXTRA}]: pip install 'qinn-bench[{EXTRA}]'"
        ) from None


def checked_bytes(path: Path, checksum: str = "") -> bytes:
    """All bytes of a file whose MD5 or SHA-256 is known, or of any where it is empty.

    Raises:
        Refused: no such file, or another checksum.
    """
    content = read_bytes(path, absent(path))
    if checksum:
        _compare(path, checksum, _digest(checksum, content))
    return content


def check_file(path: Path, checksum: str = "") -> Path:
    """The path of a file that is there and has the checksum, if one is known; it is read block by block.

    Raises:
        Refused: no such file, or another checksum.
    """
    with open_file(path, absent(path)) as file:
        if checksum:
            digest = hashlib.new(_algorithm(checksum), usedforsecurity=False)
            while block := file.read(MIB):
                digest.update(block)
            _compare(path, checksum, digest.hexdigest())
    return path


def absent(path: Path) -> str:
    """What to say of a file that is not there."""
    return f"there is no file '{path.name}'; it is looked for from the study file, or else from the working folder"


def _algorithm(checksum: str) -> str:
    return "md5" if len(checksum) == 32 else "sha256"


def _digest(checksum: str, content: bytes) -> str:
    return hashlib.new(_algorithm(checksum), content, usedforsecurity=False).hexdigest()


def _compare(path: Path, checksum: str, got: str) -> None:
    if got != checksum:
        raise Refused(
            f"{path.name} has the {_algorithm(checksum)} {got}, and {checksum} is that of the published file; download "
            "it again, or read it without the check"
        )
