"""A file of claims: statements about rows of a study that can be wrong, read and checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from qinn_bench.files import short
from qinn_bench.reading import parse, read_toml
from qinn_bench.statistics import paired
from qinn_bench.values import NAME, Refused, Value

Relation = Literal["better", "equal", "ratio-at-least"]
Quantifier = Literal["any", "all"]
MOST = 1000
"""Claims of one file."""
MOST_MEMBERS = 50
"""Rows of one side of a claim."""


class Several(Value):
    """Rows of which at least one, or each, is meant: ``{ any_of = [...] }`` or ``{ all_of = [...] }`` in a file.

    Example:
        >>> print(Several(any_of=("qinn · 2000", "hybrid_qinn · 2000")))
        any of 'qinn · 2000', 'hybrid_qinn · 2000'
    """

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = ", ".join(f"'{row}'" for row in self.any_of or self.all_of)
        return f"{'any' if self.any_of else 'all'} of {rows}"


def _several(given: Any) -> Any:
    """A side of a claim, if it names a row, or rows under one of the two keys.

    Raises:
        ValueError: it does not.
    """
    if isinstance(given, str | Several):
        return given
    wanted = f"a row, {{ any_of = [...] }} or {{ all_of = [...] }} of 1 to {MOST_MEMBERS} different rows was expected"
    named = {key: rows for key, rows in given.items() if rows} if isinstance(given, dict) else {}
    rows = next(iter(named.values()), None)
    if not named.keys() <= {"any_of", "all_of"} or not isinstance(rows, list) or len(named) != 1:
        raise ValueError(wanted)
    if not all(isinstance(row, str) for row in rows) or not len(rows) == len(set(rows)) <= MOST_MEMBERS:
        raise ValueError(wanted)
    return Several(**{key: tuple(rows) for key in named})


ClaimSide = Annotated[str | Several, BeforeValidator(_several)]


class Requirement(Value):
    """A feature that the data must have for a claim to be testable: an observable with at least so many modes.

    Example:
        >>> print(Requirement(observable="dr_ll"))
        at least 2 modes of dr_ll
    """

    observable: str
    modes: Annotated[int, Field(ge=2, le=9)] = 2

    def __str__(self) -> str:
        return f"at least {self.modes} modes of {self.observable}"


class Claim(Value):
    """One statement that can be wrong.

    `first` and `second` are rows of the study's tables, such as ``qinn · 500``, or several of which any or all are
    meant; for a ratio they are families, such as ``qinn``. `margin` is the largest difference that counts as none, in
    the `unit` of the metric; `ratio` is how many times the parameters of the first family the second needs for the same
    quality, at all sizes of the first or `at` one of them; `replicates` is the least number of pairs of seeds;
    `requires` is what the data must show.

    Example:
        >>> claim = Claim(id="hybrid-ahead", statement="the hybrid is better", first="hybrid", second="spline",
        ...     metric="nll",
        ...               relation="better", data="zjets")
        >>> claim.replicates, claim.firsts
        (5, ('hybrid',))
    """

    id: Annotated[str, Field(pattern=NAME)]
    statement: str
    first: ClaimSide
    second: ClaimSide
    metric: str
    relation: Relation
    data: str
    margin: Annotated[float, Field(gt=0)] | None = None
    unit: str = ""
    ratio: Annotated[float, Field(gt=0)] | None = None
    at: Annotated[int, Field(gt=0)] | None = None
    replicates: Annotated[int, Field(ge=paired.LEAST)] = paired.LEAST
    other_budgets: bool = False
    requires: Requirement | None = None

    @property
    def firsts(self) -> tuple[str, ...]:
        """The rows of the first side."""
        return _members(self.first)

    @property
    def seconds(self) -> tuple[str, ...]:
        """The rows of the second side."""
        return _members(self.second)

    @property
    def quantifiers(self) -> tuple[Quantifier, Quantifier]:
        """How many of either side are meant; of a single row both are the same."""
        return _quantifier(self.first), _quantifier(self.second)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every row of the first side with every row of the second."""
        return [(first, second) for first in self.firsts for second in self.seconds]

    def naming(self, rows: Mapping[str, str]) -> Claim:
        """The same claim about other rows, by the names that they take the place of."""
        return self.model_copy(update={"first": _renamed(self.first, rows), "second": _renamed(self.second, rows)})


class Claims(Value):
    """The claims of one source about one study; their p-values are corrected together.

    `source` says who claims it, `quoted` what, `note` why the margins are what they are. `deviations` are the points in
    which what is tested differs from what the source describes. With `converged`, a side whose validation loss would
    still fall by more than the margin of a claim in nats, or by more than `largest_gain` nats where its margin is of
    something else or it states none, decides nothing.

    Example:
        >>> from qinn_bench.files import at_hand
        >>> claims = load(at_hand(Path("benchmarks/claims/rousselot2024.toml")))
        >>> claims.study_name, len(claims.claims), claims.level
        ('capacity_zjets', 5, 0.05)
    """

    name: Annotated[str, Field(pattern=NAME)]
    title: str
    source: str
    quoted: str = ""
    study: str
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    note: str = ""
    deviations: tuple[str, ...] = ()
    converged: bool = False
    largest_gain: Annotated[float, Field(gt=0)] | None = None
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @property
    def study_name(self) -> str:
        """The name of the study, which is that of its file and of the folder of its records."""
        return Path(self.study).stem


def _members(side: str | Several) -> tuple[str, ...]:
    return (side,) if isinstance(side, str) else side.any_of or side.all_of


def _renamed(side: str | Several, rows: Mapping[str, str]) -> str | Several:
    if isinstance(side, str):
        return rows.get(side, side)
    return Several(**{key: tuple(rows.get(row, row) for row in own) for key, own in side})


def _quantifier(side: str | Several) -> Quantifier:
    return "any" if isinstance(side, Several) and side.any_of else "all"


def load(path: Path) -> Claims:
    """Read and check a file of claims.

    Raises:
        Refused: no such file, no TOML, an unknown or missing key, or a claim whose keys do not go together.
    """
    claims = parse(Claims, _content(path), str(path))
    if not re.fullmatch(NAME, claims.study_name):
        raise Refused(f"{path}: 'study' is '{short(claims.study)}', expected a file such as studies/quick.toml")
    if len(claims.claims) > MOST:
        raise Refused(f"{path} makes {len(claims.claims)} claims; at most {MOST} were expected")
    if doubled := [name for name, count in Counter(claim.id for claim in claims.claims).items() if count > 1]:
        raise Refused(f"{path}: two claims are called '{doubled[0]}'; give each its own id")
    for claim in claims.claims:
        if why := _inconsistent(claim) or _without_gain(claims, claim):
            raise Refused(f"{path}: claim '{claim.id}' {why}")
    return claims


def _content(path: Path) -> dict[str, Any]:
    return read_toml(path, f"there is no file of claims '{path}'")


def _inconsistent(claim: Claim) -> str:
    if itself := [first for first, second in claim.pairs if first == second]:
        return f"compares '{itself[0]}' with itself; name two rows"
    if claim.relation == "equal" and claim.margin is None:
        return "is an equality and has no margin; state the largest difference that counts as none, and its unit"
    if claim.relation == "ratio-at-least" and claim.ratio is None:
        return "is about a ratio of parameters and states no ratio"
    for key, value in (("a ratio", claim.ratio), ("a size with 'at'", claim.at)):
        if claim.relation != "ratio-at-least" and value is not None:
            return f"states {key}, which the relation '{claim.relation}' does not have"
    if claim.relation == "ratio-at-least" and claim.margin is not None:
        return "states a margin, which a ratio does not have"
    return ""


def _without_gain(claims: Claims, claim: Claim) -> str:
    if claims.converged and claim.margin is None and claims.largest_gain is None:
        return "states no margin; with 'converged' the file has to state 'largest_gain', in nats"
    return ""


def fingerprint(path: Path) -> str:
    """SHA-256 of what a file of claims says: its content with sorted keys, so that comments and spaces do not count."""
    return fingerprint_of(_content(path))


def fingerprint_of(content: Any) -> str:
    """SHA-256 of plain content with sorted keys."""
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()
