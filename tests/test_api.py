"""The verbs as functions: each gives what its verb prints, costs nothing to import, and refuses in one sentence."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import qinn_bench as qb
from qinn_bench.cli.main import main
from qinn_bench.report.csv_cells import NUMBER, harmless
from qinn_bench.report.record_frame import COLUMNS, written
from qinn_bench.study import planning, run_cell, study_files
from qinn_bench.values import Estimate

ROOT = Path(__file__).parents[1]
QUICK = "results/published/quick.jsonl.gz"
CAPACITY = "results/published/capacity_zjets.jsonl.gz"
DEMSAR = "docs/examples/demsar2006.csv"
ROLES = {"row": "classifier", "column": "dataset", "value": "auc"}
STUDY = {
    "name": "toy",
    "title": "<b>Two & more</b>",
    "data": ["moons[events=400]"],
    "seeds": 3,
    "samples": 100,
    "metrics": ["swd"],
    "budgets": {"short": {"steps": 2, "batch": 16}},
    "models": [{"model": "gaussian"}, {"model": "affine_inn", "label": "=affine", "knobs": {"blocks": 1, "hidden": 2}}],
}
FAILURE = '-lost\rits <way>,\nsaid "it"'


@pytest.fixture
def failed(tmp_path):
    """The results of a study some of whose cells failed, one has a number that is none, and one was not run."""
    folder = tmp_path / "results"
    orders = planning.plan(study_files.study_of(STUDY), folder)
    for at, order in enumerate(orders[:5]):
        if at == 1:
            run_cell.save(order, {}, status="diverged", reason=FAILURE)
            continue
        value = None if at == 2 else 0.1 / (at + 3)
        swd = Estimate(
            value=value, error=1 / 3, n=100, unit="sd", better="lower", note="@none" if value is None else ""
        )
        run_cell.save(order, {"samples": np.zeros((2, 2))}, metrics={"swd": swd})
    return folder


def said(capsys, *words, code=0):
    """What a verb prints."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    return capsys.readouterr().out


def in_a_process(text, *blocked):
    """What a program prints that cannot import some packages."""
    head = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(blocked)!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import qinn_bench as qb
"""
    command = [sys.executable, "-c", head + text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_is_free():
    heavy = {"torch", "numpy", "pandas", "scipy", "pydantic", "matplotlib", "rich", "sklearn", "pennylane"}
    names = in_a_process("print(*dir(qb)); print(*sys.modules)", *heavy).splitlines()
    assert {"run", "records", "table", "figure", "claims", "compare", "Refused"} <= set(names[0].split())
    assert not heavy & set(names[1].split()) and "qinn_bench.api" not in names[1].split()


def test_what_reads_needs_no_torch():
    text = f"""
frame = qb.records("quick", records="{QUICK}", model="spline_inn")
print(len(frame), len(str(qb.table("quick", records="{QUICK}"))))
print(qb.claims("rousselot2024", records="{CAPACITY}").frame()["decision"].nunique())
print(len(qb.compare("{DEMSAR}", row="classifier", column="dataset", value="auc").frame()))
print(qb.figure("capacity_zjets", "capacity", records="{CAPACITY}"))
assert "torch" not in sys.modules
"""
    lines = in_a_process(text, "torch").splitlines()
    assert lines[1:3] == ["1", "6"] and lines[3].startswith("Figure(")


def test_a_room_that_is_a_verb_stays_a_room():
    assert in_a_process("import qinn_bench.records.store as s; print(s.place.__name__, callable(qb.records))") == (
        "place True\n"
    )


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="its verbs are: Refused, claims, compare"):
        _ = qb.nothing
    assert issubclass(qb.Refused, ValueError)


@pytest.mark.parametrize("form", ["text", "md", "latex", "csv"])
def test_the_table_is_that_of_the_verb(capsys, form):
    words = ["table", "quick", "--records", QUICK, "--columns", "parameters,nll,swd"]
    shown = qb.table("quick", records=QUICK, columns=["parameters", "nll", "swd"])
    ours = {"text": str, "md": type(shown)._repr_markdown_, "latex": type(shown)._repr_latex_}
    out = said(capsys, *words, "--format", form)
    if form == "csv":
        theirs = pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)
        frame = shown.frame()
        assert list(frame.columns) == list(theirs.columns) and list(frame["model"]) == list(theirs["model"])
        for name in ("nll", "nll_error", "swd", "swd_error"):
            assert [float(text or "nan") for text in theirs[name]] == pytest.approx(frame[name], rel=0, nan_ok=True)
    elif form == "latex":  # The verb labels it after the study.
        assert ours[form](shown).replace("tab:study-quick", "tab:quick") == out.removesuffix("\n")
    else:
        assert ours[form](shown) + "\n" == out


def test_the_table_of_some_rows_and_seeds_is_that_of_the_verb(capsys, failed, tmp_path):
    path = tmp_path / "toy.json"
    path = _as_file(tmp_path)
    out = said(capsys, "table", path, "--results", failed, "-m", "=affine", "-s", "0", "-s", "1")
    assert str(qb.table(STUDY, results=failed, model="=affine", seed=[0, 1])) + "\n" == out
    assert str(qb.table(path, results=str(failed), model=["=affine"], seed=(0, 1))) + "\n" == out


def _as_file(folder):
    """The study as a file."""
    budget = STUDY["budgets"]["short"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in STUDY.items() if key not in ("budgets", "models")]
    lines += ["[budgets.short]", *(f"{key} = {value}" for key, value in budget.items())]
    for row in STUDY["models"]:
        knobs = {f"knobs.{knob}": value for knob, value in row.get("knobs", {}).items()}
        plain = {key: value for key, value in row.items() if key != "knobs"} | knobs
        lines += ["[[models]]", *(f"{key} = {json.dumps(value)}" for key, value in plain.items())]
    (folder / "toy.toml").write_text("\n".join(lines))
    return folder / "toy.toml"


def test_claims_are_those_of_the_verb(capsys):
    out = said(capsys, "claims", "check", "rousselot2024", "--records", CAPACITY, code=5)
    shown = qb.claims("rousselot2024", records=CAPACITY)
    assert str(shown) + "\n" == out
    plain = json.loads(said(capsys, "claims", "check", "rousselot2024", "--records", CAPACITY, "--json", code=5))
    frame = shown.frame()
    assert [one["decision"] for one in plain["rulings"]] == list(frame["decision"])
    assert [one["p_corrected"] for one in plain["rulings"]] == list(frame["p_corrected"])
    effects = frame["effect"].astype(object).where(frame["effect"].notna(), None)
    assert [one["effect"]["value"] for one in plain["rulings"]] == list(effects)


@pytest.mark.parametrize("options", [{}, {"control": "C4.5", "margin": 0.05, "summary": True}, {"better": "lower"}])
def test_a_frame_is_compared_as_its_file(capsys, options):
    frame = pd.read_csv(ROOT / DEMSAR)
    shown = qb.compare(frame, name="demsar2006.csv", **ROLES, **options)
    names = [f"--{key}" if value is True else f"--{key}={value}" for key, value in (ROLES | options).items()]
    assert str(shown) + "\n" == said(capsys, "compare", "--from", ROOT / DEMSAR, *names)
    assert str(qb.compare(ROOT / DEMSAR, **ROLES, **options)) == str(shown)
    lines = pd.read_csv(io.StringIO(said(capsys, "compare", "--from", ROOT / DEMSAR, *names, "--format", "csv")))
    assert list(zip(lines["first"], lines["second"], lines["verdict"], strict=True)) == list(
        shown.frame()[["first", "second", "verdict"]].itertuples(index=False, name=None)
    )


numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32) | st.integers(-9, 9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=2, max_size=8), st.sampled_from(["float64", "float32"]))
def test_any_frame_gives_what_its_csv_gives(tmp_path_factory, scores, kind):
    lines = [(name, at, value) for at, block in enumerate(scores) for name, value in zip("abc", block, strict=True)]
    frame = pd.DataFrame(lines, columns=["m", "d", "v"]).astype({"v": kind})
    path = tmp_path_factory.mktemp("frame") / "the frame"
    frame.to_csv(path, index=False)
    roles = {"row": "m", "column": "d", "value": "v"}
    assert str(qb.compare(frame, **roles)) == str(qb.compare(path, **roles))


def test_records_have_a_row_for_each_cell_and_number(failed):
    frame = qb.records(STUDY, results=failed)
    assert dict(frame.dtypes.astype(str)) == COLUMNS
    assert list(frame["row"]) == ["gaussian"] * 3 + ["=affine"] * 2 and list(frame["seed"]) == [0, 1, 2, 0, 1]
    assert list(frame["status"]) == ["ok", "diverged", "ok", "ok", "ok"]
    lost = frame.iloc[1]
    assert (lost["reason"], lost["metric"], lost["note"]) == (FAILURE, "", "") and pd.isna(lost["value"])
    assert pd.isna(frame["value"][2]) and frame["note"][2] == "@none" and frame["metric"][2] == "swd"
    assert frame["value"][0] == 0.1 / 3 and frame["error"][0] == 1 / 3 and frame["unit"][0] == "sd"
    assert frame["key"].nunique() == 5
    # What was saved here names no code that measured it.
    assert not frame["current"][0] and frame["stale"][0] == "its metrics are to be measured again"
    assert frame["current"][1] and frame["stale"][1] == ""


def test_a_record_of_other_settings_says_so(failed):
    other = STUDY | {"budgets": {"short": {"steps": 3, "batch": 16}}}
    frame = qb.records(other, results=failed)
    assert len(frame) == 5 and not frame["current"].any() and (frame["stale"].str.contains("settings")).all()


def test_published_records_are_whole(capsys):
    frame = qb.records("quick", records=QUICK)
    plain = json.loads(said(capsys, "table", "quick", "--records", QUICK, "--json", "--columns", "swd,parameters"))
    means = frame[frame["metric"] == "swd"].groupby("row", sort=False)["value"].mean()
    rows = {row["model"]: row["cells"] for row in plain["rows"]}
    assert set(rows) == set(means.index) and frame["seed"].nunique() == 5
    for row, cells in rows.items():
        assert means[row] == pytest.approx(cells["swd"]["value"])
        assert (frame[frame["row"] == row]["parameters"] == cells["parameters"]).all()
    total = frame["quantum"] + frame["classical"]
    assert (total == frame["parameters"]).all() and set(frame["certificate"]) <= {"", "pass", "fail", "undecided"}


def test_a_study_that_was_not_run_has_a_frame_without_rows(tmp_path):
    frame = qb.records(STUDY, results=tmp_path)
    assert frame.empty and dict(frame.dtypes.astype(str)) == COLUMNS
    with pytest.raises(qb.Refused, match="there are no records yet"):
        qb.table(STUDY, results=tmp_path)


def test_what_is_shown_is_escaped(failed):
    shown = qb.table(STUDY, results=failed)
    page = shown._repr_html_()
    assert "&lt;b&gt;Two &amp; more&lt;/b&gt;" in page and "<b>Two" not in page and "its &lt;way&gt;" in page
    assert r"\&" in shown._repr_latex_() and r"\<b>Two \& more" in shown._repr_markdown_()
    assert str(shown) == repr(shown)


def test_a_run_gives_the_table_of_the_verb(tmp_path, capfd):
    moons = STUDY | {"models": [{"model": "gaussian"}, {"model": "elementwise"}], "seeds": 1, "title": "Moons"}
    path = tmp_path / "results"
    shown = qb.run(moons, results=path, jobs=1)
    assert shown.complete and shown.problems == () and "toy: 2 cells, 0 finished, 2 to run" in capfd.readouterr().err
    assert str(shown) == str(qb.table(moons, results=path))
    assert list(qb.records(moons, results=path)["metric"].unique()) == ["swd"]
    again = qb.run(moons, results=path, jobs=1, progress=False, model="elementwise")
    assert capfd.readouterr().err == "" and list(again.frame()["model"]) == ["elementwise"]
    drawn = [qb.figure(moons, kind, results=path) for kind in ("observables", "losses")]
    assert all(isinstance(figure, Figure) for figure in drawn)


def test_a_run_says_which_cells_failed(tmp_path):
    lightning = STUDY | {"models": [{"model": "qinn"}], "seeds": 1, "backends": ["lightning.gpu"]}
    shown = qb.run(lightning, results=tmp_path, jobs=1, progress=False)
    assert not shown.complete and "unsupported" in str(shown)
    assert list(qb.records(lightning, results=tmp_path)["status"]) == ["unsupported"]


REFUSALS = {
    "no such study": lambda: qb.records("quikc"),
    "no study": lambda: qb.table(7),
    "a wrong key": lambda: qb.records(STUDY | {"sead": 1}),
    "an unknown model": lambda: qb.run(STUDY | {"models": [{"model": "splin"}]}),
    "a row that is not there": lambda: qb.table("quick", records=QUICK, model="affine"),
    "a seed that is not there": lambda: qb.records("quick", records=QUICK, seed=99),
    "a column that is not there": lambda: qb.table("quick", records=QUICK, columns="nil"),
    "columns that are no names": lambda: qb.table("quick", records=QUICK, columns=[1]),
    "no published records": lambda: qb.claims("rousselot2024", records="nowhere.gz"),
    "records of another study": lambda: qb.records("quick", records=CAPACITY),
    "no claims": lambda: qb.claims("rousselot"),
    "jobs": lambda: qb.run(STUDY, jobs=0),
    "a figure of published records": lambda: qb.figure("quick", records=QUICK),
    "no frame": lambda: qb.compare([1], **ROLES),
    "a column that the frame lacks": lambda: qb.compare(pd.DataFrame({"a": []}), **ROLES),
    "a column twice": lambda: qb.compare(
        pd.DataFrame([["a", "x", 1, 2]], columns=["classifier", "dataset", "auc", "auc"]), **ROLES
    ),
    "a hole": lambda: qb.compare(pd.DataFrame({"m": ["a", "b"], "v": [1.0, None]}), row="m", value="v"),
    "a score that is none": lambda: qb.compare(pd.DataFrame({"m": ["a", "b"], "v": [1, np.inf]}), row="m", value="v"),
    "a margin": lambda: qb.compare(DEMSAR, **ROLES, margin=-1),
    "a level": lambda: qb.compare(DEMSAR, **ROLES, level=0.7),
    "a word": lambda: qb.compare(DEMSAR, **ROLES, over="rows"),
    "a direction": lambda: qb.compare(DEMSAR, **ROLES, better="more"),
}


@pytest.mark.parametrize("asked", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_had_is_refused_in_one_sentence(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(qb.Refused) as refusal:
        asked()
    assert len(str(refusal.value)) > 10 and "\n" not in str(refusal.value)


def read_back(form, content):
    if form == "csv":
        texts = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, lineterminator="\n")
        values = {"Int64": int, "float64": float, "bool": "True".__eq__, "boolean": "True".__eq__, "object": str}
        cells = {
            name: [values[kind](text) if text or kind == "object" else None for text in texts[name]]
            for name, kind in COLUMNS.items()
        }
        return pd.DataFrame({name: pd.Series(cells[name], dtype=kind) for name, kind in COLUMNS.items()})
    if form == "json":
        return pd.DataFrame(json.loads(content)).astype(COLUMNS)
    return pd.read_parquet(io.BytesIO(content)).astype(COLUMNS)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_export_is_read_back_as_it_was(capsys, failed, tmp_path, form):
    out = tmp_path / f"out.{form}"
    words = ["export", _as_file(tmp_path), "--results", failed, "--to", form]
    assert "5 numbers of 5 cells" in said(capsys, *words, "--out", out)
    frame = qb.records(STUDY, results=failed)
    back = read_back(form, out.read_bytes())
    if form == "csv":
        for name in ("row", "family", "reason", "note"):
            frame[name] = frame[name].map(harmless).astype(object)
        assert list(frame["row"])[3] == "'=affine" and frame["reason"][1] == f"'{FAILURE}"
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    if form == "parquet":
        assert main([str(word) for word in words]) == 2
        assert "parquet is no text to be printed" in capsys.readouterr().err
    else:
        assert said(capsys, *words).encode() == out.read_bytes()


def test_what_cannot_be_written_leaves_the_old_file(capsys, failed, tmp_path, mocker):
    out = tmp_path / "out.csv"
    out.write_text("old")
    mocker.patch("qinn_bench.report.record_frame.pd.DataFrame.to_csv", side_effect=OSError(28, "no space"))
    assert main(["export", str(_as_file(tmp_path)), "--results", str(failed), "--to", "csv", "--out", str(out)]) == 74
    assert out.read_text() == "old" and sorted(path.name for path in tmp_path.iterdir()) == [
        "out.csv",
        "results",
        "toy.toml",
    ]


def test_an_export_does_not_take_the_place_of_its_records(capsys, tmp_path):
    path = tmp_path / "quick.jsonl.gz"
    path.write_bytes(Path("results/published/quick.jsonl.gz").read_bytes())
    before = path.read_bytes()
    assert main(["export", "quick", "--records", str(path), "--to", "csv", "--out", str(path)]) == 2
    assert "holds the records themselves" in capsys.readouterr().err and path.read_bytes() == before


def test_an_export_of_nothing_is_refused(capsys, tmp_path):
    assert main(["export", str(_as_file(tmp_path)), "--results", str(tmp_path), "--to", "csv"]) == 2
    assert "'toy' has no records to export" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["export", "quick", "--to", "xlsx"])
    with pytest.raises(qb.Refused, match="written as 'xlsx', expected one of: csv, parquet, json"):
        written(pd.DataFrame(), "xlsx")


@given(st.text(max_size=12) | st.from_regex(r"\s?[=+@\-＝][ -~]{0,5}", fullmatch=True))
def test_no_text_is_a_formula(text):
    shown = harmless(text)
    assert shown in (text, f"'{text}")
    assert NUMBER.fullmatch(shown) or shown.lstrip()[:1] not in tuple("=+-@＝＋－＠")


def test_tables_in_csv_have_no_formulas(capsys, failed, tmp_path):
    out = said(capsys, "table", _as_file(tmp_path), "--results", failed, "--format", "csv")
    assert "\n'=affine," in out
