"""What exists, read from the text of its files: names, knobs, roles, metrics, backends; nothing of it is imported.

A file whose text does not say it (a knob whose default is computed, a package of a third party) is imported after all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from qinn_bench import registry
from qinn_bench.dataset import Metric, MetricColumn
from qinn_bench.metrics._collect import all_metrics, broken_families
from qinn_bench.registry import GIVEN, MAKERS, PACKAGES, Kind
from qinn_bench.values import Knobs, Refused, Role, Use

COMPUTED = {
    column.name: column
    for column in (
        MetricColumn("parameters", "param.", "trained parameters"),
        MetricColumn("quantum", "quant.", "those of them in quantum circuits"),
        MetricColumn("blind", "blind", "those in circuits that no readout sees, whatever their values", shown=False),
        MetricColumn("frozen", "frozen", "parameters that are held fixed", shown=False),
        MetricColumn(
            "buffers", "buffers", "fitted numbers that the model keeps outside of its parameters", shown=False
        ),
        MetricColumn("mass", "mass", "integral of the density that the model states"),
        MetricColumn(
            "circuits",
            "circuits/step",
            "circuit evaluations of a training step, a circuit and each of its tangents on one row being one",
            shown=False,
        ),
        MetricColumn("flops", "flop/step", "floating-point operations of a training step", shown=False),
        MetricColumn("cpu_best_s", "CPU to best", "CPU time of training until the kept weights", shown=False),
        MetricColumn("memory_mb", "memory", "most memory that the process held until training ended", shown=False),
        MetricColumn(
            "rank",
            "rank",
            "numerical rank of the derivative of latents and log-det by the parameters at some test rows",
            shown=False,
        ),
        MetricColumn("train_s", "train CPU", "CPU time of training, on all its threads"),
        MetricColumn(
            "train_wall_s",
            "train wall",
            "wall time of training, which other work on the machine and waiting for a GPU lengthen",
            shown=False,
        ),
        MetricColumn("seeds", "seeds", "finished cells of those planned"),
    )
}
"""The columns of a table that are no metric's, in the order that a table has them."""


class Made(NamedTuple):
    """What the file of a model or a data set says of itself."""

    about: str
    knobs: Knobs
    takes: frozenset[str]
    role: Role
    later: Knobs
    needs_density: bool


class Measure(NamedTuple):
    """What the file of a metric says of it."""

    name: str
    title: str
    needs: str
    columns: tuple[MetricColumn, ...]
    source: str
    """The function that computes it, as ``module:name``."""


class Unreadable(Exception):
    """The text of a file does not say what was looked for."""


def made(kind: Literal["model", "data"], name: str) -> Made:
    """What a model or a data set is.

    Raises:
        Refused: no such name, or a role that does not exist.
    """
    found = _read(kind, name) if _file(kind, name) else None
    found = found or _imported(kind, name)
    registry.checked_role(name, found.role)
    return found


@lru_cache
def _read(kind: Kind, name: str) -> Made | None:
    """The same from the text of its file; None where the text does not say it."""
    tree = _tree(_file(kind, name))
    makers = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == MAKERS[kind]]
    if len(makers) != 1 or makers[0].args.kwarg:
        return None
    given = makers[0].args
    try:
        values = _values(tree)
        pairs = [(argument.arg, default) for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        knobs = {knob: _literal(default, tree) for knob, default in pairs if knob not in GIVEN}
    except Unreadable:
        return None
    every = frozenset(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))
    return _made(_first_line(ast.get_docstring(tree)), knobs, every, values)


def _imported(kind: Literal["model", "data"], name: str) -> Made:
    module = registry.find(kind, name)
    taken = frozenset(registry.arguments(kind, name))
    about = _first_line(module.__doc__)
    return _made(about, registry.knob_defaults(kind, name), taken, vars(module))


def _made(about: str, knobs: Knobs, taken: frozenset[str], values: Mapping[str, Any]) -> Made:
    """What a file says of itself, its constants included."""
    return Made(
        about, knobs, taken, values.get("ROLE", "model"), values.get("LATER", {}), values.get("NEEDS_DENSITY", False)
    )


def check(kind: Literal["model", "data"], use: Use) -> None:
    """That a model or a data set exists and has these knobs, without importing it.

    Raises:
        Refused: an unknown name, an unknown knob, or a knob of the wrong type.
    """
    registry.check_knobs(kind, use, made(kind, use.name).knobs)


def spell_out(kind: Literal["model", "data"], use: Use) -> Use:
    """Fill in every default, as `registry.spell_out` does, without importing a file of this project.

    Raises:
        Refused: an unknown name, an unknown knob, or a knob of the wrong type.
    """
    known = made(kind, use.name)
    return registry.spelled_with(kind, use, known.knobs, known.later)


def roles() -> dict[str, Role]:
    """Every model that works, with what it is in a table."""
    listed, broken = registry.names("model"), broken_ones("model")
    return {name: made("model", name).role for name in listed if name not in broken}


def listed(kind: Literal["model", "data"]) -> dict[str, str]:
    """Name -> first line of the docstring of everything of a kind; of what is broken the reason."""
    broken = broken_ones(kind)
    return {name: broken.get(name) or made(kind, name).about for name in registry.names(kind)}


def broken_ones(kind: Kind) -> dict[str, str]:
    """Name -> why it cannot be used; a file of this project is imported only where its text does not tell."""
    return registry.broken(kind, [name for name in registry.names(kind) if not _tells(kind, name)])


def _others_measure() -> bool:
    return any(registry.is_foreign("metric", family) for family in registry.names("metric"))


def _tells(kind: Kind, name: str) -> bool:
    """Whether the text of a file says what it is."""
    file = None if registry.is_foreign(kind, name) else _file(kind, name)
    if file is None:
        return False
    try:
        return bool(_declared(file)) if kind == "metric" else _read(kind, name) is not None
    except Unreadable:
        return False


def metrics() -> dict[str, Measure]:
    """Every metric that works, by name, with the columns that it declares; those of third parties are imported."""
    own = own_metrics()
    if not _others_measure():
        return own
    return {name: own.get(name) or _measured(one) for name, one in all_metrics().items()}


def broken_metrics() -> dict[str, str]:
    """Family -> why its metrics cannot be used; without third parties nothing is imported whose text tells."""
    return broken_families() if _others_measure() else broken_ones("metric")


def own_metrics() -> dict[str, Measure]:
    """The metrics of this package that work, nothing imported.

    Raises:
        Refused: two files define metrics of one name.
    """
    found: dict[str, Measure] = {}
    own = [family for family in registry.names("metric") if not registry.is_foreign("metric", family)]
    for family in own:
        for one in _own_measures(family):
            if one.name in found:
                raise Refused(f"metric family '{family}' defines '{one.name}', which another family defines already")
            found[one.name] = one
    return found


def _own_measures(family: str) -> tuple[Measure, ...]:
    """The metrics of a file of ours, which is imported only where its text does not tell; none if it is broken."""
    file = _file("metric", family)
    try:
        if file:
            return _declared(file)
    except Unreadable:
        pass
    try:
        return tuple(map(_measured, registry.find("metric", family).METRICS))
    except Refused:
        return ()


def _measured(metric: Metric) -> Measure:
    columns = _columns(metric.name, metric.short, metric.meaning, metric.columns)
    compute = metric.compute
    return Measure(metric.name, metric.title, metric.needs, columns, f"{compute.__module__}:{compute.__qualname__}")


@lru_cache
def _declared(file: Path) -> tuple[Measure, ...]:
    """The metrics of a file, from the calls of `Metric` in its METRICS."""
    tree = _tree(file)
    listed = next((value for name, value in _assigned(tree) if name == "METRICS"), None)
    if not isinstance(listed, ast.Tuple | ast.List):
        raise Unreadable
    return tuple(_measure(one, tree, f"{PACKAGES['metric']}.{file.stem}") for one in listed.elts)


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
    columns = _columns(texts["name"], texts.get("short", ""), texts.get("meaning", ""), own)
    compute = given.get("compute")
    if not isinstance(compute, ast.Name):
        raise Unreadable
    return Measure(texts["name"], texts["title"], texts["needs"], columns, f"{module}:{compute.id}")


def _column(node: ast.expr, tree: ast.Module) -> MetricColumn:
    if not isinstance(node, ast.Call):
        raise Unreadable
    words = {word.arg: _literal(word.value, tree) for word in node.keywords if word.arg}
    return MetricColumn(*(_literal(value, tree) for value in node.args), **words)


def _columns(name: str, short: str, meaning: str, own: tuple[MetricColumn, ...]) -> tuple[MetricColumn, ...]:
    return own or ((MetricColumn(name, short or name, meaning),) if short or meaning else ())


def column_of(name: str) -> MetricColumn | None:
    """What is declared of a column, an observable put in the place of the ``*``; None where no metric declares it."""
    found = COMPUTED.get(name) or _declared_as(name, own_metrics()) or _declared_as(name, metrics())
    if found is None or found.name == name:
        return found
    return replace(found, name=name, short=found.short.replace("*", name.removeprefix(found.name[:-1])))


def stem_of(name: str) -> str:
    """What the columns of the observables begin with, of which this is one; empty where it is none."""
    found = _declared_as(name, own_metrics()) or _declared_as(name, metrics())
    return "" if found is None or found.name == name else found.name[:-1]


def _declared_as(name: str, measures: Mapping[str, Measure]) -> MetricColumn | None:
    """The column of this name, or the one with a ``*`` that stands for it."""
    declared = [column for measure in measures.values() for column in measure.columns]
    fitting = [one for one in declared if one.name[-1] == "*" and name.startswith(one.name[:-1])]
    exact = next((column for column in declared if column.name == name), None)
    return exact or max(fitting, key=lambda column: len(column.name), default=None)


def _file(kind: Kind, name: str) -> Path | None:
    """The file of something of ours; None for what a third party joins with, which is imported to be known.

    Raises:
        Refused: no such name.
    """
    package, module = PACKAGES[kind], registry.module_of(kind, name)
    if not module.startswith(f"{package}."):
        return None
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    place = Path(*module.removeprefix(f"{package}.").split(".")).with_suffix(".py")
    return next((file for folder in folders if (file := Path(folder) / place).is_file()), None)


@lru_cache
def _tree(file: Path | None) -> ast.Module:
    if file is None:
        raise Unreadable
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
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
    found = {}
    for name, node in _assigned(tree):
        try:
            found[name] = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return found


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
