"""Reading anybody's table: refusals in one sentence, holes, separators, names that stand twice, numbers of people."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qinn_bench.values import Refused
from qinn_bench.verdicts.outside_results import Columns, plain_number, read

RUNS = Columns("model", "score", "data", "seed")
MEANS = Columns("model", "score", "data", "", "sd", "n")


HEAD = "model,data,seed,score,sd,n"
GOOD = ("a,x,0,1.0,1,5", "b,x,0,2.0,1,5")
REFUSALS = {
    "no column": (RUNS._replace(value="accuracy"), GOOD, "no column 'accuracy'; it has: model, data, seed, score"),
    "no number": (RUNS, (*GOOD, "a,x,1,good,1,5"), "line 4 has 'good' in column 'score', expected a plain number"),
    "empty": (RUNS, (*GOOD, "a,x,1,,1,5", "b,x,1,2,1,5"), r"no score of 'a' on 'x', seed 1 \(line 4\); --drop"),
    "not a number": (
        RUNS,
        (*GOOD, "a,x,1,nan,1,5", "b,x,1,2,1,5"),
        r"no score of 'a' on 'x', seed 1 \(line 4\); --drop",
    ),
    "not finite": (RUNS, (*GOOD, "a,x,1,inf,1,5"), "line 4 has 'inf'"),
    "underscore": (RUNS, (*GOOD, "a,x,1,0_8,1,5"), "line 4 has '0_8'"),
    "huge": (RUNS, (*GOOD, "a,x,1,1e308,1,5"), "line 4 has '1e308' .* at most 1e.100 in size"),
    "digits": (RUNS, (*GOOD, f"a,x,1,{'9' * 5000},1,5"), "line 4 has '9{40}…'"),
    "other digits": (RUNS, (*GOOD, "a,x,1,１２,1,5"), "line 4 has '１２'"),
    "per cent": (RUNS, (*GOOD, "a,x,1,95%,1,5"), "line 4 has '95%'"),
    "comma": (RUNS, (*GOOD, 'a,x,1,"0,95",1,5'), "line 4 has '0,95' .* with a point for the decimals"),
    "huge sd": (MEANS, ("a,x,0,1.0,1e200,5",), "line 2 has '1e200' in column 'sd'"),
    "many runs": (MEANS, ("a,x,0,1.0,1,1e20",), "line 2 has sd 1 of 1e.20 runs"),
    "one name for two": (RUNS._replace(seed="data"), GOOD, "column 'data' is named for --column and --seed"),
    "near": (RUNS._replace(value="Score"), GOOD, r"no column 'Score'; .*; did you mean 'score'\?"),
    "no data set": (RUNS, (*GOOD, "a,,1,1.0,1,5"), r"line 4 has nothing in column 'data' \(--column\)"),
    "fields": (RUNS, (*GOOD, "a,x,1"), "line 4 has 3 fields, its header 6"),
    "no name": (RUNS, (*GOOD, ",x,1,1.0,1,5"), "line 4 has nothing in column 'model'"),
    "twice": (RUNS, (*GOOD, GOOD[0]), "lines 2 and 4 both hold the score of 'a' on 'x', seed 0$"),
    "no seed": (RUNS._replace(seed=""), (*GOOD, "a,x,1,1.0,1,5"), "lines 2 and 4 .*'x'; name the column .* --seed"),
    "missing": (RUNS, (*GOOD, "b,y,3,1.0,1,5"), "no score of 'a' on 'y', seed 3; --drop"),
    "one row": (RUNS, GOOD[:1], "has 1 row, at least 2"),
    "no row": (RUNS, (), "has 0 rows, at least 2"),
    "sd alone": (MEANS._replace(n=""), GOOD, "need both columns"),
    "sd and seed": (MEANS._replace(seed="seed"), GOOD, "not both"),
    "one run": (MEANS, ("a,x,0,1.0,1,1",), "line 2 has sd 1 of 1 runs"),
    "negative sd": (MEANS, ("a,x,0,1.0,-1,5",), "line 2 has sd -1 of 5 runs"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_tables_are_refused_in_one_sentence(table, name):
    columns, lines, said = REFUSALS[name]
    with pytest.raises(Refused, match=said):
        read(table(HEAD, *lines), columns)


def test_no_file_no_header_no_text(tmp_path, table):
    with pytest.raises(Refused, match="there is no file"):
        read(tmp_path / "none.csv", RUNS)
    with pytest.raises(Refused, match="it has: none"):
        read(table(""), RUNS)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not text in UTF-8"):
        read(tmp_path / "binary.csv", RUNS)


def test_what_is_missing_is_named_and_counted_or_dropped(table):
    lines = [f"{row},{data},0,{at}.5,1,5" for at, (row, data) in enumerate(product("ab", "uvwxyz"))]
    path = table(HEAD, *lines, *(f"c,{data},0,9.0,1,5" for data in "u"))
    with pytest.raises(Refused, match=r"'c' on 'v', seed 0, 'c' on 'w', seed 0, 'c' on 'x', seed 0 and 2 more"):
        read(path, RUNS)
    found = read(path, RUNS, drop=True)
    assert found.columns == ("u",) and len(found.dropped) == 5
    with pytest.raises(Refused, match="nothing is left"):
        read(table(HEAD, GOOD[0], "b,y,0,1.0,1,5"), RUNS, drop=True)


def test_scores_are_arranged_whatever_the_order_of_lines(table):
    lines = [f"{row},{data},{seed},{ord(row) + ord(data) * seed}" for row, data, seed in product("ab", "xy", (0, 1))]
    found = read(table("model,data,seed,score", *reversed(lines)), RUNS)
    for at, row in enumerate(found.rows):
        expected = [ord(row) + ord(data) * int(seed) for data, seed in found.replicates]
        assert found.scores[at].tolist() == expected
    alone = read(table("model,score", "a,1", "b,2"), Columns("model", "score"))
    assert alone.replicates == (("all", ""),)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_marks_and_line_ends_are_read(tmp_path, separator, mark, end):
    path = tmp_path / "t.csv"
    lines = [["model", "data, all", "seed", "score"], *([row, '"x; y"', "0", "0.5"] for row in "ab")]
    lines[0][1] = '"data, all"'
    path.write_bytes((mark + end.join(separator.join(line) for line in lines) + end).encode())
    found = read(path, RUNS._replace(column="data, all"))
    assert found.rows == ("a", "b") and found.columns == ("x; y",) and found.scores.tolist() == [[0.5], [0.5]]


def test_the_separator_that_was_seen_is_said(table):
    with pytest.raises(Refused, match=r"no column 'model'; it has: m, s, d \(separated by a semicolon\)"):
        read(table("m;s;d", "a;1;x"), RUNS)
    with pytest.raises(Refused, match="separated by a tab"):
        read(table("m\ts\td", "a\t1\tx"), RUNS)
    for other in "| ":
        said = rf"has one column, '{re.escape(other.join(('model', 'score')))}'; fields are separated by commas"
        with pytest.raises(Refused, match=said):
            read(table(f"model{other}score", f"a{other}1"), Columns("model", "score"))
    with pytest.raises(Refused, match=r"line 2 has '0,95' .* with a point for the decimals"):
        read(table("model;score", "a;0,95"), Columns("model", "score"))


def test_empty_lines_of_any_width_are_passed_over(table):
    found = read(table("model,score", "", "a,1", ",", " , ", "b,2", ",,,,"), Columns("model", "score"))
    assert found.rows == ("a", "b") and found.scores.tolist() == [[1.0], [2.0]]


def test_columns_of_one_name_are_refused_where_they_are_used(table):
    with pytest.raises(Refused, match="has 2 columns 'score'; which one is meant cannot be told"):
        read(table("model,score, score ", "a,1,2", "b,1,2"), Columns("model", "score"))
    unused = read(table("model,score,note,note", "a,1,,", "b,2,,"), Columns("model", "score"))
    assert unused.scores.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("hole", ["", " ", "nan", "NaN", "NA", "N/A", "None", "-", "–", "—", "#N/A", None])
@pytest.mark.parametrize("where", ["score", "sd", "n"])
def test_holes_are_as_lines_that_are_not_there(table, hole, where):
    cells = [{"model": row, "data": data, "score": "1.5", "sd": "0.1", "n": "5"} for row, data in product("ab", "xyz")]
    lines = [",".join(cell.values()) for cell in cells if hole is not None or cell is not cells[4]]
    if hole is not None:
        lines[4] = ",".join((cells[4] | {where: hole}).values())
    path = table("model,data,score,sd,n", *lines)
    with pytest.raises(Refused, match=r"no score of 'b' on 'y'.*--drop compares on the 2 of 3 data sets"):
        read(path, MEANS)
    found = read(path, MEANS, drop=True)
    assert found.columns == ("x", "z") and [column for column, _ in found.dropped] == ["y"]
    assert np.isfinite(found.scores).all() and found.costs == ()


def test_a_row_of_holes_is_named_as_what_costs_everything(table):
    lines = [f"{row},{data},{'' if row == 'c' else 1}" for row, data in product("abc", "xy")]
    with pytest.raises(Refused, match=r"nothing is left .* all 3 rows; complete are 2 more without 'c' \(--rows\)"):
        read(table("model,data,score", *lines), RUNS._replace(seed=""), drop=True)


def test_rows_are_chosen_by_name(table):
    lines = (f'"{row}",{data},{ord(row[0])}' for row, data in product(("a", "b", "c, d"), "xy"))
    path = table("model,data,score", *lines)
    found = read(path, RUNS._replace(seed=""), rows=("c, d", "a"))
    assert found.rows == ("c, d", "a") and found.scores[:, 0].tolist() == [99.0, 97.0]
    with pytest.raises(Refused, match="has no row 'e'; of its 3 rows the nearest are: a, b, c, d"):
        read(path, RUNS._replace(seed=""), rows=("e", "a"))


@given(st.floats(-1e100, 1e100, allow_nan=False))
def test_every_number_that_python_writes_is_plain(value):
    assert (
        plain_number(repr(value)) == (value if abs(value) * 1e100 >= 1 else 0)
        and plain_number(f"{value:e}") is not None
    )


@given(st.text(max_size=12))
def test_any_other_text_is_none_or_a_number_of_bounded_size(text):
    found = plain_number(text)
    assert found is None or (abs(found) <= 1e100 and text.isascii() and "_" not in text)
