"""Tables of the user's as data sets: the same rows whatever the format, by content and not by place, or a sentence."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qinn_bench import outside, registry
from qinn_bench.cli.main import main
from qinn_bench.data.assemble import Shares
from qinn_bench.records import store
from qinn_bench.values import Refused, Use

ROWS = np.random.default_rng(5).normal(size=(60, 3)) * [1, 10, 100] + [0, 5, 2000]
NAMES = ["x", "pt (GeV)", "m"]
STUDY = """
name = "mine"
data = ["table[path='my data/my.csv',log=m]"]
seeds = 1
samples = 25
mass_draws = 2000
metrics = ["swd", "w1"]
columns = ["w1_pt__GeV"]
[budgets.short]
steps = 4
[[models]]
model = "gaussian"
"""


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside.of_options({})
    yield
    outside.of_options({})


def frame(rows=ROWS, names=NAMES):
    return pd.DataFrame(np.asarray(rows), columns=names)


def made(**knobs):
    return registry.make("data", registry.spell_out("data", Use(name="table", knobs=knobs)))


def every_row(data):
    return np.concatenate([data.train, data.valid, data.test])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=arrays(np.float64, (41, 2), elements=st.floats(-1e30, 1e30, allow_subnormal=False), unique=True),
    separator=st.sampled_from([",", ";", "\t"]),
)
def test_a_table_is_the_same_in_every_format(rows, separator, tmp_path):
    table = frame(rows, ["a", "b"])
    table.to_csv("one.csv", index=False, sep=separator)
    table.to_csv("one.tsv", index=False, sep="\t", lineterminator="\r\n", encoding="utf-8-sig")
    table.to_parquet("one.parquet")
    np.savez("one.npz", a=rows[:, 0], b=rows[:, 1])
    try:
        first = made(path="one.csv")
    except Refused as refusal:
        assert "cannot be standardised" in str(refusal)
        return
    assert np.array_equal(np.sort(every_row(first), axis=0), np.sort(rows, axis=0))
    for other in ("one.tsv", "one.parquet", "one.npz"):
        assert made(path=other).fingerprint == first.fingerprint
    np.savez("two.npz", rows)
    assert np.array_equal(every_row(made(path="two.npz")), every_row(first))


def test_the_place_of_a_table_is_nothing_and_its_content_is_all(tmp_path):
    frame().to_csv("my.csv", index=False)
    (tmp_path / "sub").mkdir()
    shutil.copy("my.csv", "sub/other.csv")
    assert made(path="my.csv").fingerprint == made(path="sub/other.csv").fingerprint
    use = registry.spell_out("data", Use(name="table", knobs={"path": str(tmp_path / "sub" / "other.csv")}))
    assert use.knobs["path"] == "other.csv" and registry.make("data", use).dim == 3
    edited = ROWS.copy()
    edited[3, 1] += 1e-12
    frame(edited).to_csv("edited.csv", index=False)
    prints = {made(path="my.csv").fingerprint, made(path="edited.csv").fingerprint}
    prints |= {made(path="my.csv", **knobs).fingerprint for knobs in ({"log": "m"}, {"columns": "m;x"}, {"test": 0.25})}
    assert len(prints) == 5


def test_rows_are_shuffled_alike_and_split_as_asked(tmp_path):
    frame(np.arange(200.0).reshape(100, 2) ** 1.5, ["a", "b"]).to_csv("my.csv", index=False)
    data = made(path="my.csv", valid=0.2, test=0.3)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [50, 20, 30]
    assert not (np.diff(data.train[:, 0]) > 0).all() and np.array_equal(
        data.train, made(path="my.csv", valid=0.2, test=0.3).train
    )
    assert len(np.unique(every_row(data), axis=0)) == 100
    assert len(every_row(made(path="my.csv", max_rows=40))) == 40


@settings(deadline=None)
@given(n=st.integers(20, 500), train=st.floats(0, 1), share=st.floats(0, 1))
def test_parts_are_all_of_the_rows(n, train, share):
    parts = Shares(train, share * (1 - train)).split(np.arange(float(n))[:, None])
    assert np.array_equal(np.concatenate(parts)[:, 0], np.arange(n))


def test_the_index_that_pandas_writes_can_be_left_out(tmp_path):
    frame().to_csv("my.csv")
    assert [column.name for column in made(path="my.csv", columns="x;m").columns] == ["x", "m"]


def test_models_see_logarithms_and_no_long_tails(tmp_path):
    tails = np.random.default_rng(0).standard_cauchy((400, 2))
    frame(np.column_stack([tails, np.exp(tails[:, :1].clip(-9, 9))]), ["a", "b", "m"]).to_csv("my.csv", index=False)
    data = made(path="my.csv", features="arcsinh", log="m")
    features, logdet = data.transform.forward(data.test)
    np.testing.assert_allclose(data.transform.inverse(features), data.test, rtol=1e-9, atol=1e-9)
    assert np.abs(features).max() < 12 and np.isfinite(logdet).all()
    assert not data.support(data.test * [1, 1, -1]).any()


CSV = frame().to_csv(index=False)
REFUSED = [
    ("my.csv", None, {}, "there is no table 'my.csv'; it is looked for from the study file"),
    ("my.txt", CSV, {}, "a file ending in one of .csv, .tsv, .parquet, .npz was expected"),
    ("my.csv", CSV, {"columns": "x;mass"}, "table 'my.csv' has no column 'mass'; there are: x, pt (GeV), m"),
    ("my.csv", CSV, {"columns": "x;x"}, "column 'x' is named twice"),
    ("my.csv", CSV, {"log": "x"}, "the logarithm of 'x' was asked for, which is -"),
    ("my.csv", CSV, {"log": "m", "columns": "x"}, "has no column 'm'; there are: x"),
    ("my.csv", CSV, {"features": "log"}, "features is 'log'; there are: standard, arcsinh"),
    ("my.csv", CSV, {"test": 1.0}, "two shares were expected, together less than 1"),
    ("my.csv", CSV, {"test": 0.9, "valid": 0.05}, "3 rows to train, 3 to validate and 54 to test; at least 5 each"),
    ("my.csv", CSV, {"max_rows": -1}, "max_rows is -1"),
    ("my.csv", CSV, {"max_rows": 39}, "has 39 rows; from 40 to"),
    ("my.csv", "", {}, "is no table in CSV"),
    ("my.csv", "a,b\n", {}, "has 0 rows; from 40 to"),
    ("my.csv", CSV.replace("x,", "m,", 1), {}, "has two columns called 'm'"),
    ("my.csv", CSV.replace("x,", ",", 1), {}, "column '#1' has no name in the first line; name the columns of numbers"),
    ("my.csv", CSV.partition("\n")[2], {}, "begins with the numbers"),
    ("my.csv", CSV + "1,2,\n", {}, "column 'm' is nan in line 62, the first of 1 such values"),
    ("my.csv", "x,m\n" + "1,5,2,5\n" * 50, {}, "its rows have more values than the 2 names of its first line"),
    ("my.csv", "x\n" + f"{2**70}\n" * 50, {}, f"column 'x' holds '{2**70}', no numbers"),
    ("my.csv", CSV + "1,2,inf\n", {}, "column 'm' is inf in line 62"),
    ("my.csv", CSV + "1,2,muon\n", {}, "column 'm' holds 'muon', no numbers; name the columns of numbers"),
    ("my.csv", CSV + "1,2,3,4\n", {}, "is no table in CSV"),
    ("my.csv", CSV.replace(",", "\0,"), {}, "table 'my.csv'|is no table in CSV"),
    ("my.csv", b"\xff\xfe\x00a", {}, "is no table in CSV"),
    ("my.csv", "x,flag\n" + "1.5,True\n2.5,False\n" * 30, {}, "column 'flag' holds values of type bool"),
    ("my.csv", "x,same\n" + "".join(f"{i}.5,3\n" for i in range(60)), {}, "leave out a column that is constant"),
    ("my.csv", "a b,a_b\n" + "".join(f"{i},{i * i}\n" for i in range(60)), {}, "would both be called 'a_b'"),
    ("my.parquet", b"PAR1 and no more", {}, "is no table in Parquet"),
    ("my.npz", b"PK\x03\x04 and no more", {}, "is damaged"),
]


@pytest.mark.parametrize(("name", "content", "knobs", "said"), REFUSED)
def test_what_is_no_table_of_numbers_is_refused_in_a_sentence(name, content, knobs, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Refused) as refusal:
        made(path=name, **knobs)
    told = str(refusal.value)
    assert any(part in told for part in said.split("|")) and "\n" not in told and str(tmp_path) not in told


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"a": np.array([{}, 3], dtype=object)}, "damaged|of type object"),
        ({"a": np.array(["x"] * 50)}, "array 'a' is of type <U1; numbers were expected"),
        ({"a": np.zeros(50), "b": np.zeros(51)}, "has the arrays a (50,), b (51,)"),
        ({"a": np.zeros((5, 5, 5))}, "has the arrays a (5, 5, 5)"),
        ({"a": np.ones(50, dtype=complex)}, "of type complex128"),
        ({}, "has the arrays none"),
    ],
)
def test_arrays_that_are_no_table_are_refused(stored, said, tmp_path):
    np.savez("my.npz", **stored)
    with pytest.raises(Refused) as refusal:
        made(path="my.npz")
    assert any(part in str(refusal.value) for part in said.split("|"))


def test_a_study_reads_the_table_beside_it_and_its_records_go_where_it_goes(tmp_path, capsys):
    place = tmp_path / "study"
    (place / "my data").mkdir(parents=True)
    (place / "mine.toml").write_text(STUDY)
    frame().to_csv(place / "my data" / "my.csv", index=False)
    words = ["--results", str(tmp_path / "results")]
    assert main(["run", "study/mine.toml", *words, "-j", "1", "--json"]) == 0
    (record,) = store.load_all(tmp_path / "results", "mine")
    assert record.status == "ok" and record.cell.data.knobs["path"] == "my.csv"
    assert str(tmp_path) not in record.model_dump_json() and "my data" not in record.model_dump_json()
    (place / "my data" / "my.csv").rename(place / "my.csv")
    (place / "mine.toml").write_text(STUDY.replace("my data/", ""))
    place.rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert main(["status", "elsewhere/mine.toml", *words]) == 0
    assert "1 ok, 0 to run" in capsys.readouterr().out
    for wanted in ("table", "table[path=my.csv]", "table[path=elsewhere/my.csv]"):
        assert main(["table", "elsewhere/mine.toml", *words, "-d", wanted, "--json"]) == 0
    assert "w1_pt__GeV" in json.dumps(json.loads(capsys.readouterr().out.rpartition("\n{")[2].join(["{", ""])))
    edited = ROWS.copy()
    edited[0, 0] += 1
    frame(edited).to_csv(tmp_path / "elsewhere" / "my.csv", index=False)
    assert main(["status", "elsewhere/mine.toml", *words]) == 0
    assert "the data differs (1)" in capsys.readouterr().out


def test_two_files_of_one_name_are_refused(tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        frame().to_csv(tmp_path / folder / "my.csv", index=False)
    text = STUDY.replace("\"table[path='my data/my.csv',log=m]\"", '"table[path=a/my.csv]", "table[path=b/my.csv]"')
    (tmp_path / "mine.toml").write_text(text)
    assert main(["status", "mine.toml"]) == 2
    assert "are called 'my.csv'" in capsys.readouterr().err


def test_an_index_with_a_name_is_a_column(tmp_path):
    frame().set_index("x").to_parquet("named.parquet")
    frame().to_parquet("plain.parquet")
    assert [column.name for column in made(path="named.parquet").columns] == NAMES
