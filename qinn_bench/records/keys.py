"""The key of a cell: a hash of the content of all that makes its numbers, so that wording and places change none."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from qinn_bench import registry, sources
from qinn_bench.dataset import Dataset
from qinn_bench.reading import parse
from qinn_bench.values import Budget, Cell, Control, Record, Value

PARTS: dict[str, str] = {
    "cell": "the settings of the cell",
    "data": "the data",
    "transforms": "the map to features",
    "model": "the model",
    "circuits": "the circuit or its layer",
    "contract": "the contract of models (loss and sampling)",
    "training": "the training loop",
    "control": "the control",
    "simulator": "the simulator of shots or noise",
    "size": "the size that was asked for",
}
"""What makes a number, in words."""
NEUTRAL = frozenset(
    {
        *(
            f"qinn_bench.{name}"
            for name in ("values", "dataset", "registry", "reading", "files", "bounds", "repository")
        ),
        *(f"qinn_bench.nouns.{name}" for name in ("base", "study", "record", "tuning")),
        *("qinn_bench.records.store", "qinn_bench.quantum.backends", "qinn_bench.quantum.tally"),
        *(
            f"qinn_bench.quantum.compiler.{name}"
            for name in ("decompose", "lowering", "operations", "plan", "program", "tensor_kind")
        ),
        *(
            f"qinn_bench.quantum.simulators.{name}"
            for name in ("forecast", "jacobian", "kernel_jobs", "native", "readout", "statevector")
        ),
        *("qinn_bench.quantum.pennylane.backends", "qinn_bench.quantum.pennylane.circuits"),
    }
)
"""Modules that leave numbers alone: nouns, files, and the exact simulators, which agree to 1e-10."""
CIRCUITS = "qinn_bench.quantum."
CONTRACT = ("qinn_bench.contracts:Sampler", "qinn_bench.contracts:DensityModel")
TRAINING = (
    *(f"qinn_bench.study.train_cell:{name}" for name in ("build", "train", "evaluate")),
    "qinn_bench.data.resplit:resplit",
)
CONTROL = ("qinn_bench.quantum.controls:apply",)
SHOTS = "qinn_bench.quantum.simulators.shots:Shots"
SIMULATORS = {
    "shots": (SHOTS,),
    "spsa": ("qinn_bench.quantum.simulators.spsa:Perturbed",),
    "noisy": (SHOTS, *(f"qinn_bench.quantum.simulators.noise:{name}" for name in ("Noisy", "Noise"))),
}
FROZEN: dict[type[Value], tuple[str, ...]] = {
    Cell: (*("model", "data", "budget", "backend", "device", "seed", "samples", "mass_draws", "control", "varies"),),
    Budget: (
        *("steps", "batch", "learning_rate", "schedule", "check_every", "check_rows", "patience", "clip", "precision"),
    ),
}
"""Fields that a key always spells out; one that came later is named only where it differs from its default."""
ROUNDED = 6
"""Digits of fitted parameters of the map to features that enter a key: processors round sums in their own ways."""
CHANGES = Path(__file__).with_name("changes.toml")


class Change(Value):
    """An edit of what makes a number: its fingerprint before and after.

    Where `numbers` are the ``same``, keys go on as if nothing had been edited; where they ``moved``, records of before
    are told to be of a mended part, and `why`.
    """

    part: str
    of: str = ""
    was: str
    now: str
    numbers: Literal["same", "moved"]
    why: str


class Changes(Value):
    """The edits since records were first published, oldest first."""

    change: tuple[Change, ...] = ()


@lru_cache
def changes() -> tuple[Change, ...]:
    """All known edits, from the file beside this module."""
    return parse(Changes, tomllib.loads(CHANGES.read_text(encoding="utf8")), str(CHANGES)).change


@cache
def settled(part: str, fingerprint: str) -> str:
    """The fingerprint by which keys know a content: the oldest that is known to give the same numbers."""
    for change in reversed(changes()):
        if (change.part, change.now, change.numbers) == (part, fingerprint, "same"):
            fingerprint = change.was
    return fingerprint


def inputs_of(cell: Cell, data: Dataset, size: int | None = None) -> dict[str, str]:
    """What makes the numbers of a cell, part by part, each as the fingerprint of its content.

    `size` is that of a cell that is skipped because no shape of that size exists.
    """
    inputs = {
        "cell": _hash(spelled(cell)),
        "data": data.content,
        "transforms": transforms_fingerprint(data.transform),
        **code_of(cell.model.name, cell.control),
    }
    family = cell.backend.partition(":")[0]
    if family in SIMULATORS:
        inputs["simulator"] = content(SIMULATORS[family])
    if size is not None:
        inputs["size"] = str(size)
    return {part: settled(part, fingerprint) for part, fingerprint in inputs.items()}


def key_of(inputs: Mapping[str, str]) -> str:
    """The name of a cell's files, from what makes its numbers; no metric is in it."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()[:24]


def belongs(record: Record) -> bool:
    """Whether a record states the cell that its key was made of; one that names no inputs cannot be asked."""
    if not record.inputs:
        return True
    cell = settled("cell", _hash(spelled(record.cell)))
    return record.key == key_of(record.inputs) and record.inputs.get("cell") == cell


def code_of(model: str, control: Control = "") -> dict[str, str]:
    """The code that makes the numbers of a model, part by part: its own, the circuits', the contract's, the loop's."""
    return _code_of(tuple(roots_of(model)), control)


@lru_cache
def _code_of(roots: tuple[str, ...], control: Control) -> dict[str, str]:
    contract, made = sources.reach(CONTRACT, NEUTRAL), sources.reach(roots, NEUTRAL)
    loop = _without(sources.reach(TRAINING, NEUTRAL), contract)
    parts = {
        "model": _without(made, contract),
        "circuits": {definition: text for definition, text in made.items() if definition[0].startswith(CIRCUITS)},
        "contract": contract,
        "training": loop,
    }
    if control:
        parts["control"] = sources.reach(CONTROL, NEUTRAL)
    return {part: sources.fingerprint(texts.values()) for part, texts in parts.items() if texts}


def roots_of(model: str) -> list[str]:
    """Where the code of a model begins."""
    return [f"{registry.module_of('model', model)}:{registry.MAKERS['model']}"]


@lru_cache
def content(roots: tuple[str, ...]) -> str:
    """The fingerprint of all code that these, ``module:name`` each, reach and that can move a number."""
    return sources.fingerprint(sources.reach(roots, NEUTRAL).values())


def _without(
    texts: Mapping[sources.Definition, str], contract: Mapping[sources.Definition, str]
) -> dict[sources.Definition, str]:
    """What is neither of circuits nor of the contract."""
    return {
        definition: text
        for definition, text in texts.items()
        if definition not in contract and not definition[0].startswith(CIRCUITS)
    }


def transforms_fingerprint(transform: object) -> str:
    """The fingerprint of a map to features: the code of its classes, and its parameters to six digits."""
    steps = list(_steps(transform))
    roots = sorted({f"{kind.__module__}:{kind.__qualname__}" for kind, _ in steps})
    return _hash([content(tuple(roots)), [[kind.__qualname__, parameters] for kind, parameters in steps]])


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Which inputs of a cell, or which measures of a record, differ, in words; a known mending with its reason.

    What `then` does not name, it was made without, unless it names nothing at all.
    """
    if not then and now:
        return ["what made the record is not known"]
    parts = dict.fromkeys([*PARTS, *then, *now])
    return [
        f"{PARTS.get(part, f'the measure {part}')} {told}"
        for part in parts
        if (told := difference(part, then.get(part, ""), now.get(part, "")))
    ]


def counted_differences(pairs: Iterable[tuple[Mapping[str, str], Mapping[str, str]]]) -> str:
    """What differs between inputs then and now, with how often, most often first; empty where nothing does.

    Example:
        >>> counted_differences([({"model": "a"}, {"model": "b"}), ({"model": "a"}, {"model": "a"})])
        'the model differs (1)'
    """
    return counted(told for then, now in pairs for told in differences(then, now))


def mixed(records: Sequence[Record]) -> str:
    """What differs between records that are taken for the seeds of one row, in words; empty where nothing does.

    Exact simulators agree, so that the backend may differ.
    """
    free = {"seed": 0, "varies": "all", "backend": ""}
    cells = [record.cell.model_copy(update=free) for record in records]
    for name in Cell.model_fields:
        if any(getattr(cell, name) != getattr(cells[0], name) for cell in cells):
            return f"the {name.replace('_', ' ')} differs"
    skip = {"cell", "size"}
    inputs = [{part: content for part, content in record.inputs.items() if part not in skip} for record in records]
    told = (differences(then, now) for now in inputs[:1] for then in inputs if then != now)
    return "; ".join(dict.fromkeys(one for several in told for one in several))


def counted(reasons: Iterable[str]) -> str:
    """Each reason once, with how often it was given, most often first."""
    return "; ".join(f"{told} ({n})" for told, n in Counter(reasons).most_common())


def difference(part: str, then: str, now: str) -> str:
    """What is known of the way from one content to another: that it was mended and why, or only that it differs.

    Empty where both give the same numbers.
    """
    at, end = settled(part, then), settled(part, now)
    if at == end:
        return ""
    reasons = []
    for change in changes():
        if change.part == part and settled(part, change.was) == at:
            at = settled(part, change.now)
            reasons += [change.why] * (change.numbers == "moved")
    return f"was mended: {'; '.join(reasons)}" if reasons and at == end else "differs"


def _portable(value: Any) -> Any:
    """A parameter of a transform in a form that every machine writes alike."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.{ROUNDED}g}"
    if isinstance(value, np.ndarray):
        return [_portable(item) for item in value.tolist()]
    return repr(value)


def _steps(transform: object) -> Iterator[tuple[type, list[Any]]]:
    """The objects that a map to features is made of, each with its own parameters, outermost first."""
    parameters: list[Any] = []
    inner: list[Any] = []
    for value in vars(transform).values():
        for item in value if isinstance(value, tuple | list) else [value]:
            plain = isinstance(item, bool | int | float | str | np.generic | np.ndarray | type(None))
            (parameters if plain else inner).append(item)
    yield type(transform), [_portable(value) for value in parameters]
    for step in inner:
        yield from _steps(step)


def spelled(cell: Cell) -> dict[str, Any]:
    """A cell with the fields that cells had when keys were frozen, and of later ones what differs from the default."""
    plain = _frozen(cell)
    return plain | {"budget": _frozen(cell.budget)}


def _frozen(value: Value) -> dict[str, Any]:
    kind, plain = type(value), value.model_dump()
    later = {name: field.default for name, field in kind.model_fields.items() if name not in FROZEN[kind]}
    return {name: part for name, part in plain.items() if name not in later or part != later[name]}


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: sources.DIGITS]
