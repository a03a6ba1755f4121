"""The metric licence: the smallest deformations that a metric sees at a sample size, as a file and as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from qinn_bench.files import at_hand, file_name, places, short
from qinn_bench.reading import read_value
from qinn_bench.values import Record, Refused, Value
from qinn_bench.writing import write_text

ALARMS = 0.05
POWER = 0.95


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


WORDS: dict[str, Callable[[float], str]] = {
    "shift": lambda s: f"a shift of {s:.2g} sd",
    "rescaling": lambda s: f"a rescaling by {_percent(s)}",
    "correlation": lambda s: f"a change of correlation by {s:.2g}",
    "dropped mode": lambda s: f"{_percent(s)} of a mode missing",
    "tail": lambda s: f"{_percent(s)} more rows in a tail",
}
"""A deformation of some strength in words; the names are those of `deformations.DEFORMATIONS`."""


class Sight(Value):
    """The smallest strength of a deformation that a column of a metric sees with samples of this size.

    `epsilon` has the 95 % interval `low` to `high`; it is None where not even `top`, the largest strength planted, is
    seen. `repeats` is the number of samples near `epsilon`, `null` that of undeformed samples behind the alarm.

    Example:
        >>> sight = Sight(metric="swd", column="swd", samples=2000, deformation="shift", epsilon=0.07, top=4.0,
        ...     repeats=40, null=200)
        >>> sight.epsilon
        0.07
    """

    metric: str
    column: str
    samples: int
    deformation: str
    epsilon: float | None
    low: float | None = None
    high: float | None = None
    top: float
    repeats: int
    null: int


class Licence(Value):
    """What the metrics can see on one data set, whose content has the hash `fingerprint`.

    `measured` has for each metric the fingerprint of its code (`measures.fingerprints`).

    Example:
        >>> sight = Sight(metric="swd", column="swd", samples=2000, deformation="shift", epsilon=0.07, top=4.0,
        ...     repeats=40, null=200)
        >>> licence = Licence(data="moons", fingerprint="0a1b", sights=(sight,))
        >>> len(licence.of("swd", 5000)), len(licence.of("swd", 1000))
        (1, 0)
    """

    schema_version: int = 1
    data: str
    fingerprint: str
    alarms: float = ALARMS
    power: float = POWER
    sights: tuple[Sight, ...] = ()
    measured: dict[str, str] = Field(default_factory=dict)

    def of(self, column: str, samples: int) -> list[Sight]:
        """What a column sees at the largest licensed sample size that is at most `samples`; empty if there is none."""
        sizes = [s.samples for s in self.sights if s.column == column and s.samples <= samples]
        return [s for s in self.sights if s.column == column and s.samples == max(sizes, default=0)]

    def epsilon(self, column: str, samples: int) -> str:
        """A sentence such as "equal down to a shift of 0.03 sd, a rescaling by 2 %; blind to ..."; empty if unknown."""
        sights = self.of(column, samples)
        seen = [WORDS[s.deformation](s.epsilon) for s in sights if s.epsilon is not None]
        blind = [WORDS[s.deformation](s.top) for s in sights if s.epsilon is None]
        parts = [f"equal down to {', '.join(seen)}"] * bool(seen) + [f"blind to {', '.join(blind)}"] * bool(blind)
        return "; ".join(parts)

    def replacing(self, sights: Sequence[Sight], measured: Mapping[str, str]) -> Licence:
        """The same licence with these sights in the place of those of the same columns and sizes.

        `measured` are the fingerprints of the code that they were taken by; of their metrics nothing is kept that
        other code took.
        """
        other = {metric for metric, code in measured.items() if self.measured.get(metric, code) != code}
        new = {(s.column, s.samples) for s in sights}
        kept = tuple(s for s in self.sights if (s.column, s.samples) not in new and s.metric not in other)
        return self.model_copy(update={"sights": kept + tuple(sights), "measured": self.measured | dict(measured)})


def path(results: Path, data: str) -> Path:
    """Where the licence of a data set lies: ``results/licence/DATA.json``."""
    return results / "licence" / f"{file_name(data)}.json"


def load(results: Path, data: str) -> Licence | None:
    """The licence of a data set, or None if there is none.

    Raises:
        Refused: the file is there but is no licence.
    """
    return read(path(results, data))


def equality(results: Path, record: Record, column: str) -> str:
    """What "equal" means for a column of this record, such as "equal down to a shift of 0.03 sd"; empty if unknown."""
    given = of_content(results, str(record.provenance.get("data_hash", "")))
    return given.epsilon(column, record.cell.samples) if given else ""


def of_content(results: Path, fingerprint: str) -> Licence | None:
    """The licence of the data set whose content has this hash, or None if there is none.

    Raises:
        Refused: a file beside it is no licence.
    """
    folder = results / "licence"
    names = sorted({file.name for place in places(folder) for file in place.glob("*.json")})
    licences = (read(folder / name) for name in names)
    return next((one for one in licences if one and one.fingerprint == fingerprint), None)


def read(file: Path) -> Licence | None:
    """The licence in a file, or None if there is no such file.

    Raises:
        Refused: the file is no licence.
    """
    if not at_hand(file).exists():
        return None
    remedy = "delete it and make it again"
    given = read_value(Licence, file, "is not a metric licence", remedy=remedy)
    if odd := [sight.deformation for sight in given.sights if sight.deformation not in WORDS]:
        raise Refused(f"{file} is not a metric licence (it names the deformation '{short(odd[0])}'); {remedy}")
    return given


def write(file: Path, licence: Licence) -> None:
    """Write a licence whole or not at all."""
    text = licence.model_dump_json(indent=1)
    write_text(file, text)
