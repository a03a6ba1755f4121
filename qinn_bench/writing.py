"""Write files whole or not at all: a reader sees the old content or the new one, whatever ends the writer."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from qinn_bench import locks

Write = Callable[[IO[bytes]], object]


def write_whole(path: Path, write: Write) -> None:
    """Write under a temporary name, sync, rename: a reader sees the old file or the new one, never a part.

    Folders that are missing are made.

    Raises:
        OSError: the file cannot be written.
    """
    write_together([(path, write)])


def write_text(path: Path, text: str) -> None:
    """The same for a text, in UTF-8."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_together(files: Sequence[tuple[Path, Write]]) -> None:
    """Write files whole or not at all; none gets its name before all of them are on disk.

    What is left of a process that was killed meanwhile ends in ``.part``, so that nobody takes it for the file.

    Raises:
        OSError: one of them cannot be written.
    """
    with ExitStack() as stack:
        parts = []
        for path, write in files:
            _check_place(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            part, handle = locks.create(lambda path=path: path.with_name(f".{secrets.token_hex(8)}.part"))  # type: ignore[misc]
            stack.callback(part.unlink, missing_ok=True)
            file = stack.enter_context(os.fdopen(handle, "wb"))
            write(file)
            file.flush()
            os.fsync(handle)
            parts.append(part)
        for part, (path, _) in zip(parts, files, strict=True):
            part.replace(path)
    for folder in {path.parent for path, _ in files}:
        _sync(folder)


def _check_place(path: Path) -> None:
    """See to it that nothing is renamed over but a file: a device or a pipe would be gone for all.

    Raises:
        OSError: something else lies there.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    there = path.exists() and not (path.is_file() or path.is_dir())
    if there or Path("/dev") in path.absolute().parents:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _sync(folder: Path) -> None:
    """See to it that renames outlive a loss of power, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
