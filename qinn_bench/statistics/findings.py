"""What `qinn-bench compare` is asked and what it finds, as values."""

from __future__ import annotations

from typing import Literal, NamedTuple

from qinn_bench.values import Comparison, Value

OVERALL = "all data sets"


class CompareTerms(NamedTuple):
    """On what terms rows are compared.

    `margin` is the largest difference that counts as none, in the unit of the scores; `level` is the chance of any
    false verdict. The replicates are the `columns` (data sets; the seeds of each are averaged) or all `pairs` of column
    and seed; `auto` takes the columns where there are five or more. With a `control` every other row is compared with
    that row alone.

    Example:
        >>> CompareTerms(better="lower", margin=0.01, control="baseline").level
        0.05
    """

    better: Literal["higher", "lower"] = "higher"
    margin: float | None = None
    level: float = 0.05
    over: Literal["auto", "pairs", "columns"] = "auto"
    control: str = ""


class RowStanding(Value):
    """How a row does over all data sets: mean, mean rank (1 is best), interquartile mean and its 95 % interval.

    Example:
        >>> RowStanding(row="a", mean=0.82, rank=1.5, middle=0.83, interval=(0.8, 0.86)).rank
        1.5
    """

    row: str
    mean: float
    rank: float
    middle: float
    interval: tuple[float, float] | None = None


class Alike(Value):
    """Friedman's test that all rows rank alike, and the pairs whose mean ranks differ by more than `critical`.

    `f` is the statistic of Iman and Davenport, None where all data sets agree on one order, with `freedom` its two
    degrees of freedom. `groups` are the largest sets of rows, best rank first, no two of which are told apart. Below
    `least` data sets no difference of mean ranks can reach the critical one. With a control, `critical` is that of
    Bonferroni and Dunn and only pairs with the control are looked at, so that there are no groups.

    Example:
        >>> Alike(columns=14, least=4, chi2=10.2, p_chi2=0.017, f=4.2, freedom=(3, 39), p_f=0.012, critical=1.25,
        ...       apart=(), groups=(("a", "b", "c", "d"),)).groups
        (('a', 'b', 'c', 'd'),)
    """

    columns: int
    least: int
    chi2: float
    p_chi2: float
    f: float | None
    freedom: tuple[int, int]
    p_f: float
    critical: float
    apart: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, ...], ...]


class RowPair(Value):
    """What is said of two rows in a scope, which is one data set or all.

    `comparison` has the verdict at the corrected p-values; `p` is that of "no difference", two-sided, because nobody
    said beforehand which row is the better one; so is `p_wilcoxon`, of Wilcoxon's signed ranks. `wins`, `ties` and
    `losses` count the replicates on which the first is better, equal and worse, and `median` is the median of the
    differences: both stand whatever a single score does to the mean. `flipped` says that the p-values are of sign
    flips, of which few replicates have no small ones.

    Example:
        >>> from qinn_bench.values import Estimate
        >>> told = Comparison(outcome="better", reason="", effect=Estimate(value=0.016), replicates=14)
        >>> RowPair(scope=OVERALL, first="a", second="b", comparison=told, p=0.007, p_corrected=0.044, wins=10, ties=2,
        ...     losses=2).wins
        10
    """

    scope: str
    first: str
    second: str
    comparison: Comparison
    p: float | None = None
    p_corrected: float | None = None
    p_equal_corrected: float | None = None
    p_wilcoxon: float | None = None
    p_wilcoxon_corrected: float | None = None
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    median: float | None = None
    flipped: bool = False


class Findings(Value):
    """All that a table of results says; `replicates` says in words what the tests are over.

    Rows are in the order of their mean ranks, and the first of a pair is the one that ranks better, or with a `control`
    the row that is compared with it. `pairs` are those over all data sets, then those on single ones.
    `costs` says which rows alone cost how many of the `dropped` data sets or seeds.

    Example:
        >>> from qinn_bench.verdicts.all_against_all import compared
        >>> from qinn_bench.verdicts.outside_results import Results
        >>> import numpy as np
        >>> results = Results(("a", "b"), tuple((f"d{at}", "") for at in range(8)), np.add.outer([1.0, 0.0],
        ...     np.arange(8.0)))
        >>> findings = compared(results, CompareTerms())
        >>> findings.overall[0].comparison.outcome, findings.single, findings.replicates
        ('better', (), '8 data sets')
    """

    better: Literal["higher", "lower"]
    level: float
    margin: float | None
    control: str
    columns: int
    replicates: str
    standings: tuple[RowStanding, ...]
    alike: Alike | None
    pairs: tuple[RowPair, ...]
    remarks: tuple[str, ...]
    dropped: tuple[str, ...]
    costs: tuple[tuple[str, int], ...]

    @property
    def overall(self) -> tuple[RowPair, ...]:
        """The pairs over all data sets, or those of the only one."""
        scope = self.pairs[0].scope
        return tuple(pair for pair in self.pairs if pair.scope == scope)

    @property
    def single(self) -> tuple[RowPair, ...]:
        """The pairs on single data sets beside those over all."""
        return self.pairs[len(self.overall) :]
