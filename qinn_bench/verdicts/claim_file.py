"""A file of claims: statements about rows of a study that can be wrong, read and checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from qinn_bench.files import short
from qinn_bench.reading import parse, read_toml
from qinn_bench.statistics import paired
from qinn_bench.values import NAME, Refused, Value

Relation = Literal["better", "equal", "ratio-at-least"]


MOST = 1000
"""Claims of one file."""


class Claim(Value):
    """One statement that can be wrong.

    `first` and `second` are rows of the study's tables, such as ``qinn · 500``; for a ratio they are families, such as
    ``qinn``. `margin` is the largest difference that counts as none, in the `unit` of the metric; `ratio` is how many
    times the parameters of the first family the second needs for the same quality; `replicates` is the least number
    of pairs of seeds.

    Example:
        >>> claim = Claim(id="hybrid-ahead", statement="the hybrid is better", first="hybrid", second="spline",
        ...     metric="nll",
        ...               relation="better", data="zjets")
        >>> claim.replicates
        5
    """

    id: Annotated[str, Field(pattern=NAME)]
    statement: str
    first: str
    second: str
    metric: str
    relation: Relation
    data: str
    margin: Annotated[float, Field(gt=0)] | None = None
    unit: str = ""
    ratio: Annotated[float, Field(gt=0)] | None = None
    replicates: Annotated[int, Field(ge=paired.LEAST)] = paired.LEAST
    other_budgets: bool = False


class Claims(Value):
    """The claims of one source about one study; their p-values are corrected together.

    `source` says who claims it, `quoted` what, `note` why the margins are what they are.

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
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @property
    def study_name(self) -> str:
        """The name of the study, which is that of its file and of the folder of its records."""
        return Path(self.study).stem


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
        if why := _inconsistent(claim):
            raise Refused(f"{path}: claim '{claim.id}' {why}")
    return claims


def _content(path: Path) -> dict[str, Any]:
    return read_toml(path, f"there is no file of claims '{path}'")


def _inconsistent(claim: Claim) -> str:
    if claim.first == claim.second:
        return f"compares '{claim.first}' with itself; name two rows"
    if claim.relation == "equal" and claim.margin is None:
        return "is an equality and has no margin; state the largest difference that counts as none, and its unit"
    if claim.relation == "ratio-at-least" and claim.ratio is None:
        return "is about a ratio of parameters and states no ratio"
    if claim.relation != "ratio-at-least" and claim.ratio is not None:
        return f"states a ratio, which the relation '{claim.relation}' does not have"
    if claim.relation == "ratio-at-least" and claim.margin is not None:
        return "states a margin, which a ratio does not have"
    return ""


def fingerprint(path: Path) -> str:
    """SHA-256 of what a file of claims says: its content with sorted keys, so that comments and spaces do not count."""
    plain = json.dumps(_content(path), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()
