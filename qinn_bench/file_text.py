"""What a file of a model, a data set or a metric says of itself, read from its text; nothing of it is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from qinn_bench.about import About
from qinn_bench.dataset import MetricColumn, columns_stated
from qinn_bench.files import read_bytes, short
from qinn_bench.outside import KINDS, Kind
from qinn_bench.registry import GIVEN, MAKERS, MOVED
from qinn_bench.values import Direction, Knobs, Role, RowKind

UNREAD = frozenset({"citation", "published", "knobs", "depth", "tiny", "tune"})
"""Fields of `About` that only the matcher and the laws ask for, which import the file: their values may be computed."""


class Made(NamedTuple):
    """What the file of a model or a data set says of itself.

    Example:
        >>> Made.of("A flow of couplings.", {"blocks": 4}, frozenset({"blocks"}), About()).role
        'model'
    """

    about: str
    """The first line of its docstring."""
    knobs: Knobs
    """The keyword-only arguments of its maker, with their defaults."""
    takes: frozenset[str]
    """The names of all arguments of its maker."""
    role: Role
    later: Knobs
    needs_density: bool
    rows: tuple[RowKind, ...]
    supervised: bool
    deviations: tuple[str, ...] = ()
    needs_labels: bool = False

    @classmethod
    def of(cls, docstring: str | None, knobs: Knobs, takes: frozenset[str], stated: About) -> Made:
        """The same from the parts of a file."""
        read = {field: getattr(stated, field) for field in cls._fields if field in About.model_fields.keys() - UNREAD}
        return cls(about=_first_line(docstring), takes=takes, **read | {"knobs": knobs})


class Measure(NamedTuple):
    """What the file of a metric says of it.

    Example:
        >>> Measure("swd", "sliced Wasserstein-1 distance", "samples", (), "qinn_bench.metrics.wasserstein:swd").better
        'none'
    """

    name: str
    title: str
    needs: str
    columns: tuple[MetricColumn, ...]
    source: str
    """The function that computes it, as ``module:name``."""
    better: Direction = "none"
    unbiased_square: bool = False
    row_loss: str = ""


FACTS = ("better", "unbiased_square", "row_loss")
"""The fields of `Metric` that stand in `Measure` as they are."""


def kinds_of(file: Path) -> list[Kind]:
    """What a file may be, by the names that it defines or imports: a model, a data set, a family of metrics."""
    tree = _tree(file, _time_of(file))
    named = {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    named |= {name for name, _ in _assigned(tree)}
    named |= {alias.asname or alias.name for one in tree.body if isinstance(one, ast.ImportFrom) for alias in one.names}
    return [kind for kind in KINDS if MAKERS.get(kind, "METRICS") in named]


def why_unreadable(file: Path) -> str:
    """Why the text of a file is no Python, with the line; empty where it is."""
    try:
        ast.parse(read_bytes(file), file.name)
    except (SyntaxError, ValueError) as error:
        return short(error)
    return ""


class Unreadable(Exception):
    """The text of a file does not say what was looked for.

    Example:
        >>> issubclass(Unreadable, Exception)
        True
    """


def made(kind: Kind, file: Path) -> Made | None:
    """What a model or a data set is; None where the text of its file does not say it."""
    return _made(kind, file, _time_of(file))


@lru_cache
def _made(kind: Kind, file: Path, time: int) -> Made | None:
    tree = _tree(file, time)
    makers = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == MAKERS[kind]]
    if len(makers) != 1 or makers[0].args.kwarg:
        return None
    given = makers[0].args
    try:
        stated = _stated(tree)
        pairs = [(argument.arg, default) for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        knobs = {knob: _literal(default, tree) for knob, default in pairs if knob not in GIVEN}
    except Unreadable:
        return None
    every = frozenset(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))
    return Made.of(ast.get_docstring(tree), knobs, every, stated)


def _stated(tree: ast.Module) -> About:
    """The call ``ABOUT = About(...)`` of a file, without the fields that are `UNREAD`.

    Raises:
        Unreadable: a field that does not exist, has the wrong type or is computed; or another kind of `ABOUT`.
    """
    bound = [node for name, node in _assigned(tree) if name == "ABOUT"]
    if len(bound) != sum(1 for node in ast.walk(tree) if _binds(node, "ABOUT")):
        raise Unreadable
    if not bound:
        if any(name in MOVED for name, _ in _assigned(tree)):
            raise Unreadable
        return About()
    call = bound[-1]
    if not isinstance(call, ast.Call) or call.args or ast.unparse(call.func).rpartition(".")[2] != "About":
        raise Unreadable
    words = {word.arg: word.value for word in call.keywords}
    if not words.keys() <= About.model_fields.keys():
        raise Unreadable
    try:
        return About(**{str(name): _literal(node, tree) for name, node in words.items() if name not in UNREAD})
    except ValidationError:
        raise Unreadable from None


def _binds(node: ast.AST, name: str) -> bool:
    """Whether a node gives a name a value: an assignment wherever it stands, or an import."""
    stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
    return stored or (isinstance(node, ast.alias) and (node.asname or node.name) in (name, "*"))


def measures(file: Path, module: str) -> tuple[Measure, ...]:
    """The metrics of a file, from the calls of `Metric` in its METRICS.

    Raises:
        Unreadable: the text does not say them.
    """
    return _measures(file, module, _time_of(file))


@lru_cache
def _measures(file: Path, module: str, time: int) -> tuple[Measure, ...]:
    tree = _tree(file, time)
    listed = next((value for name, value in _assigned(tree) if name == "METRICS"), None)
    if not isinstance(listed, ast.Tuple | ast.List):
        raise Unreadable
    try:
        return tuple(_measure(one, tree, module) for one in listed.elts)
    except (TypeError, KeyError):  # A word that there is not, or one too few: its import says which.
        raise Unreadable from None


def _measure(node: ast.expr, tree: ast.Module, module: str) -> Measure:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Metric"):
        raise Unreadable
    given = dict(zip(("name", "title", "needs", "compute"), node.args, strict=False))
    given |= {word.arg: word.value for word in node.keywords if word.arg}
    texts = {
        word: _literal(given[word], tree) for word in ("name", "title", "needs", "short", "meaning") if word in given
    }
    listed = given.get("columns")
    own = tuple(_column(one, tree) for one in getattr(listed, "elts", ()))
    columns = columns_stated(texts["name"], texts.get("short", ""), texts.get("meaning", ""), own)
    compute = given.get("compute")
    if not isinstance(compute, ast.Name):
        raise Unreadable
    facts = {fact: _literal(given[fact], tree) for fact in FACTS if fact in given}
    return Measure(texts["name"], texts["title"], texts["needs"], columns, f"{module}:{compute.id}", **facts)


def _column(node: ast.expr, tree: ast.Module) -> MetricColumn:
    if not isinstance(node, ast.Call):
        raise Unreadable
    words = {word.arg: _literal(word.value, tree) for word in node.keywords if word.arg}
    return MetricColumn(*(_literal(value, tree) for value in node.args), **words)


def _time_of(file: Path) -> int:
    """When a file was last written, as what is known of it is known of that content; 0 where it is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache
def _tree(file: Path, _time: int) -> ast.Module:
    try:
        return ast.parse(read_bytes(file))
    except (SyntaxError, ValueError, OSError):
        return ast.parse("")


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that a file binds at its top, with what they are bound to."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _values(tree: ast.Module) -> dict[str, Any]:
    """The names that a file binds to plain values."""
    plain = {}
    for name, node in _assigned(tree):
        try:
            plain[name] = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return plain


def _literal(node: ast.expr | None, tree: ast.Module) -> Any:
    """A plain value, or that of a name which the file binds to one.

    Raises:
        Unreadable: neither of them.
    """
    if node is None:
        raise Unreadable
    if isinstance(node, ast.Name):
        values = _values(tree)
        if node.id not in values:
            raise Unreadable
        return values[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        raise Unreadable from None


def _first_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", ((text or "").strip().splitlines() or [""])[0])
