"""Which cells of a study have records, whatever code made them, and which are still to be run; without torch.

A record belongs to a cell if it states the settings of the cell, under whatever name, or else if it was made for the
same row, data set and seed; of several the newest. Shapes are not matched again: where the answer of the matcher is not
known, a record counts that was made for the shape and the size of its row and has as many parameters as are asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from qinn_bench import catalogue
from qinn_bench.records import keys, measures, store
from qinn_bench.study.grid import Drawn, Slot
from qinn_bench.study.order import Order
from qinn_bench.values import Match, Record, Refused, Status, Study

SETTINGS = "cell"
"""The input that names what the study file says of a cell, which is compared part by part."""
ROUNDED = 5e-4
"""How far a tolerance that was read from the text of an earlier version may be from what it was."""
OTHER_SETTINGS = f"{keys.PARTS[SETTINGS]} differ"
FAILURES: tuple[Status, ...] = tuple(one for one in get_args(Status) if one not in ("ok", "skipped"))
"""How a cell ended that was to be run and gave no result."""


@dataclass(frozen=True)
class CellStanding:
    """A cell of a study with its record, under the names of the study; `differs` says what made it otherwise."""

    slot: Slot
    record: Record | None
    differs: tuple[str, ...] = ()

    @property
    def stated(self) -> Record | None:
        """The record, if it has the settings that the study file states, whatever code made it."""
        return None if OTHER_SETTINGS in self.differs else self.record

    @property
    def current(self) -> Record | None:
        """The record, if this version would make the same one."""
        return None if self.differs else self.record


def standings(slots: Iterable[Slot], drawn: Sequence[Drawn], records: Sequence[Record]) -> list[CellStanding]:
    """The record of each cell, in the order of the tables; cells of a size that no shape meets share the one that says
    so."""
    made = _made(slots, drawn)
    of_places: dict[object, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda one: str(one.provenance.get("finished_utc", "")), reverse=True):
        for place in _places(record):
            of_places[place].append(record)
    taken: set[int] = set()
    found: dict[int, tuple[Record, tuple[str, ...]]] = {}
    for rank, of_row in RANKS:
        for at, (slot, now, settings, place) in enumerate(made):
            if at in found:
                continue
            known = of_places[place] if of_row else [*of_places[settings], *of_places[place]]
            fitting = next((one for one in known if id(one) not in taken and rank(slot, now, one)), None)
            if fitting is not None:
                taken.add(id(fitting))
                found[at] = fitting, () if rank in CURRENT else tuple(_differences(slot, now, fitting))
    skipped = {
        made[at].slot.group
        for at, (record, _) in found.items()
        if record.status == "skipped" and _fits(made[at].slot, record)
    }
    return [
        CellStanding(one.slot, named(one.slot, found[at][0]), found[at][1])
        if at in found
        else CellStanding(one.slot, None)
        for at, one in enumerate(made)
        if at in found or one.slot.group not in skipped
    ]


def to_run(
    study: Study, drawn: Sequence[Drawn], cells: Sequence[CellStanding], odd: Sequence[store.UnreadableRecord]
) -> int:
    """How many cells are still to be run: without a current record, or measured by other code than today's.

    A cell whose file is an `odd` one, which this version cannot read, is left alone.
    """
    wanted = measures.fingerprints(study.metrics or tuple(sorted(catalogue.metrics())))
    todo = [one for one in cells if one.current is None or is_stale(one.current, wanted)]
    names = {one.path.stem for one in odd}
    return len(todo) - sum(bool(names & _keys(one.slot, drawn)) for one in todo) if names else len(todo)


def _keys(slot: Slot, drawn: Sequence[Drawn]) -> set[str]:
    """The keys that the cell may have, where no matcher chooses its knobs."""
    data = next(one.data for one in drawn if one.use == slot.cell.data)
    return {keys.key_of(keys.inputs_of(slot.with_model(model), data)) for model in slot.models}


def failed(record: Record) -> bool:
    """Whether a cell was to be run and gave no result."""
    return record.status in FAILURES


def statuses(text: str) -> tuple[Status, ...]:
    """The statuses of failed cells that a text names, separated by commas; none where it is empty.

    Raises:
        Refused: one of them is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FAILURES]:
        raise Refused(f"cells do not fail as '{unknown[0]}'; of these, some were expected: {', '.join(FAILURES)}")
    return tuple(one for one in FAILURES if one in names)


def of_other_inputs(cells: Sequence[CellStanding]) -> tuple[int, str]:
    """How many records are not of this version of their cell, and what differs, in words."""
    told = [one.differs for one in cells if one.differs]
    return len(told), keys.counted(reason for reasons in told for reason in reasons)


def said_of_versions(cells: Sequence[CellStanding]) -> list[str]:
    """A note on records of these cells that are not of this version; none where all are."""
    other, differs = of_other_inputs(cells)
    return [f"{other} of these records are not of this version: {differs}."] if other else []


def told_of_stale(cells: Sequence[CellStanding]) -> str:
    """The rows of these cells, each with how many of its records are not of this version, and what differs."""
    rows = Counter(one.slot.row for one in cells)
    counted = ", ".join(f"{row} ({n})" for row, n in rows.items())
    return f"{counted}: {of_other_inputs(cells)[1]}"


def is_stale(record: Record, wanted: Mapping[str, str]) -> bool:
    """Whether a finished record was measured by other code than the `wanted` one (`measures.fingerprints`)."""
    return record.status == "ok" and any(record.measured.get(name) != code for name, code in wanted.items())


def named(cell: Slot | Order, record: Record) -> Record:
    """A record under the names that the study gives its cell: labels may have been changed since it was written."""
    names = {"row": cell.row, "family": cell.family, "size": cell.size, "control_of": cell.control_of}
    same = all(getattr(record, name) == of_cell for name, of_cell in names.items())
    return record if same else record.model_copy(update=names)


class _Made(NamedTuple):
    """A cell, what makes its numbers now, and what it shares with its record."""

    slot: Slot
    now: dict[str, str]
    settings: tuple[object, ...]
    place: tuple[object, ...]


def _made(slots: Iterable[Slot], drawn: Sequence[Drawn]) -> list[_Made]:
    """Each cell with what makes its numbers now, which those share that differ in their settings alone."""
    inputs = {str(one.use): one for one in drawn}
    known: dict[tuple[object, ...], dict[str, str]] = {}
    made = []
    for slot in slots:
        settings, place = _places(slot)
        shared = place[1], slot.cell.model.name, slot.cell.control, slot.cell.backend
        if shared not in known:
            known[shared] = _inputs_now(slot, inputs)
        made.append(_Made(slot, known[shared], settings, place))
    return made


def _inputs_now(slot: Slot, drawn: Mapping[str, Drawn]) -> dict[str, str]:
    inputs = keys.inputs_of(slot.cell, drawn[str(slot.cell.data)].data)
    del inputs[SETTINGS]
    return inputs


def _places(one: Slot | Record) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What a cell and its record share that is easy to look up: everything but the knobs of the model and the names;
    and the row, the data set and the seed."""
    cell, place = one.cell, store.place(one.row, one.cell)
    settings = (cell.model.name, place[1], cell.seed, cell.varies, cell.control, cell.backend, cell.device)
    return settings, (*place, cell.model.name, cell.control)


def _fits(slot: Slot, record: Record) -> bool:
    """Whether a record states the settings of a cell."""
    if not slot.may_have(record.cell.model) or not slot.is_as(record.cell):
        return False
    if slot.answer:
        return (record.status == "skipped") == bool(slot.answer.skip)
    return not slot.matched or ((record.shape, record.size) == (slot.shape, slot.size) and _meets(slot, record))


def _meets(slot: Slot, record: Record) -> bool:
    """Whether what a record tells of its size is what its row is matched to; a control has the size of its model."""
    match, count = slot.match or Match(), record.parameters
    if record.status == "skipped":
        return record.tolerance is not None and abs(record.tolerance - match.tolerance) < ROUNDED
    if count is None or slot.control_of or match.axis not in ("parameters", "quantum"):
        return True
    return abs(match.counted(count) / match.target - 1) <= match.tolerance


def _differences(slot: Slot, now: Mapping[str, str], record: Record) -> list[str]:
    then = {part: content for part, content in record.inputs.items() if part not in (SETTINGS, "size")}
    differs = [] if _fits(slot, record) else [OTHER_SETTINGS]
    return differs if then == now else differs + keys.differences(then, now)


def _current_here(slot: Slot, now: Mapping[str, str], record: Record) -> bool:
    return record.row == slot.row and _current(slot, now, record)


def _current(slot: Slot, now: Mapping[str, str], record: Record) -> bool:
    return not _differences(slot, now, record)


def _fits_here(slot: Slot, _: Mapping[str, str], record: Record) -> bool:
    return record.row == slot.row and _fits(slot, record)


def _fits_anywhere(slot: Slot, _: Mapping[str, str], record: Record) -> bool:
    return _fits(slot, record)


def _same_place(slot: Slot, _: Mapping[str, str], record: Record) -> bool:
    return _places(slot)[1] == _places(record)[1]


CURRENT = (_current_here, _current)
RANKS: tuple[tuple[Callable[[Slot, Mapping[str, str], Record], bool], bool], ...] = (
    (_current_here, True),
    (_current, False),
    (_fits_here, True),
    (_fits_anywhere, False),
    (_same_place, False),
)
"""What makes a record that of a cell, the best first; whether only one of the same row can be."""
