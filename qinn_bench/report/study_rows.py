"""The rows of a study's table: its records by data set and row, in the order that they are shown in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qinn_bench.records import store
from qinn_bench.values import Flag, Record, Refused, Role, Suspicion, Verdict

ROLES: dict[Role, int] = {"floor": 0, "model": 1, "control": 1, "ceiling": 2}
WORST: tuple[Verdict, ...] = ("fail", "undecided", "pass")


@dataclass(frozen=True)
class Group:
    """The records of one row on one data set, and how many seeds the rows beside it have.

    Example:
        >>> Group("moons", "a", (), 5).ok
        []
    """

    data: str
    row: str
    records: tuple[Record, ...]
    seeds: int

    @property
    def role(self) -> Role:
        """What the row is in the comparison, the same for all its records."""
        return self.records[0].role

    @property
    def owner(self) -> str:
        """The row that a control belongs to."""
        return self.records[0].control_of

    @cached_property
    def ok(self) -> list[Record]:
        """The records of finished seeds."""
        return [record for record in self.records if record.status == "ok"]

    @property
    def skipped(self) -> bool:
        """Whether the row was not to be run."""
        return self.records[0].status == "skipped"

    @property
    def flags(self) -> dict[Suspicion, list[Flag]]:
        """The flags of every kind, one a seed that has it."""
        of_kind: dict[Suspicion, list[Flag]] = {}
        for record in self.ok:
            for flag in record.flags:
                of_kind.setdefault(flag.kind, []).append(flag)
        return of_kind

    @property
    def verdict(self) -> Verdict | None:
        """The worst certificate over the seeds; None where no seed has one."""
        verdicts = {record.certificate.verdict for record in self.ok if record.certificate}
        return next((verdict for verdict in WORST if verdict in verdicts), None)

    @property
    def rests_on_its_mass(self) -> bool:
        """Whether the likelihood of every seed is that of a density divided by a mass that is known to 1 %."""
        certificates = [record.certificate for record in self.ok if record.certificate]
        return bool(certificates) and all(certificate.rests_on_its_mass for certificate in certificates)


def groups_of(records: Sequence[Record]) -> list[Group]:
    """The rows of the table in their order.

    Raises:
        Refused: two records of one row, data set and seed.
    """
    names = store.data_names(records)
    parts: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        parts.setdefault((names[str(record.cell.data)], record.row), []).append(record)
    seeds: dict[str, set[int]] = {}
    for (data, row), part in parts.items():
        counted = Counter([record.cell.seed for record in part])
        seeds.setdefault(data, set()).update(counted)
        seed, count = counted.most_common(1)[0]
        if count > 1:
            raise Refused(f"row '{row}' on '{data}' has {count} records of seed {seed}; one record a seed was expected")
    groups = [Group(data, row, tuple(part), len(seeds[data])) for (data, row), part in parts.items()]
    order = {data: at for at, data in enumerate(seeds)}
    rows = {row: at for at, row in enumerate(dict.fromkeys(group.row for group in groups))}

    def place(group: Group) -> tuple[int, int, bool, int, bool]:
        nested = group.owner in rows
        at = rows[group.owner if nested else group.row]
        return order[group.data], ROLES[group.role], not is_truth(group), at, nested

    return sorted(groups, key=place)


def is_truth(group: Group) -> bool:
    """Whether the row has other true events in the place of generated ones."""
    return group.role == "floor" and group.records[0].cell.model.name == "truth"
