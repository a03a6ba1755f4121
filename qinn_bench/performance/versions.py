"""The version of a workload: a hash of the source that makes it, not of the code that it measures."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = "qinn_bench.performance"
DIGITS = 12


def version_of(make: Callable[..., Any]) -> str:
    """Twelve digits of the SHA-256 of a factory's source and of all that it uses within this folder.

    Followed are the functions, classes and constants that the code names, and modules of this folder as a whole. What
    lies elsewhere is what is measured: a change of it changes no version.
    """
    sources_of: dict[str, str] = {}
    todo: list[Any] = [inspect.unwrap(make)]
    while todo:
        one = todo.pop()
        if (name := _name(one)) in sources_of:
            continue
        sources_of[name] = inspect.getsource(one)
        for word, value in _used(one):
            if _ours(value):
                todo.append(inspect.unwrap(value) if callable(value) else value)
            elif _constant(value):
                sources_of[f"{getattr(one, '__module__', '')}.{word}"] = repr(value)
    text = "".join(f"{name}\n{sources_of[name]}\n" for name in sorted(sources_of))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _name(one: Any) -> str:
    return one.__name__ if isinstance(one, ModuleType) else f"{one.__module__}.{one.__qualname__}"


def _ours(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return value.__name__.startswith(f"{PACKAGE}.")
    wrapped = inspect.unwrap(value) if callable(value) else value
    known = isinstance(wrapped, FunctionType | type)
    return known and wrapped.__module__.startswith((f"{PACKAGE}.", "__main__"))


def _constant(value: Any) -> bool:
    """Whether a value is plain data, or a value of the suite made of it, whose text is the same in every process."""
    if isinstance(value, tuple):
        return all(map(_constant, value))
    if isinstance(value, dict):
        return all(map(_constant, [*value, *value.values()]))
    return isinstance(value, bool | int | float | str) or type(value).__module__.startswith("qinn_bench.nouns.")


def _used(one: Any) -> Iterator[tuple[str, Any]]:
    """The module-level names that a function, or a method of a class, mentions, with what they stand for.

    Python's own, such as the path in ``__file__``, are left out.
    """
    if isinstance(one, type):
        for part in vars(one).values():
            inner = part.fget if isinstance(part, property) else part
            if isinstance(inner, FunctionType):
                yield from _used(inner)
    elif isinstance(one, FunctionType):
        known = one.__globals__
        yield from ((word, known[word]) for word in _words(one.__code__) if word in known and word[:2] != "__")


def _words(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _words(inner)
