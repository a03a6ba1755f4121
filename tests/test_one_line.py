"""What is refused of a file of strangers is told in one line of bounded length, whatever names stand in the file."""

import json

import pytest

from qinn_bench.reading import value_of
from qinn_bench.study import study_files
from qinn_bench.values import Refused, Use
from qinn_bench.verdicts import outside_results
from qinn_bench.verdicts.outside_results import Columns

ODD = ("a\nb\r", "a\u2028b", "a\u0085b", "x" * 5000)
LONGEST = 600


def refused(read, *args):
    with pytest.raises(Refused) as told:
        read(*args)
    assert len(str(told.value).splitlines()) == 1 and len(str(told.value)) < LONGEST, repr(str(told.value))
    return str(told.value)


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_break_no_line(odd, tmp_path):
    assert "is no use" in refused(value_of, Use, json.dumps({"name": "a", odd: 1}), "the file is no use")
    study = tmp_path / "odd.toml"
    study.write_text(f"name = 'odd'\n{json.dumps(odd)} = 1\n", encoding="utf8")
    assert "odd.toml" in refused(study_files.load_study, study)
    table = tmp_path / "odd.csv"
    table.write_text(f'row,data,"{odd}"\na,b,1\n', encoding="utf8")
    assert "no column 'value'" in refused(outside_results.read, table, Columns(row="row", value="value", column="data"))
    table.write_text(f'"{odd}"\na\n', encoding="utf8")
    assert "has one column" in refused(outside_results.read, table, Columns(row="row", value="value"))
