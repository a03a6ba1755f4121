"""How a verb that did not finish ends: one sentence and an exit code for whatever stopped it; needs Python alone."""

from __future__ import annotations

import errno
import os
import resource
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TextIO

from qinn_bench import __version__

USAGE, FAULT, SYSTEM, INTERRUPTED, NO_READER = 2, 70, 74, 130, 141
"""Exit codes: what was asked for cannot be had; a fault of this program (EX_SOFTWARE); the system refused, as a full
disk does (EX_IOERR); stopped by the user (SIGINT); nobody reads the output (SIGPIPE). No verb ends so by a verdict."""
NAMED: dict[int, str] = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "is asked for below a file; a folder was expected there",
    errno.EEXIST: "is there already, and is not what was expected",
    errno.EISDIR: "is a folder; a file was expected",
    errno.ENAMETOOLONG: "is longer than the file system takes",
    errno.ELOOP: "is a loop of links",
    errno.ENOTEMPTY: "is not empty",
    errno.EINVAL: "is not a name that the file system takes",
}
"""What is wrong with a path that somebody named."""
REFUSALS: dict[int, str] = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file would be larger than it may be",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not read or write there",
    errno.EPERM: "this user may not do that there",
    errno.EMFILE: "this process may not open more files; raise the limit (ulimit -n)",
    errno.ENFILE: "the system has too many files open",
    errno.ENOMEM: "there is not enough memory",
    errno.EAGAIN: "no more processes or threads may be started; raise the limit (ulimit -u) or use fewer jobs",
    errno.EIO: "the disk could not be read or written",
    errno.ETXTBSY: "the file is being used",
    errno.EBUSY: "it is in use",
    errno.ESTALE: "the file system is gone",
}
"""What the system refuses whatever was named."""
SOCKET = 107
"""Characters of the name of a socket, below the folder for temporary files."""
ROOM = 512 * 2**20
"""Bytes of address space that the libraries take."""
MEMORY = (
    "failed to map segment",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "Unable to allocate",
    "cannot allocate memory",
)


NEEDED = ("torch", "numpy", "scipy", "sklearn", "pennylane", "normflows", "matplotlib", "mplhep")
"""Libraries that the project installs, and whose absence is no fault of the program."""
KEPT = {
    "run": "; finished cells are kept, run the same command to go on",
    "tune": "; finished trials are kept, run the same command to go on",
    "licence": "; the metrics and sizes that are finished are kept",
}
"""What an interrupt leaves of the verbs that write before their end."""


def ended(error: BaseException, verb: str, *, debug: bool = False) -> int:
    """Say in one sentence what stopped a verb, and return the exit code; with `debug` the traceback is printed too."""
    if isinstance(error, KeyboardInterrupt):
        return _say(f"stopped{KEPT.get(verb, '')}", verb, INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        silence()
        return NO_READER
    if debug:
        traceback.print_exception(error)
    sentence, code = explained(error)
    if code == FAULT:
        sentence += f"; {_where(error, debug)}"
    return _say(sentence, verb, code)


def explained(error: BaseException) -> tuple[str, int]:
    """One sentence and the exit code of an error."""
    if _is_refusal(error):
        return str(error), USAGE
    if isinstance(error, MemoryError) or any(word in str(error) for word in MEMORY):
        why = f" ({_short(str(error))})" if str(error) else ""
        return f"there is not enough memory for this{why}", SYSTEM
    if "AF_UNIX path too long" in str(error):
        where = tempfile.gettempdir()
        length = len(os.fsencode(where))
        return (
            f"the folder for temporary files, {where}, has a name of {length} characters, and a socket below it may "
            f"have {SOCKET}; set TMPDIR to a shorter one"
        ), USAGE
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object[error.start : error.end]!a} cannot be written in the encoding of this system "
            f"({error.encoding}); set LC_ALL=C.UTF-8 or PYTHONUTF8=1"
        ), USAGE
    if isinstance(error, ImportError) and (error.name or str(error)).partition(".")[0] in NEEDED:
        return f"this needs {error.name}, which cannot be imported here ({_short(str(error))}); install it", SYSTEM
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error)
    return f"a fault of this program ({type(error).__name__}: {_short(str(error))})", FAULT


def check_room() -> None:
    """Let a process pass in whose memory the libraries fit: OpenBLAS tries for ever where it gets none.

    Raises:
        MemoryError: the limit of its address space is too low.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < ROOM:
        raise MemoryError(f"its limit, ulimit -v, is {limit // 2**20} MiB, at least {ROOM // 2**20} were expected")


def flushed() -> None:
    """Print what is still waiting to be printed, so that a failure is seen now and not by the end of the process.

    Raises:
        OSError: it cannot be written.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def silence() -> None:
    """Send what can no longer be printed nowhere, so that the end of the process does not complain of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            _to_nowhere(stream)


def _to_nowhere(stream: TextIO | None) -> None:
    try:
        target = stream.fileno() if stream else -1
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return
    os.dup2(nowhere, target)
    os.close(nowhere)


def _is_refusal(error: BaseException) -> bool:
    """Whether it is a `values.Refused`; that module is not loaded here, as this one has to work where it cannot be."""
    values = sys.modules.get("qinn_bench.values")
    return values is not None and isinstance(error, values.Refused)


def _of_system(error: OSError) -> tuple[str, int]:
    name = error.filename if error.filename2 is None else error.filename2
    path = _short(os.fsdecode(name)) if isinstance(name, str | bytes | os.PathLike) else ""
    code = error.errno or 0
    if path and code in NAMED:
        return f"'{path}' {NAMED[code]}", USAGE
    if code in REFUSALS:
        return (f"'{path}': " if path else "") + REFUSALS[code], SYSTEM
    if "temporary directory" in str(error.strerror):
        return "there is no folder for temporary files that can be written; set TMPDIR to one", SYSTEM
    return f"the system refused{f' {path!r}' if path else ''}: {error.strerror or error}", SYSTEM


def _where(error: BaseException, debug: bool) -> str:
    """Keep the traceback in a private file, and say where it is."""
    if debug:
        return "its traceback is above"
    try:
        handle, path = tempfile.mkstemp(prefix="qinn-bench-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf8", errors="backslashreplace") as file:
            file.write(f"qinn-bench {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return "run it again with --debug for the traceback"
    return f"the traceback is in {Path(path)}, please report it"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 200 else f"{plain[:200]}…"


def _say(sentence: str, verb: str, code: int) -> int:
    """Print it, if anybody can still hear it."""
    silence()
    if sys.stderr is not None:
        try:
            print(" ".join(filter(None, ["qinn-bench", verb])) + f": {sentence}", file=sys.stderr, flush=True)
        except (OSError, ValueError):
            silence()
    return code
