"""The content of code: all that a definition is made of, hashed without what leaves its meaning alone.

Docstrings, comments, annotations of functions, the order of definitions and the places of files can change without
changing a fingerprint; a statement, a constant or a default cannot. Nothing is imported: files are found and parsed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qinn_bench.values import Refused

DIGITS = 16
Definition = tuple[str, str]
"""A dotted module and the name of something defined at its top level."""
NameChain = tuple[str, ...]
"""Names joined by dots in a text: ``("np", "random", "default_rng")``."""


@dataclass(frozen=True)
class Module:
    """A parsed file: the statements that define each of its top-level names, and where imported names come from.

    `imports` maps a local name to the dotted module and the name in it ("" for the module itself).
    """

    name: str
    names: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Definition] = field(default_factory=dict)
    _spelled: dict[str, tuple[str, tuple[NameChain, ...]]] = field(default_factory=dict)

    def spelled(self, name: str) -> tuple[str, tuple[NameChain, ...]]:
        """The text of a definition, and the chains of names that it uses; worked out once."""
        if name not in self._spelled:
            statements = self.names[name]
            used = {chain for statement in statements for chain in _used(statement)}
            self._spelled[name] = "\n".join(map(spelled, statements)), tuple(sorted(used))
        return self._spelled[name]


def fingerprint(texts: Iterable[str]) -> str:
    """Sixteen digits of the SHA-256 of texts, each counted once, in no order."""
    return hashlib.sha256("\n".join(sorted(set(texts))).encode()).hexdigest()[:DIGITS]


def reach(roots: Iterable[str], neutral: Collection[str]) -> dict[Definition, str]:
    """The text of every definition of ours that these use, directly or not.

    Args:
        roots: ``module:name`` each.
        neutral: dotted modules, or ``module:name``, where the way ends: what lies there changes no number.

    Raises:
        Refused: a root does not exist.
    """
    texts: dict[Definition, str] = {}
    todo: list[Definition] = []
    for root in roots:
        module, _, name = root.partition(":")
        if (definition := _resolved((module, name))) is None:
            raise Refused(f"the source of '{root}' cannot be read")
        todo.append(definition)
    homes = {module.partition(".")[0] for module, _ in todo} | {"qinn_bench", "reference_models"}
    while todo:
        definition = todo.pop()
        module, name = definition
        if definition in texts or module in neutral or f"{module}:{name}" in neutral:
            continue
        parsed = _parsed(module)
        text, used = parsed.spelled(name)
        foreign = set()
        for chain in used:
            target, ours = _target(parsed, chain, homes)
            if ours:
                todo.append(target)
            elif target[0]:
                foreign.add(f"{chain[0]}={'.'.join(target)}")
        texts[definition] = "\n".join([text, *sorted(foreign)])
    return texts


def spelled(node: ast.AST) -> str:
    """A syntax tree as text, the same in every version of Python, without docstrings and annotations of functions."""
    if isinstance(node, ast.AnnAssign) and node.value and not _is_field(node):
        node = ast.Assign(targets=[node.target], value=node.value)
    parts = []
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "type_comment", "kind", "type_params", "returns"):
            continue
        if name == "annotation" and not _is_field(node):
            continue
        text = _spelled_value(value)
        if text or (name == "value" and isinstance(node, ast.Constant)):
            parts.append(f"{name}={text or repr(value)}")
    return f"{type(node).__name__}({', '.join(parts)})"


def _is_field(node: ast.AST) -> bool:
    """Whether an annotation belongs to a field of a class, where it may decide what is accepted."""
    return isinstance(node, ast.AnnAssign) and bool(getattr(node, "in_class", False))


def _spelled_value(value: Any) -> str:
    if isinstance(value, ast.AST):
        return spelled(value)
    if isinstance(value, list):
        items = [_spelled_value(item) for item in value if not _is_text(item)]
        return f"[{', '.join(items)}]" if items else ""
    return "" if value is None else repr(value)


def _is_text(node: Any) -> bool:
    """Whether a statement is a bare string: a docstring of something."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@lru_cache
def _parsed(module: str) -> Module:
    """A module by its dotted name.

    Raises:
        Refused: there is no such module, or it has no readable source.
    """
    path = _path(module)
    if path is None:
        raise Refused(f"there is no source of the module '{module}'")
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                statement.in_class = True  # type: ignore[attr-defined]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    parsed = Module(module)
    for statement in tree.body:
        for name in _bound(statement):
            parsed.names.setdefault(name, []).append(statement)
    for node in ast.walk(tree):
        parsed.imports.update(_imported(node, package))
    return parsed


@lru_cache
def _path(module: str) -> Path | None:
    """The file of a module; of ours without importing anything, of others as the import system finds them."""
    top, *rest = module.split(".")
    base = Path(__file__).parents[1] / top if top in ("qinn_bench", "reference_models") else None
    if base is None:
        try:
            spec = find_spec(module)
        except (ImportError, ValueError):  # It is asked whether a name in a module is a module.
            return None
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    place = base.joinpath(*rest)
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement defines; those inside an if or a try count."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
    elif not isinstance(statement, ast.Import | ast.ImportFrom):
        for inner in (node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt)):
            yield from _bound(inner)


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, Definition]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0], (alias.name if alias.asname else "", "")
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        module = ".".join([*parents, *filter(None, [node.module])])
        for alias in node.names:
            yield alias.asname or alias.name, (module, alias.name)


def _used(statement: ast.AST) -> Iterator[NameChain]:
    """The names and dotted chains of names that a statement mentions, but for annotations."""
    for name, value in ast.iter_fields(statement):
        if name == "returns" or (name == "annotation" and not _is_field(statement)):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield from _chains(node)


def _chains(node: ast.AST) -> Iterator[NameChain]:
    chain, inner = [], node
    while isinstance(inner, ast.Attribute):
        chain.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield (inner.id, *reversed(chain))
    else:
        yield from _used(inner)


def _target(module: Module, chain: NameChain, homes: Collection[str]) -> tuple[Definition, bool]:
    """What a chain of names stands for, and whether it is one of ours; ("", "") for a local or built-in name."""
    first, *rest = chain
    if first in module.names:
        return (module.name, first), True
    if first not in module.imports:
        return ("", ""), False
    source, name = module.imports[first]
    if not source:
        source, name, rest = first, "", list(rest)
    if source.partition(".")[0] not in homes:
        return (source, *filter(None, [name])), False  # type: ignore[return-value]
    return _within(source, [*filter(None, [name]), *rest])


def _within(module: str, names: list[str]) -> tuple[Definition, bool]:
    """The definition that dotted `names` below a module of ours lead to."""
    while names and _path(f"{module}.{names[0]}"):
        module, names = f"{module}.{names[0]}", names[1:]
    if not names:
        return ("", ""), False
    definition = _resolved((module, names[0]))
    return (definition, True) if definition else (("", ""), False)


def _resolved(definition: Definition) -> Definition | None:
    """Where a name of a module is really defined, followed through re-exports; None where it is not one of a file."""
    module, name = definition
    if _path(module) is None:
        return None
    parsed = _parsed(module)
    if name in parsed.names:
        return definition
    source, inner = parsed.imports.get(name, ("", ""))
    return _resolved((source, inner)) if source and inner else None
