"""What a cell may use: time, memory and threads; and who says in which words that memory is lacking."""

from __future__ import annotations

import math
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qinn_bench.values import Refused

NO_MEMORY = (
    *("not enough memory", "can't allocate memory", "cannot allocate memory", "could not allocate", "out of memory"),
    *("unable to allocate", "memory allocation", "failed to allocate", "bad_alloc", "memoryerror", "out_of_memory"),
    *("defaultcpuallocator", "resource_exhausted", "failed to map segment", "pthread_create failed"),
    *("thread creation failed", "can't start new thread", "oom-kill"),
)
"""How torch, NumPy, OpenBLAS, OpenMP, C++, CUDA, XLA, the loader and Python say it, in lower case."""
LONGEST = 300
"""Characters of a sentence that somebody else wrote."""
LAST_LINES = 5
"""Of what a process printed before it ended: further up such words may be anything."""


@dataclass(frozen=True)
class Limits:
    """What each cell may use: wall seconds and GiB of memory (None: no limit), threads; how many cells run at once.

    Example:
        >>> Limits(workers=2, timeout=3600.0).memory is None
        True
    """

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None
    threads: int = 1


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked(limits: Limits) -> Limits:
    """These limits, if they make sense on this machine.

    Raises:
        Refused: one is not finite, not positive, beyond the cores, or less memory than this process holds already.
    """
    for name, count in (("--jobs", limits.workers), ("--threads", limits.threads)):
        check_count(name, count)
    for name, value in (("--timeout", limits.timeout), ("--memory", limits.memory)):
        if value is not None and not 0 < value < math.inf:
            raise Refused(f"{name} is {value:g}; a finite number above 0 was expected")
    if limits.memory is not None:
        check_memory(limits.memory, held())
    return limits


def check_count(option: str, count: int) -> None:
    """Let a number of processes or threads pass that this machine has cores for.

    Raises:
        Refused: none, or more than there are cores.
    """
    most = os.cpu_count() or 1
    if not 0 < count <= most:
        raise Refused(f"{option} is {count}; a number from 1 to {most}, the cores of this machine, was expected")


def check_memory(memory: float, holds: int) -> None:
    """Refuse a limit of `memory` GiB that is used up, with `holds` bytes, before a cell starts.

    Raises:
        Refused: it is.
    """
    if memory * 2**30 <= holds:
        raise Refused(
            f"--memory is {memory:g}; more than the {holds / 2**30:.2f} GiB that a worker holds before its cell starts "
            "was expected"
        )


def held() -> int:
    """The bytes of this process that count against a limit of memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)


def limit_memory(memory: float) -> None:
    """Let this process allocate `memory` GiB at most, from now to its end."""
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory * 2**30),) * 2)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory is lacking, whoever raised it."""
    if isinstance(error, MemoryError) or (error.__cause__ is not None and lacks_memory(error.__cause__)):
        return True
    return isinstance(error, RuntimeError | OSError | ImportError) and says_memory(str(error))


def says_memory(text: str) -> bool:
    """Whether the last lines of a text say that memory is lacking."""
    last = " ".join(text.strip().splitlines()[-LAST_LINES:]).lower()
    return any(words in last for words in NO_MEMORY)


def sentence(error: BaseException) -> str:
    """An error in one line: its type and the beginning of what it says."""
    try:
        said = printable(str(error)[:LONGEST])
    except Exception:  # An exception of somebody else, which may not even print.
        said = ""
    return f"{type(error).__name__}: {said}".rstrip(": ")


def printable(text: str) -> str:
    """A text in one line, without characters that a terminal or a file may take amiss."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextmanager
def kept_to(what: str, limits: Limits | None) -> Iterator[None]:
    """Do something in this process, which somebody else has written, under the limits of a cell.

    Raises:
        Refused: it took more, or failed.
    """
    timeout, memory = (limits.timeout, limits.memory) if limits else (None, None)
    try:
        with _less_memory(memory), time_limit(timeout):
            yield
    except TimeLimit:
        raise Refused(f"{what} takes longer than --timeout {timeout:g} s allows") from None
    except Refused:
        raise
    except (Exception, SystemExit) as error:
        if memory is not None and lacks_memory(error):
            raise Refused(f"{what} takes more memory than --memory {memory:g} GiB allows") from None
        raise Refused(f"{what} ends in {sentence(error)}") from error


@contextmanager
def _less_memory(memory: float | None) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory * 2**30), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


class TimeLimit(BaseException):
    """The time is over; not an `Exception`, so that what is interrupted does not take it for one of its own.

    Example:
        >>> issubclass(TimeLimit, Exception)
        False
    """


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Interrupt what runs after some seconds of wall time; only in the main thread, and not inside another limit.

    Raises:
        TimeLimit: the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def over(*_: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
