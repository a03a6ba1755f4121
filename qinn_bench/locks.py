"""Locks that end with the process that holds them, and leftovers of killed processes told from files in use."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What file systems without locks, some network ones among them, answer."""
TRIES = 100
SIGNED = re.compile(r"process (\d+) on (.+)")
"""How the holder of a lock signs it."""


class NoLocks(OSError):
    """The file system cannot lock files."""


@dataclass
class Lock:
    """A locked file; the kernel releases it when the process ends, however it ends."""

    path: Path
    handle: int

    def release(self) -> None:
        """Remove the file and let others have the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


def take(path: Path) -> Lock | None:
    """Lock a file, made for that if need be, or None while another process holds it; this never waits.

    The file says who holds it.

    Raises:
        NoLocks: the file system has no locks.
        OSError: the file cannot be made.
    """
    for _ in range(TRIES):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
                os.close(handle)
                return None
            if _is_at(handle, path):
                _sign(handle)
                return Lock(path, handle)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # Its last holder removed the file after it was opened here.
    return None


def holder(path: Path) -> str:
    """Who holds a lock, as it signed itself: ``process 12 on host``."""
    try:
        return path.read_text(encoding="utf8", errors="replace")[:100] or "another process"
    except OSError:
        return "another process"


def is_held(path: Path) -> bool:
    """Whether whoever signed a lock still lives, as far as can be told without touching it: here its process runs; of
    other machines nothing is known but that they have signed it."""
    try:
        process, host = SIGNED.fullmatch(path.read_text(encoding="utf8", errors="replace")).groups()  # type: ignore[union-attr]
    except (OSError, AttributeError):
        return False
    return host != platform.node() or Path("/proc", process).exists() or not Path("/proc/self").exists()


def is_locked(path: Path) -> bool:
    """Whether a process has locked a file; it is looked at with a shared lock, for a moment. True where that cannot be
    told."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return path.exists()
    try:
        return not _lock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)


def create(name: Callable[[], Path]) -> tuple[Path, int]:
    """A new file, locked as long as its handle is open, so that `sweep` spares it; `name` proposes paths.

    Raises:
        OSError: the file cannot be made.
    """
    for _ in range(TRIES):
        path = name()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _lock(handle, fcntl.LOCK_EX)
        except NoLocks:
            return path, handle
        except BaseException:
            os.close(handle)
            raise
        if _is_at(handle, path):
            return path, handle
        os.close(handle)  # Swept away before it was locked.
    raise FileExistsError(errno.EEXIST, "no new file could be made", str(path))


def sweep(folder: Path, patterns: tuple[str, ...]) -> None:
    """Remove the files of these patterns that no living process has locked; what cannot be removed stays."""
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        try:
            if lock := take(path):
                lock.release()
        except OSError:
            continue


def _lock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in UNKNOWN:
            raise NoLocks(error.errno, error.strerror) from None
        raise
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {platform.node()}".encode())
    except OSError:  # A full disk: the lock holds without a name.
        return
