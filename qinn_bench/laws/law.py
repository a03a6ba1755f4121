"""A law: a statement that a thing keeps or breaks, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from qinn_bench.limits import TimeLimit, lacks_memory, sentence, time_limit

T = TypeVar("T")
SECONDS = 120.0
"""Wall seconds that one law may take with one thing."""


class Broken(Exception):
    """A law is broken; the message says what was measured, and what was expected.

    Example:
        >>> expect(False, "off by 0.3, 1e-8 was expected")
        Traceback (most recent call last):
        ...
        qinn_bench.laws.law.Broken: off by 0.3, 1e-8 was expected
    """


class Spared(Exception):
    """A law asks nothing of a thing; the message says why.

    Example:
        >>> def inverts(thing: object) -> str:
        ...     raise Spared("it has no inverse")
        >>> judge(Law("inverts", "It inverts itself", inverts), object(), "it").verdict
        'spared'
    """


@dataclass(frozen=True)
class Law(Generic[T]):
    """What has to be true of every thing of a kind; `check` says what it measured, or raises `Broken` or `Spared`.

    Example:
        >>> positive = Law("is-positive", "It is above zero", lambda number: expect(number > 0, f"it is {number}"))
        >>> judge(positive, -1, "minus one").said
        'it is -1'
    """

    name: str
    statement: str
    check: Callable[[T], str]


@dataclass(frozen=True)
class LawOutcome:
    """Whether a thing keeps a law, and what was measured.

    Example:
        >>> even = Law("even", "It is even", lambda number: expect(number % 2 == 0, f"it is {number}"))
        >>> outcome = judge(even, 4, "four")
        >>> outcome.verdict, any_broken([outcome])
        ('ok', False)
    """

    law: str
    statement: str
    of: str
    verdict: Literal["ok", "broken", "spared"]
    said: str


def judge(law: Law[T], thing: T, of: str) -> LawOutcome:
    """Whether a thing, which is called `of`, keeps a law; one that ends in an error or takes too long breaks it.

    Raises:
        Exception: the error that says that memory is lacking, which is nobody's verdict.
    """
    try:
        with time_limit(SECONDS):
            verdict, said = "ok", law.check(thing)
    except Spared as spared:
        verdict, said = "spared", str(spared)
    except Broken as broken:
        verdict, said = "broken", str(broken)
    except TimeLimit:
        verdict, said = "broken", f"it takes longer than {SECONDS:g} s"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # Whatever the code of somebody else does; some raise what is no Exception.
        if lacks_memory(error):
            raise
        verdict, said = "broken", f"it ends in {sentence(error)}"
    return LawOutcome(law.name, law.statement, of, verdict, said)  # type: ignore[arg-type]


def expect(holds: bool, said: str) -> str:
    """What was measured, where it is as expected.

    Raises:
        Broken: it is not.
    """
    if not holds:
        raise Broken(said)
    return said


def collected(*checks: Callable[[T], str]) -> tuple[Law[T], ...]:
    """The laws that functions state: the name of each is that of the law, and its first line the statement."""
    return tuple(_law(check) for check in checks)


def _law(check: Callable[[T], str]) -> Law[T]:
    statement = (check.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return Law(check.__name__.strip("_").replace("_", "-"), statement, check)


def any_broken(outcomes: Iterable[LawOutcome]) -> bool:
    """Whether any law is broken."""
    return any(outcome.verdict == "broken" for outcome in outcomes)
