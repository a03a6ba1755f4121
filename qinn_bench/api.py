"""The verbs as functions, for notebooks and scripts: ``import qinn_bench as qb``, then ``qb.table("quick")``.

Each returns a value that holds what its verb prints: as text, in HTML, Markdown and LaTeX for notebooks, and as a
`pandas.DataFrame`. What cannot be had raises `Refused` with one sentence. Only `run` and figures of samples need torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qinn_bench import limits
from qinn_bench.limits import Limits
from qinn_bench.report.checked_claims import check_file
from qinn_bench.report.compared_rows import ComparedRows
from qinn_bench.report.family_curves import families_of
from qinn_bench.report.finished_table import finished_table, run_table
from qinn_bench.report.notebook import ShownClaims, ShownComparison, ShownTable
from qinn_bench.report.record_frame import record_frame
from qinn_bench.study import study_files
from qinn_bench.study.progress import FAILURES, statuses
from qinn_bench.study.selection import Filters, select
from qinn_bench.values import Refused, Status, Study
from qinn_bench.verdicts.all_against_all import compared, terms_of, with_control
from qinn_bench.verdicts.outside_frame import read_frame
from qinn_bench.verdicts.outside_results import Columns, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Refused", "claims", "compare", "figure", "records", "run", "table"]

StudyLike = str | Path | Mapping[str, Any] | Study
"""A study file, the name of one of the project's own, what such a file says, or the value."""
Some = str | Sequence[str]
FIGURES = ("observables", "losses", "capacity")


def run(
    study: StudyLike,
    *,
    results: str | Path = "results",
    jobs: int | None = None,
    threads: int = 1,
    timeout: float | None = None,
    memory: float | None = None,
    fresh: bool = False,
    retry: bool | Some = False,
    model: Some = (),
    data: Some = (),
    seed: int | Sequence[int] = (),
    progress: bool = True,
) -> ShownTable:
    """Run a study as ``qinn-bench run`` does, and return its table; what is finished is not run again.

    `jobs` cells run at once (by default as many as there are cores), each in a process of its own with so many
    `threads`; `timeout` is the wall time in seconds and `memory` the GiB that a cell may take. With `fresh` finished
    cells run again, with `retry` failed ones, or those of these statuses, such as ``"timeout"``. `model`, `data` and
    `seed` choose cells. Records go to the folder `results`. With `progress` what happens is told on the standard error
    output.

    Raises:
        Refused: a study, a filter or a limit that is wrong, or results that cannot be written.
        study.run_study.Stopped: it was interrupted; finished cells are kept.

    >>> import tempfile
    >>> moons = {"name": "moons", "data": ["moons[events=400]"], "seeds": 1, "samples": 100, "metrics": ["swd"],
    ...          "budgets": {"short": {"steps": 2}}, "models": [{"model": "gaussian"}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = run(moons, results=folder, jobs=1, progress=False)
    >>> table.complete, list(table.frame()["model"])
    (True, ['gaussian'])
    """
    asked, folder = study_files.study_of(study), Path(results)
    running = importlib.import_module("qinn_bench.study.run_study")  # Needs torch.
    use = Limits(limits.cores() if jobs is None else jobs, timeout, memory, threads)
    wanted, log = _statuses(retry), running.console(quiet=not progress)
    ran = running.run_study(asked, folder, _filters(model, data, seed), use, log, fresh=fresh, retry=wanted)
    return ShownTable(run_table(asked, ran.over_seeds, folder), ran.problems, complete=ran.complete)


def records(
    study: StudyLike,
    *,
    results: str | Path = "results",
    records: str | Path | None = None,
    model: Some = (),
    data: Some = (),
    seed: int | Sequence[int] = (),
) -> pd.DataFrame:
    """The records of a study as a frame, one row a cell and number: `report.record_frame.record_frame` names columns.

    They are those of the folder `results`, or the published ones of the file `records`. Cells that failed have a row
    with their status and reason; a study without records gives a frame without rows.

    Raises:
        Refused: a study, a filter or a file of published records that is wrong.

    >>> frame = records("quick", records="results/published/quick.jsonl.gz", model="spline_inn")
    >>> of_swd = frame[frame["metric"] == "swd"].reset_index(drop=True)
    >>> of_swd[["row", "seed", "value", "unit", "certificate"]].round(3).head(2)
              row  seed  value unit certificate
    0  spline_inn     0  0.042   sd        pass
    1  spline_inn     1  0.034   sd        pass
    """
    asked, folder = study_files.study_of(study), Path(results)
    return record_frame(select(asked, folder, _filters(model, data, seed), _path(records)))


def table(
    study: StudyLike,
    *,
    results: str | Path = "results",
    records: str | Path | None = None,
    columns: Some = (),
    model: Some = (),
    data: Some = (),
    seed: int | Sequence[int] = (),
) -> ShownTable:
    """The table of a study as ``qinn-bench table`` prints it, from its records in `results` or published ones.

    `columns` are names of columns; ``frame()`` of the answer has their numbers.

    Raises:
        Refused: there are no records, or a study, column, filter or file that is wrong.

    >>> quick = table("quick", records="results/published/quick.jsonl.gz", columns=["parameters", "swd"])
    >>> quick.frame()[["model", "parameters", "swd"]].tail(2).round(4)
                           model  parameters     swd
    8    hybrid_qinn (couplings)         354  0.0597
    9  hybrid_qinn (elementwise)         352  0.0718
    """
    asked, folder = study_files.study_of(study), Path(results)
    names = _listed("columns", columns)
    selection = select(asked, folder, _filters(model, data, seed), _path(records))
    return ShownTable(finished_table(selection, folder, names, _path(records)))


def figure(
    study: StudyLike,
    kind: str = "observables",
    *,
    results: str | Path = "results",
    records: str | Path | None = None,
    metric: str = "nll",
    axis: str = "parameters",
    model: Some = (),
    data: Some = (),
    seed: int | Sequence[int] = (),
) -> Figure:
    """A figure of a study: ``"observables"``, the name of one observable, ``"losses"``, or ``"capacity"``.

    The first three are those of ``qinn-bench figure``, drawn from the arrays in `results`; of a study with several data
    sets `data` names one. ``"capacity"`` is that of ``qinn-bench capacity``, a `metric` against an `axis` of size, from
    `results` or published `records`; it has all models and seeds.

    Raises:
        Refused: no finished cells, no such figure, several data sets and none named, or a model or a seed for a
            figure of capacity.

    >>> shown = figure("capacity_zjets", "capacity", records="results/published/capacity_zjets.jsonl.gz")
    >>> [axes.get_xlabel() for axes in shown.axes][:1]
    ['parameters']
    """
    asked, folder = study_files.study_of(study), Path(results)
    if kind == "capacity":
        if model or seed != ():
            raise Refused("a figure of capacity has all models and seeds of a data set; leave model and seed out")
        return _capacity_figure(asked, folder, _path(records), metric, axis, _listed("data", data))
    if records:
        raise Refused(f"{records} holds no samples, which figures are drawn from; leave records out")
    drawing = importlib.import_module("qinn_bench.report.study_figure_set")  # Needs matplotlib.
    single = () if kind in FIGURES else (kind,)
    drawn = drawing.figures_of(select(asked, folder, _filters(model, data, seed)), folder, single)
    fitting: list[Figure] = [figure for (_, name), figure in drawn.items() if name == kind]
    if len(fitting) != 1:
        sets = ", ".join(dict.fromkeys(name for name, _ in drawn))
        why = f"several data sets, {sets}; name one with data" if fitting else f"no '{kind}' to draw"
        raise Refused(f"'{asked.name}' has {why}")
    return fitting[0]


def claims(file: str | Path, *, results: str | Path = "results", records: str | Path | None = None) -> ShownClaims:
    """What the records say of each claim of a file, or of one of the project's own by its name.

    Raises:
        Refused: no such file, or one that is wrong; no published records of its study.

    >>> ruled = claims("rousselot2024", records="results/published/capacity_zjets.jsonl.gz")
    >>> ruled.frame()["decision"].value_counts().to_dict()
    {'undecided': 5}
    """
    return ShownClaims(check_file(Path(file), Path(results), _path(records)))


def compare(
    frame: pd.DataFrame | str | Path,
    *,
    row: str,
    value: str,
    column: str = "",
    seed: str = "",
    sd: str = "",
    n: str = "",
    rows: Some = (),
    control: str = "",
    better: str = "higher",
    margin: float | None = None,
    level: float = 0.05,
    over: str = "auto",
    drop: bool = False,
    summary: bool = False,
    name: str = "",
) -> ShownComparison:
    """Ranks and corrected verdicts of anybody's results in long format, as ``qinn-bench compare --from FILE`` has them.

    They are a frame or a file in CSV. The arguments are those of the verb. These name columns: the `row` compared, its
    `value`, the data set (`column`), the `seed` of a run, or `sd` and `n` of a mean. `rows` keeps these rows only, and
    with `control` every other row is compared with that one alone. `better` says whether ``"higher"`` or ``"lower"`` is
    better, `margin` is the difference that counts as none, in units of `value`, `level` the rate of false verdicts, and
    `over` what the replicates are: ``"auto"``, ``"pairs"`` or ``"columns"``. `drop` leaves out data sets where a row
    has no score, `summary` the pairs on single data sets; `name` stands in titles.

    Raises:
        Refused: as the verb, or what is given is neither a frame nor a file.

    >>> shown = compare("docs/examples/demsar2006.csv", row="classifier", column="dataset", value="auc")
    >>> shown.frame()[["first", "second", "verdict", "p_corrected"]].round(4).head(1)
        first second verdict  p_corrected
    0  C4.5+m   C4.5  better       0.0439
    """
    terms = terms_of(better, margin, level, over, control)
    columns = Columns(row, value, column, seed, sd, n)
    asked = with_control(_listed("rows", rows), terms)
    if isinstance(frame, str | Path):
        results, called = read(Path(frame), columns, drop, asked), Path(frame).name
    else:
        results, called = read_frame(frame, columns, drop, asked), "the frame"
    return ShownComparison(ComparedRows(compared(results, terms), name or called, summary))


def _capacity_figure(
    study: Study, results: Path, records: Path | None, metric: str, axis: str, data: Sequence[str]
) -> Figure:
    if len(data) > 1:
        raise Refused(f"a figure of capacity is of one data set; {len(data)} are named")
    families = families_of(study.model_dump(), results, records, metric, axis, *data)
    drawing = importlib.import_module("qinn_bench.report.capacity_figure")  # Needs matplotlib.
    drawn: Figure = drawing.figure_of(families)
    return drawn


def _filters(model: Some, data: Some, seed: int | Sequence[int]) -> Filters:
    seeds = (seed,) if isinstance(seed, int) else tuple(seed)
    return Filters(tuple(_listed("model", model)), tuple(_listed("data", data)), seeds)


def _statuses(retry: bool | Some) -> tuple[Status, ...]:
    if isinstance(retry, bool):
        return FAILURES if retry else ()
    return statuses(",".join(_listed("retry", retry)))


def _listed(name: str, given: Some) -> list[str]:
    """One name or several, as a list.

    Raises:
        Refused: they are no names.
    """
    names = [given] if isinstance(given, str) else list(given)
    if wrong := [one for one in names if not isinstance(one, str)]:
        raise Refused(f"{name} has {wrong[0]!r}; a name or a list of names was expected")
    return names


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
