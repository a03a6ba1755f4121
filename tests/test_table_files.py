"""Tables of users: the line of a refused value, comments before the names, whole numbers that would be rounded."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qinn_bench.data.sets import table
from qinn_bench.data.table_files import read_table
from qinn_bench.values import Refused

ROWS = "\n".join(f"{a:.4f},{b:.4f}" for a, b in np.random.default_rng(0).normal(size=(60, 2)))


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf8")
    return folder / name


@pytest.mark.parametrize(
    ("before", "line"),
    [("a,b\n", 62), ("a,b\n\n\n", 64), ("\ufeffa,b\r\n", 62), ('a,"b\n"\n', None)],
)
def test_a_refused_value_is_named_by_its_line_in_the_file(tmp_path, before, line):
    path = written(tmp_path, f"{before}{ROWS}\n1.0,nan\n{ROWS}\n")
    if line:
        with pytest.raises(Refused, match=rf"column 'b' is nan in line {line}, the first of 1 such values"):
            table.load(path=str(path))


def test_a_quoted_value_of_several_lines_counts_them_all(tmp_path):
    path = written(tmp_path, 'x,note\n1.5,"two\nlines"\n\n2.5,one\n')
    assert [read_table(path).place(row) for row in (0, 1)] == ["line 3", "line 5"]


def test_the_logarithm_of_a_negative_value_is_named_by_its_line(tmp_path):
    path = written(tmp_path, "a,b\n" + "\n".join(f"{1 + k},{k}" for k in range(60)) + "\n-3,1\n")
    with pytest.raises(Refused, match="which is -3 in line 62"):
        table.load(path=str(path), log="a")


def test_rows_of_other_files_are_counted_from_one(tmp_path):
    rows = np.random.default_rng(1).normal(size=(60, 2))
    rows[4, 1] = np.nan
    np.savez(tmp_path / "t.npz", rows=rows)
    with pytest.raises(Refused, match="is nan in row 5"):
        table.load(path=str(tmp_path / "t.npz"))


@pytest.mark.parametrize("comment", ["# made by me", "# a, b", "#"])
def test_a_comment_before_the_names_is_told(tmp_path, comment):
    with pytest.raises(Refused, match="comment"):
        read_table(written(tmp_path, f"{comment}\na,b\n{ROWS}\n"))


def test_names_behind_a_hash_are_names(tmp_path):
    assert read_table(written(tmp_path, f"# a,b\n{ROWS}\n")).names == ("# a", "b")


@pytest.mark.parametrize("form", ["csv", "parquet", "npz", "npz 2d"])
@pytest.mark.parametrize(("value", "lost"), [(2**53, False), (2**53 + 1, True), (-(2**60) - 1, True), (2**62, False)])
def test_whole_numbers_are_never_rounded_in_silence(tmp_path, form, value, lost):
    values, others = np.array([1, 2, value]), np.array([5, 6, 7])
    path = tmp_path / f"t.{form.partition(' ')[0]}"
    if form == "csv":
        path.write_text(pd.DataFrame({"a": values, "b": others}).to_csv(index=False), encoding="utf8")
    elif form == "parquet":
        pd.DataFrame({"a": values, "b": others}).to_parquet(path)
    elif form == "npz":
        np.savez(path, a=values, b=others)
    else:
        np.savez(path, both=np.column_stack([values, others]))
    read = read_table(path)
    assert bool(read.odd[0]) == lost and not read.odd[1]
    assert not lost or str(value) in read.odd[0]
